"""Typed records and codecs for the Faust stream processor."""

from . import codecs, fields, tags
from ._polymorphism import maybe_model
from .errors import SecurityError, ValidationError
from .fields import FieldDescriptor
from .options import ModelOptions
from .record import Record
from .registry import registry

__all__ = [
    "FieldDescriptor",
    "ModelOptions",
    "Record",
    "SecurityError",
    "ValidationError",
    "codecs",
    "fields",
    "maybe_model",
    "registry",
    "tags",
]
