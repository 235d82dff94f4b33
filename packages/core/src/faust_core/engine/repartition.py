"""The pump of `group_by` and `through`: a stream's values, sent on to another topic."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any

from faust_core._context import current_claim
from faust_core.claims import Claim
from faust_core.codecs import encoder_of
from faust_core.errors import BufferFull, Skip
from faust_core.headers import header_list
from faust_core.protocols.transport import Producer
from faust_core.registry import codec as find_codec
from faust_core.stream import Stream
from faust_core.topics import Topic

__all__ = ["Mover", "Pump"]


class Mover(ABC):
    """Sends what a stream hands out, until cancelled."""

    def __init__(
        self, name: str, producer: Producer, on_error: Callable[[list[Claim], Exception, str], Awaitable[None]]
    ) -> None:
        self.name = name
        self.cancelled = False
        self._producer = producer
        self._on_error = on_error

    def send_by(self, producer: Producer) -> None:
        """Send by another producer from now on."""
        self._producer = producer

    @abstractmethod
    async def move(self) -> None:
        """Iterate over the stream; an item is done when the next one is asked for."""

    async def run(self) -> None:
        """Run until cancelled; an item that fails is dealt with by the owner's error policy."""
        while True:
            current_claim.set(None)
            try:
                await self.move()
            except Exception as exc:
                claim = current_claim.get()
                if claim is None or claim.index >= claim.stop:
                    raise
                claim.failed = True  # its loop is left by the error: that alone does not make it done
                await self._on_error([claim], exc, self.name)
                claim.source.release(claim)


class Pump(Mover):
    """Sends each value of `parent` to `topic`.

    An item is done when its copy is queued: the checkpoint flushes it before the item's offset is committed.
    Where nothing changes the values on the way, the record's own bytes and headers go on.
    """

    def __init__(
        self,
        parent: Stream[Any],
        key: Callable[[Any], Any] | None,
        topic: Topic[Any, Any],
        producer: Producer,
        on_error: Callable[[list[Claim], Exception, str], Awaitable[None]],
    ) -> None:
        super().__init__(f"{parent.owner} → {topic}", producer, on_error)
        self._parent = parent
        self._key = key
        self._topic = topic
        self._encode_other_key, _ = encoder_of(find_codec("json"))

    async def run(self) -> None:
        await self._topic.prepare()
        await super().run()

    async def move(self) -> None:
        # What is in memory has no bytes.
        as_it_is = not self._parent.processors and not self._parent.topic.in_memory
        name = self._topic.get_topic_name()
        encode, by_record = self._topic.encode_value, self._topic.by_record
        key_of = self._key
        async for value in self._parent:
            claim = current_claim.get()
            assert claim is not None, "inside an iteration"
            index = claim.index
            batch = claim.batch
            partition = None
            if key_of is None:
                key: Any = self.key_bytes(batch.keys[index])
            else:
                try:
                    key = key_of(value)
                    if type(key) is str:
                        key = key.encode()
                    else:
                        key = self.key_bytes(await key if inspect.isawaitable(key) else key)
                        if key is None:
                            partition = 0  # what has no key stays together, too
                except Skip:
                    continue
            headers: Any = batch.headers(index) or None
            if as_it_is:
                data = batch.values[index]
            elif by_record:
                _, data, changed = self._topic.encoded(None, value, headers)
                headers = header_list(changed, name)
            else:
                data = encode(value)
            producer = self._producer
            while True:
                try:
                    producer.send(name, data, key, partition, batch.timestamps_ms[index], headers)
                except BufferFull:
                    await producer.drain()
                else:
                    self._topic.count_sent()
                    break

    def key_bytes(self, key: Any) -> bytes | None:
        """Return a key's bytes: text as it is, everything else by the topic's key codec or as JSON."""
        if isinstance(key, str):
            return key.encode()
        if key is None or isinstance(key, bytes):
            return key
        if self._topic.key_serializer == "raw":
            return self._encode_other_key(key)
        return self._topic.encode_key(key)
