"""TLS and SASL against a broker that demands them; what is wrong is told in time, and no secret with it."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

import faust_transport_kafka
from faust_core.credentials import SASLCredentials
from faust_core.errors import AuthenticationError, ConfigError, TransportError
from faust_core.protocols.transport import Credentials, TopicSpec, Transport, TransportContext
from faust_core.records import TopicPartition
from tests.services.certificates import Authority
from tests.services.kafka import KafkaBroker
from tests.services.patience import PATIENCE
from tests.services.ports import free_port

from .conftest import Listener, ToyProtocol, unique, values

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

USER, PASSWORD = "alice", "canary-5f0c-password"
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
PLAIN = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
OAUTH = (
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required "
    'unsecuredLoginStringClaim_sub="broker";'
)

SASL = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]
TOLD_WITHIN_S = 30.0


@dataclass(frozen=True)
class Secured:
    """A broker whose listeners ask for credentials, with what a client needs."""

    plain: str
    sasl_tls: str
    sasl_plain: str
    mutual_tls: str
    ca_file: str
    other_ca_file: str
    cert_file: str
    key_file: str


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    directory = tmp_path_factory.mktemp("secured")
    authority, other = Authority(directory, "authority"), Authority(directory, "other-authority")
    certificate, key = authority.issue("broker", "localhost")
    client_certificate, client_key = authority.issue("client")
    keystore = directory / "broker.pem"
    keystore.write_bytes(key.read_bytes() + certificate.read_bytes() + authority.file.read_bytes())
    ports = {name: free_port() for name in ("PLAINTEXT", "SASLTLS", "SASLPLAIN", "MUTUAL", "CONTROLLER")}
    addresses = {name: f"localhost:{port}" for name, port in ports.items()}
    listeners = ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items())
    told = ",".join(f"{name}://{address}" for name, address in addresses.items() if name != "CONTROLLER")
    settings = {
        "listeners": listeners,
        "advertised.listeners": told,
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASLTLS:SASL_SSL,"
        "SASLPLAIN:SASL_PLAINTEXT,MUTUAL:SSL",
        "controller.quorum.voters": f"1@127.0.0.1:{ports['CONTROLLER']}",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(keystore),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.file),
        "listener.name.mutual.ssl.client.auth": "required",
    }
    for listener in ("sasltls", "saslplain"):
        prefix = f"listener.name.{listener}"
        settings[f"{prefix}.sasl.enabled.mechanisms"] = ",".join(SASL)
        for mechanism, module in zip(SASL, [PLAIN, SCRAM, SCRAM, OAUTH], strict=True):
            settings[f"{prefix}.{mechanism.lower()}.sasl.jaas.config"] = module
    broker = KafkaBroker(directory / "broker", port=ports["PLAINTEXT"], settings=settings)
    with broker:
        _create_user(broker.bootstrap)
        yield Secured(
            broker.bootstrap,
            addresses["SASLTLS"],
            addresses["SASLPLAIN"],
            addresses["MUTUAL"],
            str(authority.file),
            str(other.file),
            str(client_certificate),
            str(client_key),
        )
    broker.delete()


def _create_user(bootstrap: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
        wanted = UserScramCredentialUpsertion(USER, ScramCredentialInfo(mechanism, 4096), PASSWORD.encode())
        for done in admin.alter_user_scram_credentials([wanted]).values():
            done.result(30)


def _token() -> tuple[str, float]:
    """Return a token that the broker's development handler takes: unsigned."""
    now = time.time()
    parts = [{"alg": "none"}, {"sub": USER, "iat": now, "exp": now + 600, "jti": PASSWORD}]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return f"{'.'.join(encoded)}.", now + 600


def sasl(mechanism: str, **more: Any) -> Credentials:
    if mechanism == "OAUTHBEARER":
        return Credentials(mechanism=mechanism, token=_token, **more)
    return Credentials(mechanism=mechanism, username=USER, password=PASSWORD, **more)


@asynccontextmanager
async def connect(scheme: str, address: str, credentials: Credentials | None, **more: Any) -> AsyncIterator[Transport]:
    url = f"{scheme}://{address}"
    context = TransportContext(
        urls=[url],
        credentials=credentials,
        session_timeout_s=6.0,
        heartbeat_interval_s=0.5,
        rebalance_timeout_s=10.0,
        **{"start_timeout_s": 10.0, **more},
    )
    transport = getattr(faust_transport_kafka, scheme)(url, context)
    try:
        yield transport
    finally:
        await transport.aclose()


async def assert_works(transport: Transport) -> None:
    """Write, read, and be a member of a group: with both client libraries where the transport has both."""
    await transport.check()
    topic = unique("secured")
    admin = transport.admin()
    await admin.create_topics([TopicSpec(topic, 1)])
    producer = transport.producer()
    producer.send(topic, b"value", partition=0)
    await producer.flush()
    consumer = transport.consumer(name="reader")
    await consumer.assign({TopicPartition(topic, 0): 0})
    assert await values(consumer, 1) == [b"value"]
    listener = Listener()
    membership = transport.membership(unique("group"), ToyProtocol())
    await membership.join([topic], listener)
    async with asyncio.timeout(20):
        while not listener.assignments:  # noqa: ASYNC110  the listener is a plain list
            await asyncio.sleep(0.05)
    await membership.commit({TopicPartition(topic, 0): 1})
    assert await membership.committed([TopicPartition(topic, 0)]) == {TopicPartition(topic, 0): 1}
    await membership.leave()


@pytest.mark.parametrize(
    ("scheme", "mechanism"),
    [*(("kafka", mechanism) for mechanism in SASL), ("aiokafka", "SCRAM-SHA-512"), ("confluent", "PLAIN")],
)
async def test_each_mechanism_works_over_tls_with_both_clients(secured: Secured, scheme: str, mechanism: str) -> None:
    credentials = sasl(mechanism, tls=True, ca_file=secured.ca_file)
    async with connect(scheme, secured.sasl_tls, credentials) as transport:
        await assert_works(transport)


@pytest.mark.parametrize("scheme", ["kafka", "aiokafka"])
async def test_an_ssl_context_says_what_is_trusted(secured: Secured, scheme: str) -> None:
    context = ssl.create_default_context(cafile=secured.ca_file)
    good = SASLCredentials(username=USER, password=PASSWORD, mechanism="SCRAM-SHA-512", ssl_context=context)
    async with connect(scheme, secured.sasl_tls, good) as transport:
        await assert_works(transport)
    other = ssl.create_default_context(cafile=secured.other_ca_file)
    bad = SASLCredentials(username=USER, password=PASSWORD, mechanism="SCRAM-SHA-512", ssl_context=other)
    async with connect(scheme, secured.sasl_tls, bad, start_timeout_s=5.0) as transport:
        with pytest.raises(TransportError):
            await transport.check()


async def test_sasl_works_without_tls(secured: Secured) -> None:
    async with connect("kafka", secured.sasl_plain, sasl("SCRAM-SHA-256")) as transport:
        await assert_works(transport)


@pytest.mark.parametrize("scheme", ["kafka", "aiokafka"])
async def test_a_client_certificate_is_enough(secured: Secured, scheme: str) -> None:
    credentials = Credentials(tls=True, ca_file=secured.ca_file, cert_file=secured.cert_file, key_file=secured.key_file)
    async with connect(scheme, secured.mutual_tls, credentials) as transport:
        await assert_works(transport)


async def test_transactions_work_over_tls(secured: Secured) -> None:
    credentials = sasl("SCRAM-SHA-512", tls=True, ca_file=secured.ca_file)
    async with connect("kafka", secured.sasl_tls, credentials) as transport:
        topic = unique("secured")
        await transport.admin().create_topics([TopicSpec(topic, 1)])
        producer = transport.transactional_producer(unique("transactions"))
        await producer.begin()
        producer.send(topic, b"value", partition=0)
        await producer.commit({}, None)
        consumer = transport.consumer(name="reader")
        await consumer.assign({TopicPartition(topic, 0): 0})
        assert await values(consumer, 1) == [b"value"]


def _wrong(secured: Secured, what: str) -> tuple[str, Credentials | None, str]:
    """Return an address, credentials that do not fit, and a word that the error must have."""
    good = sasl("SCRAM-SHA-512", tls=True, ca_file=secured.ca_file)
    match what:
        case "password":
            return secured.sasl_tls, replace(good, password=f"{PASSWORD}-wrong"), "credentials"
        case "user":
            return secured.sasl_tls, replace(good, username="nobody"), "credentials"
        case "authority":
            return secured.sasl_tls, replace(good, ca_file=secured.other_ca_file), "ca_file"
        case "host name":
            return secured.sasl_tls.replace("localhost", "127.0.0.1"), good, "host name"
        case "no TLS":
            return secured.sasl_tls, sasl("SCRAM-SHA-512"), secured.sasl_tls
        case "TLS at a plain port":
            return secured.plain.replace("127.0.0.1", "localhost"), good, "TLS settings"
        case "no client certificate":
            return secured.mutual_tls, Credentials(tls=True, ca_file=secured.ca_file), "cert_file"
        case "no credentials":
            return secured.sasl_plain, None, secured.sasl_plain
    raise AssertionError(what)


@pytest.mark.parametrize(
    "what",
    [
        "password",
        "user",
        "authority",
        "host name",
        "no TLS",
        "TLS at a plain port",
        "no client certificate",
        "no credentials",
    ],
)
async def test_what_is_wrong_is_told_in_time_and_without_secrets(
    secured: Secured, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    address, credentials, word = _wrong(secured, what)
    started = time.monotonic()
    async with connect("kafka", address, credentials, start_timeout_s=4.0) as transport:
        with pytest.raises(TransportError) as raised:
            await transport.check()
        assert time.monotonic() - started < TOLD_WITHIN_S * PATIENCE
    text = str(raised.value)
    assert address.rpartition(":")[2] in text
    assert word in text
    if what not in {"no TLS", "no credentials"}:
        assert isinstance(raised.value, AuthenticationError)
    assert PASSWORD not in text + repr(raised.value) + caplog.text


@pytest.mark.parametrize("scheme", ["kafka", "confluent"])
@pytest.mark.parametrize("what", ["password", "authority"])
async def test_a_member_that_is_refused_is_told_in_time_and_without_secrets(
    secured: Secured, scheme: str, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    address, credentials, _ = _wrong(secured, what)
    started = time.monotonic()
    async with connect(scheme, address, credentials, start_timeout_s=4.0) as transport:
        with pytest.raises(TransportError) as raised:
            await transport.membership(unique("group"), ToyProtocol()).join(["topic"], Listener())
        assert time.monotonic() - started < TOLD_WITHIN_S * PATIENCE
    assert address in str(raised.value)
    assert PASSWORD not in str(raised.value) + repr(raised.value) + caplog.text


@pytest.mark.parametrize("scheme", ["kafka", "aiokafka", "confluent"])
def test_files_that_are_not_there_are_named(scheme: str, tmp_path: Path) -> None:
    credentials = Credentials(tls=True, ca_file=str(tmp_path / "nowhere.pem"))
    url = f"{scheme}://localhost:9093"
    with pytest.raises(ConfigError, match=r"nowhere\.pem"):
        getattr(faust_transport_kafka, scheme)(url, TransportContext(urls=[url], credentials=credentials))
