"""URLs and settings."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from faust_core.credentials import GSSAPICredentials, SASLCredentials, SSLCredentials
from faust_core.errors import ConfigError
from faust_core.protocols.transport import Credentials, TransportContext
from faust_transport_kafka.config import ClientConfig, parse_addresses


def nothing(_: object) -> None: ...


@pytest.mark.parametrize(
    ("urls", "addresses"),
    [
        (["kafka://h1:9093;h2:9094"], ["h1:9093", "h2:9094"]),
        (["kafka://h1,h2"], ["h1:9092", "h2:9092"]),
        (["kafka://h1;kafka://h2:1/"], ["h1:9092", "h2:1"]),
        (["aiokafka://h1", "kafka://h1:9092"], ["h1:9092"]),
        (["kafka://[::1]:9095,[fe80::1]"], ["[::1]:9095", "[fe80::1]:9092"]),
    ],
)
def test_addresses_are_read_from_urls(urls: list[str], addresses: list[str]) -> None:
    assert parse_addresses(*urls) == tuple(addresses)


@pytest.mark.parametrize(
    "url", ["kafka://", "kafka://host:port", "kafka://host:0", "kafka://host:99999", "kafka://a b"]
)
def test_an_address_that_cannot_be_read_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="host"):
        parse_addresses(url)


def test_credentials_in_a_url_are_refused_without_repeating_them() -> None:
    with pytest.raises(ConfigError, match="broker_credentials") as caught:
        parse_addresses("kafka://user:secret@host")
    assert "secret" not in str(caught.value)


def test_secrets_are_not_shown() -> None:
    credentials = Credentials(mechanism="PLAIN", username="u", password="secret")
    config = ClientConfig.from_url("kafka://h", TransportContext(credentials=credentials))
    assert "secret" not in repr(config)


@pytest.mark.parametrize(
    ("credentials", "message"),
    [
        (Credentials(mechanism="KERBEROS"), "unknown SASL mechanism"),
        (Credentials(mechanism="PLAIN", username="u"), "a user name and a password"),
        (Credentials(mechanism="OAUTHBEARER"), "token"),
        (Credentials(tls=True, cert_file="cert.pem"), "key_file"),
    ],
)
def test_incomplete_credentials_are_refused(credentials: Credentials, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ClientConfig.from_url("kafka://h", TransportContext(credentials=credentials))


@pytest.mark.parametrize(
    ("credentials", "protocol"),
    [
        (None, None),
        (Credentials(tls=True), "SSL"),
        (Credentials(mechanism="PLAIN", username="u", password="p"), "SASL_PLAINTEXT"),
        (Credentials(mechanism="SCRAM-SHA-256", username="u", password="p", tls=True), "SASL_SSL"),
        (Credentials(mechanism="SCRAM-SHA-512", username="u", password="p"), "SASL_PLAINTEXT"),
        (Credentials(mechanism="OAUTHBEARER", token=lambda: ("t", 1e10)), "SASL_PLAINTEXT"),
    ],
)
def test_both_libraries_get_the_same_security(credentials: Credentials | None, protocol: str | None) -> None:
    config = ClientConfig.from_url("kafka://h", TransportContext(credentials=credentials))
    settings, options = config.client("c", nothing), config.aiokafka("c")
    assert settings.get("security.protocol") == options.get("security_protocol") == protocol
    if credentials is not None:
        assert settings.get("sasl.mechanism") == options.get("sasl_mechanism") == credentials.mechanism
        assert settings.get("sasl.password") == options.get("sasl_plain_password") == credentials.password


async def test_a_token_reaches_both_libraries() -> None:
    credentials = Credentials(mechanism="OAUTHBEARER", token=lambda: ("t0k3n", 1e10))
    config = ClientConfig.from_url("kafka://h", TransportContext(credentials=credentials))
    assert config.client("c", nothing)["oauth_cb"]("") == ("t0k3n", 1e10)
    assert await config.aiokafka("c")["sasl_oauth_token_provider"].token() == "t0k3n"


def test_the_clients_own_options_win() -> None:
    context = TransportContext(
        consumer_options={"fetch.wait.max.ms": 7}, producer_options={"linger.ms": 1}, compression="lz4", acks=1
    )
    config = ClientConfig.from_url("kafka://h", context)
    assert config.consumer("c", "g", nothing)["fetch.wait.max.ms"] == 7
    produced = config.producer("p", nothing)
    assert (produced["linger.ms"], produced["compression.type"], produced["acks"]) == (1, "lz4", 1)
    assert produced["max.in.flight.requests.per.connection"] == 1
    assert config.transactional_producer("p", "id", nothing)["acks"] == -1


def test_buffers_are_bounded_by_the_contexts_bytes() -> None:
    config = ClientConfig.from_url("kafka://h", TransportContext(max_buffered_bytes=8 * 1_048_576))
    settings = config.consumer("c", "g", nothing)
    assert settings["queued.max.messages.kbytes"] == 4 * 1024
    assert settings["fetch.max.bytes"] == 4 * 1_048_576


def test_a_wrong_number_of_acknowledgements_is_refused() -> None:
    with pytest.raises(ConfigError, match="acks"):
        ClientConfig.from_url("kafka://h", TransportContext(acks=3))


def test_of_an_ssl_context_its_authorities_and_checks_count() -> None:
    context = ssl.create_default_context()
    context.load_default_certs()
    kafka = settings_of(SSLCredentials(context))
    assert kafka["security.protocol"] == "SSL"
    assert kafka["enable.ssl.certificate.verification"]
    assert kafka["ssl.endpoint.identification.algorithm"] == "https"
    authorities = context.get_ca_certs()
    assert kafka.get("ssl.ca.pem", "").count("BEGIN CERTIFICATE") == len(authorities)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    kafka = settings_of(SASLCredentials(username="u", password="p", ssl_context=context))
    assert kafka["security.protocol"] == "SASL_SSL"
    assert not kafka["enable.ssl.certificate.verification"]
    assert kafka["ssl.endpoint.identification.algorithm"] == "none"
    config = ClientConfig.from_url("kafka://h", TransportContext(credentials=SSLCredentials(context)))
    assert config.aiokafka("me")["ssl_context"] is context


def test_kerberos_is_passed_on_to_both_clients() -> None:
    credentials = GSSAPICredentials(kerberos_service_name="k", kerberos_domain_name="d")
    config = ClientConfig(("h:9092",), TransportContext(credentials=credentials))
    kafka, aiokafka = config.client("me", nothing), config.aiokafka("me")
    assert (kafka["sasl.mechanism"], kafka["sasl.kerberos.service.name"]) == ("GSSAPI", "k")
    assert "sasl.password" not in kafka
    assert (aiokafka["sasl_kerberos_service_name"], aiokafka["sasl_kerberos_domain_name"]) == ("k", "d")


def test_a_client_library_without_kerberos_says_how_to_get_one() -> None:
    """Those of the package index are; where one can, the other package is asked for, or nothing is wrong."""
    try:
        settings_of(GSSAPICredentials())
    except ConfigError as exc:
        assert "pip install" in str(exc)  # noqa: PT017


def settings_of(credentials: Credentials) -> dict[str, Any]:
    return ClientConfig.from_url("kafka://h", TransportContext(credentials=credentials)).client("me", nothing)
