"""Errors, under the names that applications import."""

from faust_core.errors import (
    AlreadyConfiguredWarning,
    ConfigError,
    DecodeError,
    EncodeError,
    FaustError,
    FaustWarning,
    KeyDecodeError,
    PartitionsMismatch,
    PluginMissing,
    Skip,
    StoreError,
    TransportError,
    UnknownSetting,
    ValueDecodeError,
)
from faust_models import SecurityError, ValidationError

__all__ = [
    "AlreadyConfiguredWarning",
    "ConfigError",
    "ConsistencyError",
    "ConsumerNotStarted",
    "DecodeError",
    "EncodeError",
    "FaustError",
    "FaustPredicate",
    "FaustWarning",
    "ImproperlyConfigured",
    "KeyDecodeError",
    "NotReady",
    "PartitionsMismatch",
    "PluginMissing",
    "ProducerSendError",
    "SameNode",
    "SecurityError",
    "Skip",
    "StoreError",
    "TransportError",
    "UnknownSetting",
    "ValidationError",
    "ValueDecodeError",
]

ImproperlyConfigured = ConfigError
#: A record could not be written.
ProducerSendError = TransportError
#: A table's local state cannot be used.
ConsistencyError = StoreError


class FaustPredicate(FaustError):
    """Never raised here: for programs that name it in `except`."""


class NotReady(FaustPredicate):
    """Never raised here: what needs a running application raises `ConfigError`."""


class ConsumerNotStarted(NotReady):
    """Never raised here, as `NotReady`."""


class SameNode(FaustError):
    """Never raised here: a question to a table is answered by whichever worker has the key."""
