"""Records and their fields."""

from faust_models import FieldDescriptor, ModelOptions, Record, ValidationError, registry

__all__ = ["FieldDescriptor", "ModelOptions", "Record", "ValidationError", "registry"]
