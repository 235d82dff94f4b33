"""A sensor: what is told of what happens in an application."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["EACH_EVENT", "Sensor", "overrides"]

#: Hooks that are called for each record, event, send or look into a table: only sensors that have them pay for them.
EACH_EVENT: Final = frozenset(
    {
        "on_message_in",
        "on_message_out",
        "on_stream_event_in",
        "on_stream_event_out",
        "on_table_get",
        "on_table_set",
        "on_table_del",
        "on_send_initiated",
        "on_send_completed",
        "on_send_error",
    }
)


class Sensor:
    """Override what you want to be told of, and add it: `app.sensors.add(MySensor())`.

    Hooks are plain functions and are called where the work is done: what they take, the application takes.  One that
    raises is logged, and the work goes on.  What a hook of a beginning returns is given to the hook of its end.

    All are called on the event loop's thread, but for `on_assignment_…`: the thread that keeps up the membership of
    the group calls these.
    """

    @property
    def name(self) -> str:
        """How the log calls it."""
        return type(self).__name__

    # -- records and events

    def on_message_in(self, tp: Any, offset: int, message: Any) -> None:
        """A record was fetched, and waits for the streams of its topic.  `message` is a `Message`."""

    def on_message_out(self, tp: Any, offset: int, message: Any) -> None:
        """All streams are through with a record; it may be committed."""

    def on_stream_event_in(self, tp: Any, offset: int, stream: Any, event: Any) -> Any:
        """A stream begins to work on an event.  Returns what `on_stream_event_out` gets as `state`."""

    def on_stream_event_out(self, tp: Any, offset: int, stream: Any, event: Any, state: Any = None) -> None:
        """A stream is done with an event, or gives it back, to be worked on again.

        Called when the next one is asked for, for all of a `take()` at once.
        """

    def on_topic_buffer_full(self, tp: Any) -> None:
        """As many records of a partition wait as may; no more are fetched until some are done."""

    # -- tables

    def on_table_get(self, table: Any, key: Any) -> None:
        """A key of a table is read, whether or not it has a value."""

    def on_table_set(self, table: Any, key: Any, value: Any) -> None:
        """A key of a table gets a value."""

    def on_table_del(self, table: Any, key: Any) -> None:
        """A key of a table is deleted."""

    # -- committing

    def on_commit_initiated(self, consumer: Any) -> Any:
        """A checkpoint is about to be written.  Returns what `on_commit_completed` gets."""

    def on_commit_completed(self, consumer: Any, state: Any) -> None:
        """All of a checkpoint is written, and its offsets are committed.  Not called where it fails."""

    def on_tp_commit(self, tp_offsets: Mapping[Any, int]) -> None:
        """These offsets, of the next record to read, were committed."""

    # -- sending

    def on_send_initiated(self, producer: Any, topic: str, message: Any, keysize: int, valsize: int) -> Any:
        """A record is about to be sent; `message` is an `OutgoingMessage` whose headers may be changed.

        Returns what `on_send_completed` or `on_send_error` gets.  Not called for changelog records.
        """

    def on_send_completed(self, producer: Any, state: Any, metadata: Any) -> None:
        """The broker has a record; `metadata` says where."""

    def on_send_error(self, producer: Any, exc: BaseException, state: Any) -> None:
        """A record could not be written."""

    # -- the group

    def on_assignment_start(self, assignor: Any) -> Any:
        """This worker leads its group, and begins to divide the partitions among the workers."""

    def on_assignment_completed(self, assignor: Any, state: Any) -> None:
        """It has divided them."""

    def on_assignment_error(self, assignor: Any, state: Any, exc: BaseException) -> None:
        """It could not divide them."""

    def on_rebalance_start(self, app: Any) -> Any:
        """The group divides the work anew.  Returns what the other two get."""

    def on_rebalance_return(self, app: Any, state: Any) -> None:
        """This worker has its new partitions, and has given up those that it lost."""

    def on_rebalance_end(self, app: Any, state: Any) -> None:
        """The tables of the new partitions are restored: all of them are worked on."""

    # -- HTTP

    def on_web_request_start(self, app: Any, request: Any, *, view: Any = None) -> Any:
        """A request over HTTP has come; `request` has `method` and `path`."""

    def on_web_request_end(self, app: Any, request: Any, response: Any, state: Any, *, view: Any = None) -> None:
        """It is answered; `response` has `status`, and is None where the client has gone."""

    def on_threaded_producer_buffer_processed(self, app: Any, size: int) -> None:
        """Never called: for sensors of existing applications."""

    def asdict(self) -> Mapping[str, Any]:
        """Return what it knows, for JSON."""
        return {}

    def __repr__(self) -> str:
        return f"<{self.name}>"


def overrides(sensor: Any, hook: str) -> bool:
    """Whether a sensor has a hook of its own."""
    own = getattr(type(sensor), hook, None)
    return own is not None and own is not getattr(Sensor, hook)
