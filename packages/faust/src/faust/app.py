"""The application."""

from faust_core.app import App

__all__ = ["App"]
