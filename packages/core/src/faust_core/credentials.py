"""Credentials by what they are: the classes that applications of the original make."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from typing import Any, Protocol

from faust_core.errors import ConfigError
from faust_core.protocols.transport import Credentials

__all__ = ["GSSAPICredentials", "OAuthCredentials", "SASLCredentials", "SSLCredentials", "with_tls"]

#: How long a token counts as good that does not say itself when it ends.
TOKEN_LASTS_S = 300.0


class TokenProvider(Protocol):
    """What `OAuthCredentials` asks: aiokafka's `AbstractTokenProvider`, or anything with this method."""

    async def token(self) -> str: ...


class SSLCredentials(Credentials):
    """TLS alone.

    Args:
        context: what is trusted and checked; without it one is made of the rest.
        purpose, cafile, capath, cadata: as for `ssl.create_default_context`.
    """

    __slots__ = ()

    def __init__(
        self,
        context: ssl.SSLContext | None = None,
        *,
        purpose: ssl.Purpose | None = None,
        cafile: str | None = None,
        capath: str | None = None,
        cadata: str | bytes | None = None,
    ) -> None:
        if context is None:
            try:
                context = ssl.create_default_context(
                    purpose or ssl.Purpose.SERVER_AUTH, cafile=cafile, capath=capath, cadata=cadata
                )
            except (OSError, ssl.SSLError) as exc:
                given = cafile or capath or "cadata"
                raise ConfigError(f"SSLCredentials: the authorities of {given} cannot be read: {exc}") from exc
        super().__init__(tls=True, ssl_context=context)


class SASLCredentials(Credentials):
    """A user name and a password; encrypted where there is an `ssl_context`.

    Args:
        mechanism: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; text, or the member of an enumeration.
    """

    __slots__ = ()

    def __init__(
        self,
        *,
        username: str | None = None,
        password: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        mechanism: Any = "PLAIN",
    ) -> None:
        super().__init__(
            mechanism=str(getattr(mechanism, "value", mechanism)),
            username=username,
            password=password,
            tls=ssl_context is not None,
            ssl_context=ssl_context,
        )


class GSSAPICredentials(Credentials):
    """Kerberos.  The client libraries must have been built with it: those on the package index are not."""

    __slots__ = ()

    def __init__(
        self,
        *,
        kerberos_service_name: str = "kafka",
        kerberos_domain_name: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        mechanism: Any = "GSSAPI",
    ) -> None:
        super().__init__(
            mechanism=str(getattr(mechanism, "value", mechanism)),
            tls=ssl_context is not None,
            ssl_context=ssl_context,
            kerberos_service_name=kerberos_service_name,
            kerberos_domain_name=kerberos_domain_name,
        )


class OAuthCredentials(Credentials):
    """Tokens of OAuth.

    Args:
        oauth_cb: has an async method `token()`, which returns a token.  It is awaited on a thread of its own, on an
            event loop that lasts as long as the call.
    """

    __slots__ = ()

    def __init__(self, *, oauth_cb: TokenProvider, ssl_context: ssl.SSLContext | None = None) -> None:
        if not callable(getattr(oauth_cb, "token", None)):
            raise ConfigError(f"OAuthCredentials: oauth_cb has an async method token(), and is not {oauth_cb!r}")
        super().__init__(
            mechanism="OAUTHBEARER", token=_asker(oauth_cb), tls=ssl_context is not None, ssl_context=ssl_context
        )


def _asker(provider: TokenProvider) -> Callable[[], tuple[str, float]]:
    def ask() -> tuple[str, float]:
        # Whoever calls may be on an event loop, which cannot wait for another one.
        with ThreadPoolExecutor(1, thread_name_prefix="faust-oauth") as thread:
            token: str = thread.submit(lambda: asyncio.run(_token_of(provider))).result()
        return token, _expiry(token)

    return ask


async def _token_of(provider: TokenProvider) -> str:
    return await provider.token()


def _expiry(token: str) -> float:
    """Return the epoch second at which a token ends: a JSON web token says so."""
    parts = token.split(".")
    if len(parts) == 3:
        try:
            claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
            return float(claims["exp"])
        except (ValueError, KeyError, TypeError, binascii.Error):
            pass
    return time.time() + TOKEN_LASTS_S


def with_tls(credentials: Credentials | None, context: Any) -> Credentials:
    """Return credentials that go encrypted."""
    if credentials is None:
        return SSLCredentials(context)
    values = {field.name: getattr(credentials, field.name) for field in fields(credentials)}
    return Credentials(**{**values, "tls": True, "ssl_context": context})
