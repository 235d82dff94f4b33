"""Sending to agents and asking them: what an agent has for whoever wants something of it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from faust_core.asking import ReplyPromise, answers
from faust_core.errors import ConfigError
from faust_core.headers import HeadersArg

if TYPE_CHECKING:
    from faust_core.application import AppProtocol
    from faust_core.sent import SentRecord
    from faust_core.topics import Topic

__all__ = ["CORRELATION_ID", "REPLY_TO", "REQUEST", "Asked", "topic_name"]

REPLY_TO = "Faust-Ag-ReplyTo"
CORRELATION_ID = "Faust-Ag-CorrelationId"
#: the namespace of a question that is wrapped, for agents with `use_reply_headers=False`
REQUEST = "@ReqRepRequest"
ASK_TIMEOUT_S = 60.0


class Asked:
    """What can be sent to an agent, and asked of it."""

    app: AppProtocol
    name: str
    yields: bool
    use_reply_headers: bool
    topic: Topic[Any, Any]

    async def send(
        self,
        *,
        key: Any = None,
        value: Any = None,
        partition: int | None = None,
        timestamp: float | None = None,
        headers: HeadersArg = None,
        schema: Any = None,
        key_serializer: str | None = None,
        value_serializer: str | None = None,
        callback: Callable[[Any], Any] | None = None,
        force: bool = False,
        reply_to: Asked | Topic[Any, Any] | str | None = None,
        correlation_id: str | None = None,
    ) -> SentRecord:
        """Send a value to the agent's topic; where it yields, `reply_to` gets the results.

        The other parameters are those of `topic.send`.
        """
        if reply_to is not None:
            value, headers = self._addressed(value, headers, topic_name(reply_to), correlation_id or str(uuid4()))
        return await self.topic.send(
            key=key,
            value=value,
            partition=partition,
            timestamp=timestamp,
            headers=headers,
            schema=schema,
            key_serializer=key_serializer,
            value_serializer=value_serializer,
            callback=callback,
            force=force,
        )

    def _addressed(self, value: Any, headers: HeadersArg, reply_to: str, correlation_id: str) -> tuple[Any, HeadersArg]:
        """Return the value and headers of a question, which say where the answer goes."""
        if self.use_reply_headers or self.topic.in_memory:
            pairs = list(headers.items() if isinstance(headers, Mapping) else headers or ())
            return value, [*pairs, (REPLY_TO, reply_to.encode()), (CORRELATION_ID, correlation_id.encode())]
        plain = self.topic.encode_value(value)
        parts = {"reply_to": reply_to, "correlation_id": correlation_id, "__faust": {"ns": REQUEST}}
        return b'{"value":' + (b"null" if plain is None else plain) + b"," + json.dumps(parts).encode()[1:], headers

    async def cast(
        self,
        value: Any = None,
        *,
        key: Any = None,
        partition: int | None = None,
        timestamp: float | None = None,
        headers: HeadersArg = None,
    ) -> None:
        """Send a value and forget it."""
        await self.send(key=key, value=value, partition=partition, timestamp=timestamp, headers=headers)

    async def ask(
        self,
        value: Any = None,
        *,
        key: Any = None,
        partition: int | None = None,
        timestamp: float | None = None,
        headers: HeadersArg = None,
        correlation_id: str | None = None,
        timeout: float = ASK_TIMEOUT_S,
    ) -> Any:
        """Send a value, and return what the agent yields for it.

        Args:
            timeout: seconds.

        Raises:
            TimeoutError: no answer in time: the agent is not running, or yielded nothing for this value.
            AgentError: the agent raised; the message is the exception's.
            ConfigError: the agent never yields, or the application is not connected.
        """
        return await await_promise(
            await self.ask_nowait(
                value,
                key=key,
                partition=partition,
                timestamp=timestamp,
                headers=headers,
                correlation_id=correlation_id,
                timeout=timeout,
            )
        )

    async def ask_nowait(
        self,
        value: Any = None,
        *,
        key: Any = None,
        partition: int | None = None,
        timestamp: float | None = None,
        headers: HeadersArg = None,
        reply_to: Asked | Topic[Any, Any] | str | None = None,
        correlation_id: str | None = None,
        force: bool = True,
        timeout: float = ASK_TIMEOUT_S,
    ) -> ReplyPromise:
        """Send a value, and return the promise of what the agent yields for it: await that.

        Args:
            reply_to: have the answer sent there; then there is none to wait for here.
            force: send it now, although the setting `stream_publish_on_commit` is on.  Under exactly-once a question
                is never part of a transaction: it is asked again when its event is repeated.
            timeout: seconds until the promise fails with `TimeoutError`.

        Raises:
            ConfigError: the agent never yields, or the application is not connected.
        """
        if not self.yields:
            raise ConfigError(f"agent {self.name} yields nothing, so there would never be an answer: use cast()")
        rpc = self.app.rpc
        destination = rpc.topic if reply_to is None else topic_name(reply_to)
        promise = ReplyPromise(destination, correlation_id or str(uuid4()))
        if reply_to is None:
            await rpc.start()
            rpc.expect(promise, self.topic.topics)
            reason = (
                f"agent {self.name} has not answered within {timeout:g} s: does a worker run, does the agent yield?"
            )
            promise.expire_after(timeout, self.app.clock, reason)
        else:
            promise.set_exception(ConfigError(f"the answer of agent {self.name} goes to {destination}, not here"))
        try:
            if reply_to is None and self.app.conf.exactly_once and not self.topic.in_memory:
                # In the event's transaction it would be seen when that is over, and that waits for the answer.
                value, headers = self._addressed(value, headers, destination, promise.correlation_id)
                await rpc.send_now(self.topic, value, key, partition, timestamp, headers, promise.fail)
                return promise
            await self.send(
                key=key,
                value=value,
                partition=partition,
                timestamp=timestamp,
                headers=headers,
                force=force,
                reply_to=destination,
                correlation_id=promise.correlation_id,
            )
        except BaseException:
            promise.cancel()
            raise
        return promise

    async def map(
        self,
        values: Iterable[Any] | AsyncIterable[Any],
        key: Any = None,
        *,
        timeout: float = ASK_TIMEOUT_S,
        return_exceptions: bool = False,
    ) -> AsyncGenerator[Any, None]:
        """Ask for each value; yield the answers as they come, in no order.

        At most a thousand questions wait for their answers at a time; leaving the loop forgets the others.

        Args:
            key: of all the records.
            timeout: seconds, of each answer.
            return_exceptions: yield errors in the place of answers, instead of raising the first one.

        Raises:
            TimeoutError, AgentError: as `ask` does.
        """
        pairs = _with_key(key, values)
        async with aclosing(self.kvmap(pairs, timeout=timeout, return_exceptions=return_exceptions)) as found:
            async for value in found:
                yield value

    async def kvmap(
        self,
        items: Iterable[tuple[Any, Any]] | AsyncIterable[tuple[Any, Any]],
        *,
        timeout: float = ASK_TIMEOUT_S,
        return_exceptions: bool = False,
    ) -> AsyncGenerator[Any, None]:
        """Like `map`, for pairs of key and value."""
        async with aclosing(self._answers(items, timeout)) as found:
            async for _, promise in found:
                yield _outcome(promise, return_exceptions=return_exceptions)

    async def join(
        self,
        values: Iterable[Any] | AsyncIterable[Any],
        key: Any = None,
        *,
        timeout: float = ASK_TIMEOUT_S,
        return_exceptions: bool = False,
    ) -> list[Any]:
        """Ask for each value, and return the answers in the order of the values.  Parameters as for `map`."""
        return await self.kvjoin(_with_key(key, values), timeout=timeout, return_exceptions=return_exceptions)

    async def kvjoin(
        self,
        items: Iterable[tuple[Any, Any]] | AsyncIterable[tuple[Any, Any]],
        *,
        timeout: float = ASK_TIMEOUT_S,
        return_exceptions: bool = False,
    ) -> list[Any]:
        """Like `join`, for pairs of key and value."""
        found: dict[int, Any] = {}
        async with aclosing(self._answers(items, timeout)) as answered:
            async for number, promise in answered:
                found[number] = _outcome(promise, return_exceptions=return_exceptions)
        return [found[number] for number in range(len(found))]

    def _answers(
        self, items: Iterable[tuple[Any, Any]] | AsyncIterable[tuple[Any, Any]], timeout: float
    ) -> AsyncGenerator[tuple[int, ReplyPromise], None]:
        async def ask(item: tuple[Any, Any]) -> ReplyPromise:
            return await self.ask_nowait(item[1], key=item[0], timeout=timeout)

        return answers(items, ask)


async def await_promise(promise: ReplyPromise) -> Any:
    """Wait for an answer; who is cancelled meanwhile needs it no longer."""
    try:
        return await promise
    finally:
        promise.cancel()


def _outcome(promise: ReplyPromise, *, return_exceptions: bool) -> Any:
    error = promise.exception()
    return error if error is not None and return_exceptions else promise.result()


async def _with_key(key: Any, values: Iterable[Any] | AsyncIterable[Any]) -> AsyncIterator[tuple[Any, Any]]:
    if isinstance(values, AsyncIterable):
        async for value in values:
            yield key, value
    else:
        for value in values:
            yield key, value


def topic_name(destination: Any) -> str:
    """Return the name of the topic that answers go to."""
    if isinstance(destination, str):
        return destination
    name: str = getattr(destination, "topic", destination).name
    return name
