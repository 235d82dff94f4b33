"""Errors, under the names that applications import."""

from faust_core.errors import (
    ConfigError,
    DecodeError,
    EncodeError,
    FaustError,
    KeyDecodeError,
    PartitionsMismatch,
    Skip,
    StoreError,
    TransportError,
    UnknownSetting,
    ValueDecodeError,
)
from faust_models import ValidationError

__all__ = [
    "ConfigError",
    "DecodeError",
    "EncodeError",
    "FaustError",
    "ImproperlyConfigured",
    "KeyDecodeError",
    "PartitionsMismatch",
    "Skip",
    "StoreError",
    "TransportError",
    "UnknownSetting",
    "ValidationError",
    "ValueDecodeError",
]

ImproperlyConfigured = ConfigError
