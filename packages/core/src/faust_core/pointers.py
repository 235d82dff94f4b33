"""What applications of the original look for and do not find: where it is, or what does its work."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, TypeVar

__all__ = ["missing_attribute", "pointing"]

T = TypeVar("T")

_POINTERS = {
    "assignor": "the assignor has no switches here; app.worker tells what runs",
    "beacon": "there is no graph of services here",
    "consumer": "the consumer belongs to the engine; app.worker has what runs",
    "http_client": "there is none here: use any HTTP client in a task or service of your own",
    "producer": "await app.maybe_start_producer() returns it; app.send and topic.send use it",
    "transport": "it belongs to the engine; app.make_transport() makes one of the program's own",
}


def missing_attribute(app: Any, name: str) -> AttributeError:
    """Return the error for an attribute that an application does not have."""
    if name in _POINTERS:
        return AttributeError(f"app.{name}: {_POINTERS[name]}", name=name, obj=app)
    close = get_close_matches(name, [known for known in dir(type(app)) if not known.startswith("_")], n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return AttributeError(f"an App has no {name!r}{hint}", name=name, obj=app)


_ENCODED = "records are encoded in batches: give the topic a schema, or connect to app.on_produce_message"
_LOCAL = "a value that is put beside the log has no offset: use app.channel(), and in tests faust.TestDriver"
_ONE_STEP = "a record is sent in one step: send(), and event.attach() with an event's commit"
_NO_SERVICE = "it is no service here: it begins and ends with its loop"
_ENGINE = "the engine alone writes changelogs and stores: assign table[key] in an agent"
_SENDING = {
    "as_future_message": _ONE_STEP,
    "decode": "records are decoded in batches; channel.deliver(message) decodes one",
    "prepare_headers": _ENCODED,
    "prepare_key": _ENCODED,
    "prepare_value": _ENCODED,
    "publish_message": _ONE_STEP,
}
_MEMBERS = {
    "Topic": {
        **_SENDING,
        **dict.fromkeys(("put", "get", "empty", "deliver", "throw", "subscriber_count"), _LOCAL),
    },
    "Channel": {
        **_SENDING,
        "send_soon": "a channel is never full for good: await channel.put(value)",
        **dict.fromkeys(
            ("on_decode_error", "on_key_decode_error", "on_value_decode_error"),
            "channel.deliver() raises at once what it cannot decode; topics have these hooks",
        ),
    },
    "Stream": {
        **dict.fromkeys(("start", "stop", "add_future", "add_runtime_dependency", "sleep", "crash"), _NO_SERVICE),
        "send": "send to its topic, or read a channel and put into it",
        **dict.fromkeys(
            ("contribute_to_stream", "on_merge", "outbox"), "use stream.join(other, …) or stream.combine(other)"
        ),
    },
    "Table": {
        **dict.fromkeys(("send_changelog", "apply_changelog_batch", "data"), _ENGINE),
        **dict.fromkeys(("start", "stop", "add_future"), "it is no service here: the worker restores and closes it"),
    },
}


class _Missing:
    """A class' attribute that is not there.  Unlike `__getattr__` it costs the other attributes nothing."""

    def __init__(self, hint: str) -> None:
        self._hint = hint
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, obj: Any, owner: type) -> Any:
        said = f"{owner.__name__!r} object has no attribute {self._name!r} here: {self._hint}"
        raise AttributeError(said, name=self._name, obj=obj)


def pointing(kind: str) -> Callable[[type[T]], type[T]]:
    """Have a class say what does the work of attributes that the original has.

    Args:
        kind: `Topic`, `Channel`, `Stream` or `Table`.
    """

    def decorate(cls: type[T]) -> type[T]:
        for name, hint in _MEMBERS[kind].items():
            missing = _Missing(hint)
            missing.__set_name__(cls, name)
            setattr(cls, name, missing)
        return cls

    return decorate
