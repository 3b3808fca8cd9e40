"""Write the table of findings in docs/guides/data.md: `python docs/build_findings.py`; --check compares."""

from __future__ import annotations

import sys
from pathlib import Path

from ocellus.data.findings import KINDS

GUIDE = Path(__file__).parent / "guides" / "data.md"
BEGIN, END = "<!-- findings: made by docs/build_findings.py -->", "<!-- end of findings -->"


def table() -> str:
    """One row a kind, refusals first; within them in the order of the table in the code."""
    rows = ["| severity | kind | what is wrong | what to do |", "|---|---|---|---|"]
    for wanted in ("refuse", "warn"):
        for name, (severity, meaning, cure) in KINDS.items():
            if severity == wanted:
                rows.append(f"| {severity} | `{name}` | {meaning} | {cure} |")
    return "\n".join(rows)


def page() -> str:
    """The guide with the table as the code has it now."""
    text = GUIDE.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    return f"{head}{BEGIN}\n{table()}\n{END}{tail}"


def main() -> int:
    """Write or compare; 1 where the guide is out of date."""
    if "--check" in sys.argv[1:]:
        if GUIDE.read_text(encoding="utf-8") == page():
            return 0
        print("docs/guides/data.md is out of date: python docs/build_findings.py")
        return 1
    GUIDE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
