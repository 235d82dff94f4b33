"""Schemas, and what reads and writes by type and codec."""

from faust.serializers.registry import Registry as RegistryT
from faust_core.schema import Schema as SchemaT

__all__ = ["RegistryT", "SchemaT"]
