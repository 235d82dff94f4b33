"""Under which name a schema stands in the registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from faust_core.errors import ConfigError
from faust_core.protocols.codec import Part

__all__ = ["STRATEGIES", "SubjectName", "record_name", "subject_strategy", "topic_name", "topic_record_name"]

#: Takes the topic, which half of the record it is, and the full name of the record type.
SubjectName = Callable[[str, Part, str], str]


def topic_name(topic: str, part: Part, _record: str, /) -> str:
    """`orders-value`: one type for each topic.  What every client does unless told otherwise."""
    if not topic:
        raise ConfigError(
            "a codec whose subjects go by the topic can write only for a topic: use topic.send(…), or "
            "subject_name='record'"
        )
    return f"{topic}-{part}"


def record_name(_topic: str, _part: Part, record: str, /) -> str:
    """`shop.Order`: the same type in all topics."""
    if not record:
        raise ConfigError("subject_name='record' needs a schema with a name: a record, or a title in JSON Schema")
    return record


def topic_record_name(topic: str, part: Part, record: str, /) -> str:
    """`orders-shop.Order`: several types in one topic, each with its own history there."""
    topic_name(topic, part, record)
    return f"{topic}-{record_name(topic, part, record)}"


STRATEGIES: Final[dict[str, SubjectName]] = {
    "topic": topic_name,
    "record": record_name,
    "topic-record": topic_record_name,
}


def subject_strategy(strategy: str | SubjectName) -> SubjectName:
    """Return the strategy of a name.

    Raises:
        ConfigError: there is none.
    """
    if callable(strategy):
        return strategy
    try:
        return STRATEGIES[strategy]
    except KeyError:
        raise ConfigError(f"subject_name is one of {', '.join(STRATEGIES)} or a function, not {strategy!r}") from None
