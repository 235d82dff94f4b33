"""Records and their fields."""

from faust_models import FieldDescriptor, ModelOptions, Record, ValidationError, maybe_model, registry
from faust_models import Record as Model

__all__ = ["FieldDescriptor", "Model", "ModelOptions", "Record", "ValidationError", "maybe_model", "registry"]
