"""Small things that applications import."""

from faust import uuid

__all__ = ["uuid"]
