"""Codecs, schemas, and what reads and writes by their names."""

from faust.serializers.registry import Registry
from faust_core.custom_codecs import Codec
from faust_core.schema import Schema

__all__ = ["Codec", "Registry", "Schema"]
