"""Asking agents: a reply topic per process, correlation ids, time-outs, errors carried back."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import Callable
from typing import Any

from faust_core.agents import CORRELATION_ID, REPLY_TO, Agent
from faust_core.claims import Claim
from faust_core.codecs import decoder_of, encoder_of
from faust_core.errors import FaustError
from faust_core.protocols.transport import Consumer, TopicSpec, Transport
from faust_core.records import TopicPartition
from faust_core.registry import codec as find_codec
from faust_core.topics import HeadersArg

__all__ = ["AgentError", "Rpc", "reply_error", "reply_value"]

log = logging.getLogger(__name__)

ERROR = "Faust-Ag-Error"
POLL_S = 0.5
#: How long it is believed that a topic for answers is there, or is not, and of how many.
KNOWN_FOR_S = 30.0
MAX_KNOWN = 1_000
_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")


class AgentError(FaustError):
    """The agent that was asked raised; the message is its exception's type and text."""


async def reply_value(agent: Agent[Any], claim: Claim, value: Any) -> None:
    """Send what an agent yielded to whoever asked for it."""
    await _reply(agent, claim, value, None)


async def reply_error(agent: Agent[Any], claim: Claim, error: Exception) -> None:
    """Tell whoever asked that the agent raised."""
    await _reply(agent, claim, None, error)


async def _reply(agent: Agent[Any], claim: Claim, value: Any, error: Exception | None) -> None:
    headers = dict(claim.headers)
    reply_to, correlation_id = headers.get(REPLY_TO), headers.get(CORRELATION_ID)
    if not reply_to or not correlation_id:
        return
    # Strangers write these headers: one that cannot be answered must not stop the agent.
    topic = reply_to.decode(errors="replace")
    if not await agent.app.rpc.is_answerable(topic):
        return
    encode, _ = encoder_of(find_codec("json"))
    body = encode(
        {
            "key": None if claim.key_bytes is None else claim.key_bytes.decode(errors="replace"),
            "value": value,
            "correlation_id": correlation_id.decode(errors="replace"),
            "__faust": {"ns": "@ReqRepResponse"},
        }
    )
    extra = [(CORRELATION_ID, correlation_id)]
    if error is not None:
        extra.append((ERROR, f"{type(error).__name__}: {error}".encode()))
    await agent.app.topic(topic).send_bytes(key=correlation_id, value=body, headers=extra)


class Rpc:
    """This process' side of asking: one reply topic with one partition, read from its end."""

    def __init__(
        self, transport: Callable[[], Transport], topic: str, *, expires_s: float, replication_factor: int
    ) -> None:
        self.topic = topic
        self._transport = transport
        self._expires_s = expires_s
        self._replication_factor = replication_factor
        self._pending: dict[str, asyncio.Future[Any]] = {}
        #: topics that others want their answers in: whether they are there, and until when that is taken for true
        self._known: dict[str, tuple[bool, float]] = {}
        self._consumer: Consumer | None = None
        self._reader: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()

    async def is_answerable(self, topic: str, /) -> bool:
        """Tell whether somebody's topic for answers is there; a record for one that is not would stop the worker."""
        now = asyncio.get_running_loop().time()
        known = self._known.get(topic)
        if known is None or known[1] < now:
            there = _NAME.fullmatch(topic) is not None
            if there:
                there = topic in await self._transport().admin().partition_counts([topic])
            if not there and (known is None or known[0]):
                log.warning("a request wants its answer in topic %.100r, which is not there: not answered", topic)
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            known = self._known[topic] = there, now + KNOWN_FOR_S
        return known[0]

    async def ask(
        self,
        agent: Agent[Any],
        value: Any,
        *,
        key: Any,
        partition: int | None,
        timestamp: float | None,
        headers: HeadersArg,
        timeout: float,
    ) -> Any:
        await self._start()
        correlation_id = str(uuid.uuid4())
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending[correlation_id] = answer
        try:
            async with asyncio.timeout(timeout):
                await agent.send(
                    key=key,
                    value=value,
                    partition=partition,
                    timestamp=timestamp,
                    headers=headers,
                    reply_to=self.topic,
                    correlation_id=correlation_id,
                )
                return await answer
        except TimeoutError:
            raise TimeoutError(
                f"agent {agent.name} has not answered within {timeout:g} s: does a worker run, does the agent yield?"
            ) from None
        finally:
            self._pending.pop(correlation_id, None)

    async def _start(self) -> None:
        async with self._starting:
            if self._reader is not None and not self._reader.done():
                return
            transport = self._transport()
            admin = transport.admin()
            retention = str(int(self._expires_s * 1000))
            await admin.create_topics([TopicSpec(self.topic, 1, self._replication_factor, {"retention.ms": retention})])
            tp = TopicPartition(self.topic, 0)
            self._consumer = transport.consumer(name="replies")
            await self._consumer.assign(await admin.end_offsets([tp]))
            self._reader = asyncio.create_task(self._read(self._consumer), name="faust replies")

    async def _read(self, consumer: Consumer) -> None:
        decode, decode_errors = decoder_of(find_codec("json"))
        errors: tuple[type[Exception], ...] = (*decode_errors, KeyError, TypeError)
        while True:
            for batch in await consumer.poll(max_records=1_000, timeout_s=POLL_S):
                for index, data in enumerate(batch.values):
                    headers = dict(batch.headers(index))
                    try:
                        body = decode(data or b"")
                        answer = self._pending.get(body["correlation_id"])
                    except errors as exc:
                        log.warning("a reply on %s at offset %d is not one: %s", self.topic, batch.offsets[index], exc)
                        continue
                    if answer is None or answer.done():
                        continue  # too late, or another process' before a restart
                    if (error := headers.get(ERROR)) is not None:
                        answer.set_exception(AgentError(error.decode(errors="replace")))
                    else:
                        answer.set_result(body.get("value"))

    async def aclose(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        if self._consumer is not None:
            await self._consumer.aclose()
        for answer in self._pending.values():
            answer.cancel()
