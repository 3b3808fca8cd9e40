"""The data doctor: what is wrong with a data set, before a network learns it."""

from ocellus.data.check.doctor import check
from ocellus.data.check.report import Check

__all__ = ["Check", "check"]
