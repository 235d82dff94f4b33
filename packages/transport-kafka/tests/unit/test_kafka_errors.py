"""Errors of both client libraries become ours."""

from __future__ import annotations

import logging

import pytest
from aiokafka import errors as aio
from confluent_kafka import KafkaError, KafkaException

from faust_core import errors
from faust_core.protocols.transport import GroupMetadata
from faust_transport_kafka import group_metadata
from faust_transport_kafka._errors import translate
from faust_transport_kafka._logging import Reachability, RepeatFilter


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (KafkaError(KafkaError._TRANSPORT), errors.RetriableTransportError),
        (KafkaException(KafkaError(KafkaError._TIMED_OUT)), errors.RetriableTransportError),
        (KafkaError(KafkaError.SASL_AUTHENTICATION_FAILED), errors.AuthenticationError),
        (KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED), errors.AuthenticationError),
        (KafkaError(KafkaError.ILLEGAL_GENERATION), errors.FencedError),
        (KafkaError(KafkaError._FENCED), errors.FencedError),
        (KafkaError(KafkaError.MSG_SIZE_TOO_LARGE), errors.RecordTooLarge),
        (KafkaError(KafkaError._UNKNOWN_PARTITION), errors.TopicMissing),
        (KafkaError(KafkaError.INVALID_CONFIG), errors.TransportError),
        (aio.KafkaConnectionError("gone"), errors.RetriableTransportError),
        (aio.UnknownMemberIdError("g"), errors.FencedError),
        (aio.RebalanceInProgressError("g"), errors.RetriableTransportError),
        (aio.GroupAuthorizationFailedError("g"), errors.AuthenticationError),
        (aio.RequestTimedOutError(), errors.RetriableTransportError),
        (TimeoutError(), errors.RetriableTransportError),
        (ConnectionRefusedError("no"), errors.RetriableTransportError),
    ],
)
def test_errors_are_translated(error: BaseException | KafkaError, expected: type[Exception]) -> None:
    translated = translate(error, "cannot read t/0 at h:9092")
    assert type(translated) is expected
    assert str(translated).startswith("cannot read t/0 at h:9092: ")


@pytest.mark.parametrize("instance", [None, "i-1"])
def test_group_metadata_survives_writing_and_reading(instance: str | None) -> None:
    member = GroupMetadata("group", 42, "member-é", instance)
    assert group_metadata.decode(group_metadata.encode(member)) == member


def test_the_layout_of_group_metadata_is_this_librdkafkas() -> None:
    group_metadata.check_layout()


@pytest.mark.parametrize("written", [b"CGMDv3:xxxxg\0m\0\1", b"CGMDv2:xxxxg\0m\0\2what", b""])
def test_an_unknown_layout_is_refused(written: bytes) -> None:
    with pytest.raises(errors.TransportError, match="unknown way"):
        group_metadata.decode(written)


def test_a_line_that_differs_only_in_numbers_is_shown_once() -> None:
    def record(message: str) -> logging.LogRecord:
        return logging.LogRecord("n", logging.WARNING, "p", 1, message, None, None)

    repeated = RepeatFilter()
    shown = [repeated.filter(record(text)) for text in ("failed after 1 ms", "failed after 25 ms", "other")]
    assert shown == [True, False, True]


def test_an_outage_is_one_line_and_its_end_another(caplog: pytest.LogCaptureFixture) -> None:
    reach = Reachability("consumer x", "h:9092")
    with caplog.at_level(logging.INFO, "faust_transport_kafka"):
        for _ in range(3):
            reach.found()
            reach.lost("refused")
            reach.lost("refused")
    assert len(caplog.messages) == 5
    assert "no broker answers at h:9092" in caplog.messages[0]
