"""Write docs/reference from the docstrings: `python docs/build_reference.py`; with --check, only compare.

The code is read, not imported, so that the pages are the same on every machine.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PARTS = (
    "values",
    "labels",
    "weights",
    "catalog",
    "data",
    "nn",
    "training",
    "metrics",
    "draw",
    "report",
    "jobs",
)


def page(part: str) -> str:
    """One page: every public class and function of a part of the package."""
    path = ROOT / "ocellus" / part
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    lines = [
        f"# ocellus.{part}",
        "",
        "Generated from the docstrings by `python docs/build_reference.py`.",
        "",
    ]
    for file in files:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        nodes = [n for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef)) and n.name[0] != "_"]
        if not nodes:
            continue
        name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        lines += [f"## {name}", "", ast.get_docstring(tree) or "", ""]
        for node in nodes:
            lines += entry(node, level=3)
            if isinstance(node, ast.ClassDef):
                for child in node.body:
                    if (
                        isinstance(child, ast.FunctionDef)
                        and child.name[0] != "_"
                        and ast.get_docstring(child)
                    ):
                        lines += entry(child, level=4, owner=node.name)
    return "\n".join(lines).rstrip() + "\n"


def entry(node: ast.FunctionDef | ast.ClassDef, *, level: int, owner: str = "") -> list[str]:
    """Heading, signature and docstring of one class or function."""
    title = f"{owner}.{node.name}" if owner else node.name
    lines = ["#" * level + f" {title}", ""]
    if isinstance(node, ast.FunctionDef):
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        lines += ["```python", f"{node.name}({ast.unparse(node.args)}){returns}", "```", ""]
    text = ast.get_docstring(node)
    return [*lines, "```text", text, "```", ""] if text else lines


def main() -> int:
    """Write or compare the pages; 1 where one is out of date."""
    folder = ROOT / "docs" / "reference"
    pages = {folder / f"{part}.md": page(part) for part in PARTS}
    if "--check" in sys.argv[1:]:
        old = [path for path, text in pages.items() if not path.is_file() or path.read_text("utf-8") != text]
        for path in old:
            print(f"{path.relative_to(ROOT)} is out of date: python docs/build_reference.py")
        return 1 if old else 0
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in pages.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
