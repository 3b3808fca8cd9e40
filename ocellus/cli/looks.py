"""`--set NAME=VALUE`: how pictures reach a network, other than its weights say."""

from __future__ import annotations

import argparse


def looks(text: str) -> tuple[str, str]:
    """A name and its value.

    Raises:
        argparse.ArgumentTypeError: it is not NAME=VALUE.
    """
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE, as in views=2")
    return name.strip().replace("-", "_"), value
