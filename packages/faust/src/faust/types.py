"""Names for annotations.  What had a separate type in the original is the class itself here."""

from typing import TypeVar

from faust_core.agents import Agent as AgentT
from faust_core.app import App as AppT
from faust_core.engine.channels import Channel as ChannelT
from faust_core.events import Event as EventT
from faust_core.events import Message
from faust_core.headers import HeadersArg
from faust_core.protocols.codec import Codec as CodecT
from faust_core.protocols.store import Store as StoreT
from faust_core.records import RecordMetadata
from faust_core.records import TopicPartition as TP  # noqa: N817  the name that applications use
from faust_core.services import Service as ServiceT
from faust_core.settings import ProcessingGuarantee
from faust_core.stream import Stream as StreamT
from faust_core.tables import Table as TableT
from faust_core.topics import Topic as TopicT
from faust_core.windows import Window as WindowT
from faust_models import Record as ModelT

__all__ = [
    "TP",
    "AgentT",
    "AppT",
    "ChannelT",
    "CodecT",
    "CollectionT",
    "EventT",
    "HeadersArg",
    "K",
    "Message",
    "ModelT",
    "ProcessingGuarantee",
    "RecordMetadata",
    "ServiceT",
    "StoreT",
    "StreamT",
    "TableT",
    "TopicT",
    "V",
    "WindowT",
]

K = TypeVar("K")
V = TypeVar("V")

CollectionT = TableT
