"""Ocellus."""
