"""What applications of the original import, as type checkers see it."""

import ssl
from typing import reveal_type

import faust
from faust.app import BootStrategy
from faust.auth import SASLCredentials
from faust.transport.drivers import by_url
from faust.types import TP, AppT, ChannelT, EventT, HeadersArg, Message, StreamT, TableT, TopicT
from faust.types.core import K, V, merge_headers
from faust.types.tuples import FutureMessage, RecordMetadata

app: AppT = faust.App("api")
reveal_type(app.conf)  # is: Settings
reveal_type(app.conf.broker)  # is: tuple[str, ...]
reveal_type(faust.version_info.major)  # is: int
reveal_type(faust.uuid())  # is: str
reveal_type(faust.Worker(app))  # is: Worker
reveal_type(faust.SSLCredentials(ssl.create_default_context()).tls)  # is: bool
reveal_type(app.boot_strategy)  # is: BootStrategy
reveal_type(faust.App.on_configured)  # is: Signal
reveal_type(app.on_produce_message)  # is: Signal
reveal_type(app.create_event())  # is: Event
reveal_type(app.in_recovery)  # is: bool
reveal_type(app.flow_control.is_active())  # is: bool

app.conf.topic_partitions = 3
app.conf.topic_partitions = "3"  # error: assignment
app.config_from_object({"topic_partitions": 3}, silent=True)
app.discover("shop", ignore=["shop.tests"])
credentials: faust.auth.Credentials = SASLCredentials(username="u", password="p")
topic: TopicT[str, int] = app.topic("in", key_type=str, value_type=int)
channel: ChannelT[object, int] = app.channel(value_type=int)
table: TableT[str, int] = app.Table("t", key_type=str, value_type=int)


class SendsOnly(BootStrategy):
    enable_kafka_consumer = False


def handle(event: EventT[K, V], headers: HeadersArg) -> TP:
    message: Message = event.message
    merge_headers({}, {"a": "b"})
    return message.tp


async def send(stream: StreamT[int]) -> None:
    async for value in stream:
        sent: FutureMessage = await topic.send(key="k", value=value)
        metadata: RecordMetadata = await sent
        reveal_type(metadata.offset)  # is: int


factory = by_url("kafka://localhost")
