"""Schemas: how keys and values of a topic are read and written."""

from faust_core.schema import Schema

__all__ = ["Schema"]
