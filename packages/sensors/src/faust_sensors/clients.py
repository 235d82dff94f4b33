"""The clients of others, which are extras."""

from __future__ import annotations

import importlib
from typing import Any

from faust_core.errors import PluginMissing

__all__ = ["client"]


def client(module: str, extra: str, wanted_by: str) -> Any:
    """Return a module of an extra.

    Raises:
        PluginMissing: it is not installed; the message says what to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError as exc:
        raise PluginMissing(
            f"{wanted_by} needs {module.partition('.')[0]}: pip install 'faust-sensors[{extra}]'"
        ) from exc
