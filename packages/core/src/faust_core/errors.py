"""Every error that this library raises on purpose.

FaustError
├── ConfigError                  a setting, a declaration or an installation is wrong (ImproperlyConfigured)
│   ├── UnknownSetting           a setting that does not exist; names the closest one
│   ├── PluginMissing            no installed distribution provides a URL scheme or codec
│   └── PartitionsMismatch       topics and tables that meet have different partition counts
├── DecodeError                  bytes that are not what the topic's type says
│   ├── KeyDecodeError
│   └── ValueDecodeError
├── EncodeError                  a value that the topic's codec cannot write
├── TransportError               the broker or the way to it
│   ├── RetriableTransportError  may succeed when tried again
│   │   └── BufferFull           the producer's own queue is full: wait for `flush` or for room
│   ├── FencedError              another member has taken over: drop what is not committed
│   ├── TransactionAborted       the transaction is rolled back; rewind and begin again
│   ├── TransactionInDoubt       committed or rolled back: the committed offsets will tell
│   ├── NoteRefused              a note with an offset is longer than the broker keeps
│   ├── AuthenticationError      the broker refused the credentials
│   ├── TopicMissing             a topic neither exists nor may be created
│   └── RecordTooLarge           over the broker's or the client's limit
├── StoreError
│   ├── StoreClosed              used after `close()`
│   ├── StoreLocked              another process has it open
│   └── StoreCorrupt             cannot be read; delete it and restore it from the changelog
├── RebalanceError               a plan that cannot be carried out
├── NotOwned                     a table's partition was changed that another worker has
├── QueryError                   a table cannot be queried like this
│   ├── NoSuchTable              there is no table of that name
│   ├── AnswerTooLarge           ask for fewer keys at once
│   └── QueryUnavailable         nobody could answer within the time-out; says why
├── CacheError
│   └── CacheUnavailable         a cache cannot be reached, or does not answer
├── PeerUnreachable              another worker did not answer
├── NoCurrentEvent               a table was changed outside of a stream's event
└── Skip                         raised by a stream's processor to drop the value in hand

FaustWarning
└── AlreadyConfiguredWarning     a setting was changed after it had been read
"""

from __future__ import annotations

__all__ = [
    "AlreadyConfiguredWarning",
    "AnswerTooLarge",
    "AuthenticationError",
    "BufferFull",
    "CacheError",
    "CacheUnavailable",
    "ConfigError",
    "DecodeError",
    "EncodeError",
    "FaustError",
    "FaustWarning",
    "FencedError",
    "KeyDecodeError",
    "NoCurrentEvent",
    "NoSuchTable",
    "NotOwned",
    "NoteRefused",
    "PartitionsMismatch",
    "PeerUnreachable",
    "PluginMissing",
    "QueryError",
    "QueryUnavailable",
    "RebalanceError",
    "RecordTooLarge",
    "RetriableTransportError",
    "Skip",
    "StoreClosed",
    "StoreCorrupt",
    "StoreError",
    "StoreLocked",
    "TopicMissing",
    "TransactionAborted",
    "TransactionInDoubt",
    "TransportError",
    "UnknownSetting",
    "ValueDecodeError",
]


class FaustError(Exception):
    """The root of all of them."""


class FaustWarning(UserWarning):
    """The root of all warnings."""


class AlreadyConfiguredWarning(FaustWarning):
    """A setting was changed after something had read it, which keeps the former value."""


class ConfigError(FaustError):
    """A setting, a declaration or an installation is wrong; the message says what to change."""


class UnknownSetting(ConfigError, TypeError):
    """There is no setting of this name; the message offers the closest one."""


class PluginMissing(ConfigError):
    """No installed distribution provides this; the message says which one to install."""


class PartitionsMismatch(ConfigError):
    """Topics and tables that are used together have different numbers of partitions."""


class DecodeError(FaustError):
    """A record's bytes are not what its topic's type says.

    Attributes:
        topic, partition, offset: where the record stands; empty and -1 where a codec was called directly.
        reason: what was wrong, with the path of the field where the codec knows it.
        codec: the name of the codec; empty where none was asked.
        field: the path of the field, such as `items[0].price`; empty where none is to blame, or none is known.
    """

    part = "record"

    def __init__(
        self,
        reason: str,
        *,
        topic: str = "",
        partition: int = -1,
        offset: int = -1,
        codec: str = "",
        field: str = "",
    ) -> None:
        super().__init__(reason, topic, partition, offset)
        self.reason = reason
        self.codec = codec
        self.field = field
        self.topic = topic
        self.partition = partition
        self.offset = offset

    def __str__(self) -> str:
        if not self.topic:
            return self.reason
        return f"cannot decode the {self.part} of {self.topic}/{self.partition} at offset {self.offset}: {self.reason}"


class KeyDecodeError(DecodeError):
    part = "key"


class ValueDecodeError(DecodeError):
    part = "value"


class EncodeError(FaustError, TypeError):
    """A value cannot be written by the codec of the topic or table; the message names both.

    Attributes:
        codec: the name of the codec; empty where none was asked.
    """

    def __init__(self, reason: str, *, codec: str = "") -> None:
        super().__init__(reason)
        self.codec = codec


class TransportError(FaustError):
    """The broker, or the way to it, failed for good."""


class RetriableTransportError(TransportError):
    """The same call may succeed later: the broker is away, a leader moves, a time-out passed."""


class BufferFull(RetriableTransportError):
    """The producer holds as many unsent records as it may."""


class FencedError(TransportError):
    """The caller's generation or producer is out of date: another member owns its partitions."""


class TransactionAborted(TransportError):
    """Nothing of the transaction will be seen; its input must be read again.

    Attributes:
        refused: the broker refused a record of it, and would refuse that again.
    """

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class TransactionInDoubt(TransportError):
    """The answer to a commit was lost.  Once the next transaction has begun, the committed offsets tell what became
    of it."""


class AuthenticationError(TransportError):
    """The broker refused the credentials, or the TLS handshake failed."""


class TopicMissing(TransportError):
    """A topic does not exist and may not, or could not, be created."""


class NoteRefused(TransportError):
    """The broker does not keep a note of this length with a committed offset; the message names its setting."""


class RecordTooLarge(TransportError):
    """A record is over the limit of the client or the broker; it was not sent.

    Attributes:
        max_bytes: what key and value may have together, without headers; None where only the broker knows.
    """

    def __init__(self, reason: str, *, max_bytes: int | None = None) -> None:
        super().__init__(reason)
        self.max_bytes = max_bytes


class StoreError(FaustError):
    """A table's local store failed; the message names table, partition and directory."""


class StoreClosed(StoreError):
    """The store was used after `close()`."""


class StoreLocked(StoreError):
    """Another process, or another store object, has it open."""


class StoreCorrupt(StoreError):
    """The store cannot be read; deleting it is safe, the changelog has all of it."""


class RebalanceError(FaustError):
    """An assignment that cannot be carried out, or a group that does not settle."""


class NotOwned(FaustError):
    """A partition of a table was to be changed that is another worker's; the message names both."""


class NoCurrentEvent(FaustError, TypeError):
    """A table was changed where no event is being processed, so its partition is unknown."""


class Skip(FaustError):
    """Raised by a function given to `map`, `filter` or `add_processor`: drop this value, it is done."""


class QueryError(FaustError):
    """A table cannot be queried like this: a key of the wrong type, a limit that is too large; says which.

    Attributes:
        code: the same in a word, for programs.
    """

    code = "bad_query"

    def __init__(self, reason: str, *, code: str = "") -> None:
        super().__init__(reason)
        if code:
            self.code = code


class NoSuchTable(QueryError):
    """There is no table of that name in this application."""

    code = "no_such_table"


class AnswerTooLarge(QueryError):
    """What was asked for is more than one answer may hold."""

    code = "too_large"


class QueryUnavailable(QueryError):
    """Nobody could answer within the time-out: the owner is away, or its partition is being restored or moved.

    It may succeed when tried again.  `code` says what the last try came upon.
    """

    code = "unavailable"


class CacheError(FaustError):
    """A cache failed."""


class CacheUnavailable(CacheError):
    """A cache cannot be reached, or does not answer; what it should have kept can be made anew."""


class PeerUnreachable(FaustError):
    """Another worker could not be reached, or did not answer in time, or not as it should.

    Attributes:
        sent: whether it may have seen the request.
    """

    def __init__(self, reason: str, *, sent: bool = True) -> None:
        super().__init__(reason)
        self.sent = sent
