"""Names for annotations.  What had a separate type in the original is the class itself here."""

from faust.types.agents import AgentT
from faust.types.app import AppT
from faust.types.auth import CredentialsT
from faust.types.channels import ChannelT
from faust.types.codecs import CodecArg, CodecT
from faust.types.core import HeadersArg, K, V, merge_headers
from faust.types.enums import ProcessingGuarantee
from faust.types.events import EventT
from faust.types.models import FieldDescriptorT, ModelArg, ModelT
from faust.types.serializers import SchemaT
from faust.types.services import ServiceT
from faust.types.stores import StoreT
from faust.types.streams import JoinableT, StreamT
from faust.types.tables import CollectionT, GlobalTableT, TableT
from faust.types.topics import TopicT
from faust.types.transports import ConsumerT, ProducerT, TransportT
from faust.types.tuples import TP, ConsumerMessage, FutureMessage, Message, MessageSentCallback, RecordMetadata
from faust.types.windows import WindowRange, WindowT

__all__ = [
    "TP",
    "AgentT",
    "AppT",
    "ChannelT",
    "CodecArg",
    "CodecT",
    "CollectionT",
    "ConsumerMessage",
    "ConsumerT",
    "CredentialsT",
    "EventT",
    "FieldDescriptorT",
    "FutureMessage",
    "GlobalTableT",
    "HeadersArg",
    "JoinableT",
    "K",
    "Message",
    "MessageSentCallback",
    "ModelArg",
    "ModelT",
    "ProcessingGuarantee",
    "ProducerT",
    "RecordMetadata",
    "SchemaT",
    "ServiceT",
    "StoreT",
    "StreamT",
    "TableT",
    "TopicT",
    "TransportT",
    "V",
    "WindowRange",
    "WindowT",
    "merge_headers",
]
