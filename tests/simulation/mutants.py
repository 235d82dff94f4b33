"""Bugs to plant: what the simulation must find."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["MUTANTS", "planted"]

MUTANTS: dict[str, Callable[[Any], None]] = {}


@contextmanager
def planted(name: str | None) -> Iterator[None]:
    yield
