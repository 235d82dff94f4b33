"""Records by their namespace, which is how `__faust` names them on the wire."""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

__all__ = ["canonical_name", "registry"]

#: Every record class that is not abstract.  A later class of the same namespace takes its place.
registry: MutableMapping[str, type[Any]] = {}


def canonical_name(module: str, qualname: str) -> str:
    """Return the namespace of a class that declares none.

    A program's main module is named as if it had been imported, so that records of
    ``python app.py`` and of ``faust -A app worker`` carry the same name.
    """
    return f"{_main_module() if module == '__main__' else module}.{qualname}"


def _main_module() -> str:
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    if file is None:
        return "__main__"
    path = Path(file).absolute()
    packages = []
    for folder in path.parents:
        if not (folder / "__init__.py").exists():
            break
        packages.append(folder.stem)
    # Innermost package first: the original's order, and so what existing records carry.
    return ".".join([*packages, path.stem])
