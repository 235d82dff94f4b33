"""Credentials under the names that applications make them by."""

from __future__ import annotations

import base64
import json
import ssl
import time
from enum import Enum

import pytest

from faust_core.credentials import GSSAPICredentials, OAuthCredentials, SASLCredentials, SSLCredentials
from faust_core.errors import ConfigError
from faust_core.settings import Settings


class Mechanism(Enum):
    SCRAM = "SCRAM-SHA-256"


class Provider:
    def __init__(self, token: str) -> None:
        self._token = token

    async def token(self) -> str:
        return self._token


def test_a_user_name_and_a_password_go_encrypted_where_there_is_a_context():
    plain = SASLCredentials(username="u", password="p")
    assert (plain.mechanism, plain.username, plain.password, plain.tls) == ("PLAIN", "u", "p", False)
    context = ssl.create_default_context()
    secure = SASLCredentials(username="u", password="p", mechanism=Mechanism.SCRAM, ssl_context=context)
    assert (secure.mechanism, secure.tls, secure.ssl_context) == ("SCRAM-SHA-256", True, context)
    assert "'p'" not in repr(secure)


def test_tls_alone_takes_a_context_or_makes_one():
    context = ssl.create_default_context()
    assert SSLCredentials(context).ssl_context is context
    made = SSLCredentials(purpose=ssl.Purpose.SERVER_AUTH)
    assert (made.tls, made.mechanism, made.ssl_context.check_hostname) == (True, None, True)
    with pytest.raises(ConfigError, match=r"authorities of /no/such\.pem"):
        SSLCredentials(cafile="/no/such.pem")


def test_kerberos_keeps_its_names():
    found = GSSAPICredentials(kerberos_service_name="k", kerberos_domain_name="d")
    assert (found.mechanism, found.kerberos_service_name, found.kerberos_domain_name) == ("GSSAPI", "k", "d")


async def test_tokens_come_from_the_provider_even_on_a_running_loop():
    claims = base64.urlsafe_b64encode(json.dumps({"exp": 1234.0}).encode()).decode().rstrip("=")
    jwt = f"header.{claims}.signature"
    credentials = OAuthCredentials(oauth_cb=Provider(jwt))
    assert credentials.token is not None
    assert credentials.token() == (jwt, 1234.0)
    opaque = OAuthCredentials(oauth_cb=Provider("opaque.but.three"))
    assert opaque.token is not None
    token, expires = opaque.token()
    assert token == "opaque.but.three"
    assert expires > time.time()
    with pytest.raises(ConfigError, match="oauth_cb"):
        OAuthCredentials(oauth_cb=len)


def test_the_settings_take_a_context_as_credentials():
    context = ssl.create_default_context()

    def credentials(**options):
        return Settings.from_options("shop", options, {}).broker_credentials

    assert credentials(broker_credentials=context).ssl_context is context
    assert credentials(ssl_context=context).ssl_context is context
    both = credentials(ssl_context=context, broker_credentials=SASLCredentials(username="u", password="p"))
    assert (both.username, both.tls, both.ssl_context) == ("u", True, context)
    own = SASLCredentials(username="u", password="p", ssl_context=ssl.create_default_context())
    assert credentials(ssl_context=context, broker_credentials=own) is own
    with pytest.raises(ConfigError, match="SSLContext"):
        credentials(ssl_context="yes")
