"""What records are, and what is known of them once they are sent."""

from faust_core.events import Message
from faust_core.events import Message as ConsumerMessage
from faust_core.records import RecordMetadata
from faust_core.records import TopicPartition as TP  # noqa: N817  the name that applications use
from faust_core.sent import SentCallback as MessageSentCallback
from faust_core.sent import SentRecord as FutureMessage

__all__ = [
    "TP",
    "ConsumerMessage",
    "FutureMessage",
    "Message",
    "MessageSentCallback",
    "RecordMetadata",
    "tp_set_to_map",
]


def tp_set_to_map(tps: set[TP]) -> dict[str, set[TP]]:
    """Return topic partitions by topic."""
    found: dict[str, set[TP]] = {}
    for tp in tps:
        found.setdefault(tp.topic, set()).add(tp)
    return found
