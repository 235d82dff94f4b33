"""What can go wrong between an application and its schema registry."""

from __future__ import annotations

from faust_core.errors import ConfigError, RetriableTransportError

__all__ = ["IncompatibleSchema", "RegistryRefused", "RegistryUnavailable", "SchemaNotFound"]


class RegistryUnavailable(RetriableTransportError):
    """The registry cannot be reached, or fails: the same may succeed later.  No record is to blame."""


class RegistryRefused(ConfigError):
    """The registry said no: to the credentials, to a schema, or because it is no registry at all.

    Attributes:
        status: of HTTP; 0 where there was none.
        code: the registry's own error code, such as 42201; 0 where it gave none.
    """

    def __init__(self, message: str, *, status: int = 0, code: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class IncompatibleSchema(RegistryRefused):
    """A schema breaks the compatibility that its subject demands; the message has the registry's reasons."""


class SchemaNotFound(RegistryRefused):
    """The registry has no such schema, subject or version."""
