"""How workers write questions and answers to each other: JSON, with keys and values in base64.

A field that is not known is ignored, so that workers of neighbouring versions understand each other.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from faust_core.protocols.queries import PartitionAnswer, PartitionQuery, Scan, TableQuery

__all__ = ["MAX_LIMIT", "VERSION", "read_answers", "read_query", "write_answers", "write_query"]

VERSION = 1
MAX_LIMIT = 10_000

T = TypeVar("T")


def _text(data: bytes | None) -> str | None:
    return None if data is None else b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return b64decode(text, validate=True)


def _maybe(text: str | None) -> bytes | None:
    return None if text is None else _bytes(text)


def write_query(query: TableQuery) -> bytes:
    """Return a question as it is sent."""
    parts = []
    for part in query.parts:
        raw: dict[str, Any] = {"partition": part.partition, "keys": [_text(key) for key in part.keys]}
        if part.scan is not None:
            criteria = {name: _text(key) for name, key in part.scan.criteria.items()}
            raw["scan"] = {"criteria": criteria, "after": _text(part.scan.after), "limit": part.scan.limit}
        parts.append(raw)
    return _write(
        app=query.app,
        table=query.table,
        parts=parts,
        stale=query.stale,
        committed=query.committed,
        max_bytes=query.max_bytes,
    )


def read_query(data: bytes) -> TableQuery:
    """Undo `write_query`.

    Raises:
        ValueError: the bytes are no question, or of another version; says what is wrong.
    """

    def read(raw: Any) -> TableQuery:
        return TableQuery(
            _is(str, raw["app"]),
            _is(str, raw["table"]),
            tuple(_read_part(part) for part in raw["parts"]),
            stale=_is(bool, raw.get("stale", False)),
            committed=_is(bool, raw.get("committed", False)),
            max_bytes=_is(int, raw["max_bytes"]),
        )

    return _read("a question", data, read)


def _read_part(raw: Any) -> PartitionQuery:
    scan = raw.get("scan")
    read = None
    if scan is not None:
        limit = _is(int, scan["limit"])
        if not 1 <= limit <= MAX_LIMIT:
            raise ValueError(f"a limit of {limit}")
        criteria = {_is(str, name): _bytes(key) for name, key in scan["criteria"].items()}
        read = Scan(criteria, _maybe(scan["after"]), limit)
    return PartitionQuery(_is(int, raw["partition"]), tuple(_bytes(key) for key in raw["keys"]), read)


def write_answers(answers: Iterable[PartitionAnswer]) -> bytes:
    """Return answers as they are sent."""
    return _write(
        parts=[
            {
                "partition": answer.partition,
                "refusal": answer.refusal,
                "detail": answer.detail,
                "values": [_text(value) for value in answer.values],
                "rows": [[_text(key), _text(value)] for key, value in answer.rows],
                "after": _text(answer.after),
                "owner": answer.owner,
                "lag": answer.lag,
            }
            for answer in answers
        ]
    )


def read_answers(data: bytes) -> Sequence[PartitionAnswer]:
    """Undo `write_answers`.

    Raises:
        ValueError: the bytes are no answers, or of another version; says what is wrong.
    """

    def read(raw: Any) -> Sequence[PartitionAnswer]:
        return [
            PartitionAnswer(
                _is(int, part["partition"]),
                refusal=part["refusal"],
                detail=str(part["detail"]),
                values=tuple(_maybe(value) for value in part["values"]),
                rows=tuple((_bytes(key), _bytes(value)) for key, value in part["rows"]),
                after=_maybe(part["after"]),
                owner=_is(bool, part["owner"]),
                lag=None if part["lag"] is None else _is(int, part["lag"]),
            )
            for part in raw["parts"]
        ]

    return _read("an answer", data, read)


def _is(kind: type[T], value: Any) -> T:
    if type(value) is not kind:
        raise ValueError(f"{value!r} is no {kind.__name__}")
    return value


def _write(**content: Any) -> bytes:
    return json.dumps({"v": VERSION, **content}, separators=(",", ":")).encode()


def _read(what: str, data: bytes, read: Callable[[Any], T]) -> T:
    try:
        raw = json.loads(data)
        if raw["v"] == VERSION:
            return read(raw)
        reason = f"it is of version {raw['v']!r}, and this worker knows version {VERSION}"
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as exc:
        reason = f"{type(exc).__name__}: {exc}"
    raise ValueError(f"{what} of another worker cannot be read: {reason[:500]}")
