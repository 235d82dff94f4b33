"""Records by their namespace."""

from faust_models import FieldDescriptor, ModelOptions, maybe_model, registry
from faust_models import Record as Model

__all__ = ["FieldDescriptor", "Model", "ModelOptions", "maybe_model", "registry"]
