"""The one place where errors of librdkafka and aiokafka become ours."""

# ruff: noqa: SLF001 -- the names of librdkafka's own error codes begin with an underscore

from __future__ import annotations

from aiokafka import errors as aio
from confluent_kafka import KafkaError, KafkaException

from faust_core.errors import (
    AuthenticationError,
    FencedError,
    RecordTooLarge,
    RetriableTransportError,
    TopicMissing,
    TransportError,
)

__all__ = [
    "FENCED_MEMBER",
    "FENCED_PRODUCER",
    "MISSING",
    "NO_LEADER",
    "OUT_OF_RANGE",
    "RETRIABLE",
    "STALE_EPOCH",
    "TOO_LARGE",
    "all_brokers_down",
    "as_kafka_error",
    "refused",
    "translate",
]

REFUSED = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError._SSL,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError.ILLEGAL_SASL_STATE,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
FENCED_MEMBER = frozenset({KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError.FENCED_INSTANCE_ID})
FENCED_PRODUCER = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})
MISSING = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNKNOWN_TOPIC_ID,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
    }
)
OUT_OF_RANGE = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})
#: What an admin client says of a partition that does not exist as well as of one without a leader.
NO_LEADER = KafkaError._NOENT
#: The client believes in a leader that another one has followed, or the same one after a restart.
STALE_EPOCH = frozenset({KafkaError.FENCED_LEADER_EPOCH, KafkaError.UNKNOWN_LEADER_EPOCH})
TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
RETRIABLE = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._QUEUE_FULL,
        KafkaError._RESOLVE,
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._MSG_TIMED_OUT,
        KafkaError._TRANSPORT,
        KafkaError._WAIT_COORD,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.CONCURRENT_TRANSACTIONS,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.NOT_CONTROLLER,
        KafkaError.NOT_COORDINATOR,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.THROTTLING_QUOTA_EXCEEDED,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.UNSTABLE_OFFSET_COMMIT,
    }
)


def as_kafka_error(error: BaseException | KafkaError) -> KafkaError:
    """Return the librdkafka error inside of an exception of either library."""
    if isinstance(error, KafkaError):
        return error
    if isinstance(error, KafkaException) and error.args and isinstance(error.args[0], KafkaError):
        return error.args[0]
    if isinstance(error, aio.CommitFailedError) and error.__cause__ is not None:
        return as_kafka_error(error.__cause__)
    reason = str(error) or type(error).__name__
    if isinstance(error, (aio.KafkaTimeoutError, aio.RequestTimedOutError, TimeoutError)):
        return KafkaError(KafkaError._TIMED_OUT, reason)
    if isinstance(error, aio.BrokerResponseError) and isinstance(error.errno, int):
        return KafkaError(error.errno, reason)
    if isinstance(error, (aio.KafkaError, OSError)) and getattr(error, "retriable", True):
        return KafkaError(KafkaError._TRANSPORT, reason)
    return KafkaError(KafkaError._FAIL, reason)


def refused(error: KafkaError) -> bool:
    """Tell whether the broker knows us and says no, or the TLS handshake failed."""
    # Of a TLS client at a plain port, or without the certificate that is asked for, librdkafka says that the
    # transport failed.
    return error.code() in REFUSED or "SSL handshake failed" in error.str() or "ssl/tls alert" in error.str()


def all_brokers_down(error: KafkaError) -> bool:
    return error.code() == KafkaError._ALL_BROKERS_DOWN


def _advice(reason: str) -> str:
    if "certificate verify failed" in reason or "CERTIFICATE_VERIFY_FAILED" in reason:
        return "Check `ca_file`, and that the broker's certificate is for the host name in the URL (TLS settings)"
    if "ssl/tls alert" in reason:
        return "The broker does not accept this client's certificate: check `cert_file` and `key_file`"
    return "Check the credentials, the TLS settings and the permissions"


def translate(error: BaseException | KafkaError, doing: str) -> TransportError:
    """Return our error for one of a client library.

    Args:
        doing: what was attempted, with the topic, partition, group or brokers that it was about.
    """
    cause = as_kafka_error(error)
    code = cause.code()
    message = f"{doing}: {cause.str()} ({cause.name()})"
    if refused(cause):
        return AuthenticationError(f"{message}. {_advice(cause.str())}")
    if code in FENCED_MEMBER or code in FENCED_PRODUCER:
        return FencedError(f"{message}. Another member has taken over")
    if code in TOO_LARGE:
        return RecordTooLarge(f"{message}. Raise the limit of the broker, the topic and the producer, or send less")
    if code in MISSING:
        return TopicMissing(f"{message}. Create the topic, or check its name and its number of partitions")
    if code in RETRIABLE or cause.retriable():
        return RetriableTransportError(message)
    return TransportError(message)
