"""The methods of `ocellus explain` that give heat maps: by name, with their settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Any, get_type_hints

from ocellus import catalog
from ocellus.errors import OcellusError
from ocellus.jobs.settings import checked
from ocellus.values import Heatmap


@dataclass(frozen=True, kw_only=True)
class Method:
    """One explaining method, ready to be called.

    Args:
        name: "gradcam".
        title: "Grad-CAM".
        explain: its function.
        config: its settings.
    """

    name: str
    title: str
    explain: Callable[..., Heatmap]
    config: Any


def heat_methods() -> dict[str, catalog.Card]:
    """The cards of all methods that give heat maps, by the method's short name."""
    cards = (card for card in catalog.cards() if card.verb == "explain" and card.value == "Heatmap")
    return {card.name.split("/")[1]: card for card in cards}


def self_explaining() -> dict[str, catalog.Card]:
    """The cards of systems that live among the methods: they explain their own networks, and no others."""
    cards = (card for card in catalog.cards() if card.name.startswith("explain/") and card.verb == "predict")
    return {card.name.split("/")[1]: card for card in cards}


def other_methods() -> dict[str, catalog.Card]:
    """The cards of methods that give something else."""
    cards = (card for card in catalog.cards() if card.verb == "explain" and card.value != "Heatmap")
    return {card.name.split("/")[1]: card for card in cards}


def methods_of(names: str | Sequence[str], options: Mapping[str, Any] | None = None) -> list[Method]:
    """Methods by name, each once, with their settings.

    Args:
        names: "gradcam", "gradcam,occlusion", or several; "all": those that explain any network.
        options: fields of the methods' Config; each goes to all methods that have it.

    Raises:
        OcellusError: no such method, with the nearest; or no such setting, or a wrong value. Exit code 2.
    """
    words = names.split(",") if isinstance(names, str) else list(names)
    known = heat_methods() | self_explaining()
    chosen = (
        list(heat_methods())
        if words == ["all"]
        else [word.strip().removeprefix("explain/") for word in words]
    )
    for word in chosen:
        if word not in known:
            raise _unknown(word, known)
    methods = []
    for name in dict.fromkeys(chosen):
        system = catalog.system(known[name].name)
        config = system.Config() if known[name].verb == "explain" else system.Explain()
        methods.append(Method(name=name, title=known[name].title, explain=system.explain, config=config))
    return _with_options(methods, dict(options or {}))


def _with_options(methods: list[Method], options: dict[str, Any]) -> list[Method]:
    taken: set[str] = set()
    ready = []
    for method in methods:
        kinds = get_type_hints(type(method.config))
        own = {entry.name for entry in fields(method.config)} & set(options)
        values = {name: checked(name, options[name], kinds[name]) for name in own}
        ready.append(replace(method, config=replace(method.config, **values)))
        taken |= own
    if missing := [name for name in options if name not in taken]:
        have = sorted({entry.name for method in methods for entry in fields(method.config)})
        names = ", ".join(method.name for method in methods)
        there = f"there is {', '.join(have)}" if have else "they have none"
        raise OcellusError(f"{names} has no setting {missing[0]!r}: {there}", exit_code=2)
    return ready


def _unknown(word: str, known: Mapping[str, catalog.Card]) -> OcellusError:
    if word in other_methods():
        return OcellusError(f"{word} gives no heat map: run it alone, ocellus explain {word}", exit_code=2)
    near = get_close_matches(word, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(known)}"
    return OcellusError(f"there is no explaining method {word!r}: {hint}", exit_code=2)
