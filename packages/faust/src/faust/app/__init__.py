"""The application."""

from faust_core.app import App
from faust_core.boot import BootStrategy

__all__ = ["App", "BootStrategy"]
