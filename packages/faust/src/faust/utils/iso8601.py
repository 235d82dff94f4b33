"""Dates as text."""

from datetime import datetime

__all__ = ["parse"]


def parse(datetime_string: str) -> datetime:
    """Return the time that ISO 8601 text says; raises `ValueError` where it says none."""
    return datetime.fromisoformat(datetime_string)
