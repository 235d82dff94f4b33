"""Answering: what an agent yields, or raises, sent to those who asked.

On the wire a question has the headers `Faust-Ag-ReplyTo` and `Faust-Ag-CorrelationId`, or, for agents with
`use_reply_headers=False`, is wrapped: `{"value": …, "reply_to": …, "correlation_id": …, "__faust": {"ns":
"@ReqRepRequest"}}`.  The answer is `{"key": …, "value": …, "correlation_id": …, "__faust": {"ns":
"@ReqRepResponse"}}`, with the header `Faust-Ag-Error` where the agent raised.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from faust_core.agents import Agent
from faust_core.asked import CORRELATION_ID, REPLY_TO, REQUEST
from faust_core.claims import Claim
from faust_core.codecs import decoder_of, encoder_of
from faust_core.errors import ConfigError, EncodeError, RecordTooLarge, TopicMissing
from faust_core.registry import codec as find_codec
from faust_core.topics import Topic, check_topic_name

__all__ = ["ERROR", "Replies", "Requests", "reply_error"]

log = logging.getLogger(__name__)

ERROR = "Faust-Ag-Error"


class _Asker(NamedTuple):
    """Who asked, with the key of the question."""

    reply_to: str
    correlation_id: str
    key: bytes | None


class Requests(Topic[Any, Any]):
    """The topic of an agent with `use_reply_headers=False`: questions are unwrapped, other values are as ever."""

    def __init__(self, topic: Topic[Any, Any]) -> None:
        self.__dict__.update(topic.__dict__)
        self._plain = topic.raw_decode
        self._decode_json, json_errors = decoder_of(find_codec("json"))
        self._encode_json, _ = encoder_of(find_codec("json"))
        self.decode_failures = (*topic.decode_failures, *json_errors)
        self.raw_decode = lambda data: self._plain(self._unwrapped(data))

    def decode_value(self, data: bytes | None, claim: Claim) -> Any:
        return super().decode_value(None if data is None else self._unwrapped(data), claim)

    def _unwrapped(self, data: bytes) -> bytes:
        request = _request(data)
        return data if request is None else self._encode_json(request.get("value"))


class Replies:
    """Sends what one actor yields to whoever asked.

    An agent that uses `take` answers for a whole batch.  A list as long as the batch holds an answer for each asker.
    Otherwise the first value is for the first of them, the second for the second …; and where there was one value only
    when the body asks for the next batch, it is for all.
    """

    def __init__(self, agent: Agent[Any], claims_of: Callable[[asyncio.Task[Any] | None], list[Claim]]) -> None:
        self._agent = agent
        self._claims_of = claims_of
        self._batch: list[Claim] = []
        self._askers: list[_Asker | None] = []
        self._answered = 0

    async def value(self, claim: Claim, value: Any) -> None:
        """Send an answer for the item in hand, or the batch."""
        if not claim.held or claim.buffered:
            await _reply(self._agent, _asker(self._agent, claim, claim.index), value)
            return
        self._see(claim)
        if not self._answered and isinstance(value, list | tuple) and len(value) == len(self._askers):
            for asker, own in zip(self._askers, value, strict=True):
                await _reply(self._agent, asker, own)
            self._answered = len(self._askers)
            return
        if self._answered < len(self._askers):
            await _reply(self._agent, self._askers[self._answered], value)
            self._answered += 1
        self._batch[-1].after = self._rest(value) if self._answered == 1 else None

    def _see(self, claim: Claim) -> None:
        """Note who asked, where the batch is a new one."""
        batch = [
            other
            for other in self._claims_of(asyncio.current_task())
            if other.held and not other.buffered and other.tp == claim.tp and other.source is claim.source
        ]
        if batch != self._batch:
            self._batch = batch
            self._askers = [_asker(self._agent, one, index) for one in batch for index in one.taken]
            self._answered = 0

    def _rest(self, value: Any) -> Callable[[], Awaitable[None]]:
        async def answer() -> None:
            for asker in self._askers[1:]:
                await _reply(self._agent, asker, value)

        return answer


async def reply_error(agent: Agent[Any], claim: Claim, error: Exception) -> None:
    """Tell whoever asked for the item in hand that the agent raised."""
    await _reply(agent, _asker(agent, claim, claim.index), None, error)


def _asker(agent: Agent[Any], claim: Claim, index: int) -> _Asker | None:
    batch = claim.batch
    headers = dict(batch.headers(index))
    reply_to, correlation_id = headers.get(REPLY_TO), headers.get(CORRELATION_ID)
    if reply_to and correlation_id:
        return _known(reply_to, correlation_id, batch.keys[index], claim)
    data = batch.values[index]
    request = None if agent.use_reply_headers or not isinstance(data, bytes) else _request(data)
    if request is None or not request.get("reply_to") or not request.get("correlation_id"):
        return None
    return _known(str(request["reply_to"]).encode(), str(request["correlation_id"]).encode(), batch.keys[index], claim)


def _known(reply_to: bytes, correlation_id: bytes, key: bytes | None, claim: Claim) -> _Asker | None:
    """Return who asked; None where it makes no sense: a question must not harm whoever answers."""
    try:
        name = reply_to.decode()
        check_topic_name(name)
        return _Asker(name, correlation_id.decode(), key)
    except (UnicodeDecodeError, ConfigError) as exc:
        log.warning("no answer for %s, which says %r where its answer is to go: %s", claim, reply_to, exc)
        return None


def _request(data: bytes) -> dict[str, Any] | None:
    """Return a wrapped question; None where it is none."""
    if REQUEST.encode() not in data:
        return None
    decode, errors = decoder_of(find_codec("json"))
    try:
        found = decode(data)
    except errors:
        return None
    if not isinstance(found, dict):
        return None
    meta = found.get("__faust")
    return found if isinstance(meta, dict) and meta.get("ns") == REQUEST else None


def _not_answered(error: Exception) -> None:
    log.warning("an answer cannot be written: %s", error)


async def _reply(agent: Agent[Any], asker: _Asker | None, value: Any, error: Exception | None = None) -> None:
    if asker is None:
        return
    key = asker.key.decode(errors="replace") if isinstance(asker.key, bytes) else asker.key
    answer = {
        "key": key,
        "value": value,
        "correlation_id": asker.correlation_id,
        "__faust": {"ns": "@ReqRepResponse"},
    }
    encode, cannot_encode = encoder_of(find_codec("json"))
    try:
        body = encode(answer)
    except cannot_encode as exc:
        raise EncodeError(f"agent {agent.name} cannot answer with a {type(value).__name__}: {exc}") from exc
    extra = [(CORRELATION_ID, asker.correlation_id.encode())]
    if error is not None:
        extra.append((ERROR, f"{type(error).__name__}: {error}".encode(errors="replace")))
    app, key_data = agent.app, asker.correlation_id.encode()
    topic: Topic[Any, Any] = Topic(app, asker.reply_to)
    try:
        if app.conf.exactly_once and asker.reply_to != app.rpc.topic:
            await topic.send_bytes(key=key_data, value=body, headers=extra)
        else:
            # Not with the event's own records: an asker that is gone must not have the event repeated.  And under
            # exactly-once an agent of this very worker may wait for it, and the transaction for that agent.
            await app.rpc.send_now(topic, body, key_data, headers=extra, failed=_not_answered)
    except TopicMissing as exc:
        log.warning("nobody is left to be answered by agent %s: %s", agent.name, exc)
    except RecordTooLarge as exc:
        if error is not None:
            log.warning("agent %s cannot even say what failed: %s", agent.name, exc)
            return
        log.error("the answer of agent %s is too large, whoever asked is told: %s", agent.name, exc)
        await _reply(agent, asker, None, exc)
