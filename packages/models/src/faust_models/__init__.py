"""Typed records and codecs for the Faust stream processor."""

from . import codecs
from .errors import ValidationError
from .fields import FieldDescriptor
from .options import ModelOptions
from .record import Record
from .registry import registry

__all__ = ["FieldDescriptor", "ModelOptions", "Record", "ValidationError", "codecs", "registry"]
