"""The Kafka broker that tests may break."""

from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.services import kafka as kafka_service
from tests.services.errors import ServiceUnavailableError
from tests.services.factories import MakeKafka, MakeProxy
from tests.services.kafka import KafkaBroker

QUIET = {"log_level": 0, "socket.connection.setup.timeout.ms": 2000}


def test_records_survive_a_kill_and_a_restart_at_the_same_address(own_kafka: MakeKafka) -> None:
    broker = own_kafka()
    produce(broker.bootstrap, "first")
    broker.kill()
    with pytest.raises(OSError, match="refused"):
        broker.answers()
    broker.start()
    produce(broker.bootstrap, "second")
    broker.restart()
    assert consume(broker.bootstrap, 2) == [b"first", b"second"]


def test_a_paused_broker_goes_on_when_resumed(own_kafka: MakeKafka) -> None:
    broker = own_kafka()
    broker.pause()
    with pytest.raises(TimeoutError):
        broker.answers()
    broker.resume()
    assert broker.answers()


def test_clients_of_a_proxy_reach_the_broker_through_that_proxy_only(
    own_kafka: MakeKafka, tcp_proxy: MakeProxy
) -> None:
    one, other = tcp_proxy(), tcp_proxy()
    broker = own_kafka(proxies=[one, other])
    for proxy in (one, other):
        metadata = AdminClient({"bootstrap.servers": proxy.address, **QUIET}).list_topics(timeout=20)
        assert [f"{node.host}:{node.port}" for node in metadata.brokers.values()] == [proxy.address]
    produce(one.address, "through one")
    one.cut()
    with pytest.raises(KafkaException):
        AdminClient({"bootstrap.servers": one.address, **QUIET}).list_topics(timeout=1)
    produce(other.address, "through the other")
    one.heal()
    assert consume(one.address, 2) == [b"through one", b"through the other"]
    assert consume(broker.bootstrap, 2) == [b"through one", b"through the other"]


def test_the_shared_broker_answers(kafka: str, unique: str) -> None:
    assert AdminClient({"bootstrap.servers": kafka, **QUIET}).list_topics(timeout=10).brokers


@pytest.mark.parametrize(("missing", "package"), [("mvn", "maven"), ("java", "default-jre-headless")])
def test_a_missing_program_is_named_with_its_package(
    missing: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bin"
    path.mkdir()
    for program in {"mvn", "java"} - {missing}:
        (path / program).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(ServiceUnavailableError, match=f"`{missing}`.*apt-get install {package}"):
        KafkaBroker(tmp_path / "broker").start()


def test_the_version_is_the_one_in_the_pom() -> None:
    assert kafka_service.kafka_version() in (Path(kafka_service.__file__).parent / "pom.xml").read_text()


def produce(bootstrap: str, value: str) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, **QUIET})
    producer.produce("topic", value)
    assert producer.flush(20) == 0


def consume(bootstrap: str, count: int) -> list[bytes | None]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "unused", **QUIET})
    try:
        consumer.assign([TopicPartition("topic", 0, 0)])
        messages: list[Message] = consumer.consume(count, timeout=20)
        return [message.value() for message in messages]
    finally:
        consumer.close()
