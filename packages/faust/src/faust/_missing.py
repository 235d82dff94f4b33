"""Names of the original that do not exist here: importing one says what to use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["pointing"]


def pointing(module: str, instead: Mapping[str, str], rest: str = "") -> Callable[[str], Any]:
    """Return a module's `__getattr__`.

    Args:
        instead: for each name what does its work.
        rest: the same for all other names; an ordinary error for them where it is empty.
    """

    def lookup(name: str) -> Any:
        hint = instead.get(name) or ("" if name.startswith("__") else rest)
        if hint:
            raise ImportError(f"{module} has no {name} here: {hint}", name=module)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return lookup
