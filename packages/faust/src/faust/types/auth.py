"""Credentials, and the words for what they are."""

from __future__ import annotations

import ssl
from enum import StrEnum

from faust_core.credentials import SSLCredentials
from faust_core.errors import ConfigError
from faust_core.protocols.transport import Credentials as CredentialsT

__all__ = ["AuthProtocol", "CredentialsArg", "CredentialsT", "SASLMechanism", "to_credentials"]


class AuthProtocol(StrEnum):
    """How a connection to the broker is secured."""

    SSL = "SSL"
    PLAINTEXT = "PLAINTEXT"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"


class SASLMechanism(StrEnum):
    """How a client proves who it is."""

    PLAIN = "PLAIN"
    GSSAPI = "GSSAPI"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"
    OAUTHBEARER = "OAUTHBEARER"


CredentialsArg = CredentialsT | ssl.SSLContext


def to_credentials(obj: CredentialsArg | None = None) -> CredentialsT | None:
    """Return credentials as they are, and those of an SSLContext; None stays None.

    Raises:
        ConfigError: it is neither.
    """
    if obj is None or isinstance(obj, CredentialsT):
        return obj
    if isinstance(obj, ssl.SSLContext):
        return SSLCredentials(obj)
    raise ConfigError(f"{obj!r} are no credentials: give faust.SASLCredentials(…), or an ssl.SSLContext")
