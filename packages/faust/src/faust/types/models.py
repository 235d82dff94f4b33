"""Records."""

from typing import Any

from faust_models import FieldDescriptor as FieldDescriptorT
from faust_models import ModelOptions
from faust_models import Record as ModelT

__all__ = ["FieldDescriptorT", "ModelArg", "ModelOptions", "ModelT"]

#: What `key_type=` and `value_type=` take.
ModelArg = type[Any] | None
