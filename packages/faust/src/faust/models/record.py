"""The base class of typed values."""

from faust_models import Record

__all__ = ["Record"]
