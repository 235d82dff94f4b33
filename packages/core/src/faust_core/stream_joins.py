"""The joins of a stream, as methods of `Stream`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar, Unpack, overload

if TYPE_CHECKING:
    from faust_core.joins import CombinedStream, Values
    from faust_core.stream import Stream
    from faust_core.tables import Table

__all__ = ["JoinOptions", "JoinableStream"]

T = TypeVar("T")
U = TypeVar("U")


class JoinOptions(TypedDict, total=False):
    """What a join takes besides the other side; see `Stream.join`."""

    within: float | dt.timedelta | None
    before: float | dt.timedelta | None
    after: float | dt.timedelta | None
    grace: float | dt.timedelta
    on: Any
    name: str | None
    idle: float | dt.timedelta


class JoinableStream(Generic[T]):
    """What a stream can be joined with."""

    @overload
    def join(
        self, right: Stream[U], /, *, joiner: None = None, **options: Unpack[JoinOptions]
    ) -> Stream[Values[T, U]]: ...

    @overload
    def join(
        self, right: Table[Any, U], /, *, joiner: None = None, **options: Unpack[JoinOptions]
    ) -> Stream[Values[T, U | None]]: ...

    @overload
    def join(
        self,
        right: Any = None,
        /,
        *fields: Any,
        joiner: Callable[..., Any] | None = None,
        **options: Unpack[JoinOptions],
    ) -> Stream[Any]: ...

    def join(
        self,
        right: Any = None,
        /,
        *fields: Any,
        joiner: Callable[..., Any] | None = None,
        **options: Unpack[JoinOptions],
    ) -> Stream[Any]:
        """Yield pairs `(left, right)` of this stream's values and those of another stream, or of a table.

        With a stream: of records with equal keys whose times are not further apart than `within`.  With a
        table: of each record and what the table has for its key when the record comes (None where it has
        nothing).  Of `left & right` the fields of both sides may be named instead of the other side.

        Args:
            right: a stream, or a table that is partitioned like this stream's topic.
            joiner: makes something else of a pair; a function of (left, right).
            within: how far the two may be apart; `before` and `after` say it separately: a right record may be as
                much earlier, or later, than the left one.  Seconds or timedeltas.
            grace: how much later than the latest record seen a record may come out of order; what is later is
                dropped and counted in `dropped`.
            on: the key, where it is not the records' own: a model's field or a function of the value, or a tuple
                of one for each side (None for a side whose own key it is).  These sides go through a topic, as with
                `group_by`.
            name: of the buffer and its changelog; made of the agent and the topics where None.
            idle: how long, by the wall clock, a side that has nothing to read is waited for before the other one
                closes its windows.

        Raises:
            ConfigError: the two cannot be joined; says which argument or what to do.
        """
        return self._join("INNER", right, fields, joiner=joiner, **options)

    @overload
    def left_join(
        self, right: Stream[U] | Table[Any, U], /, *, joiner: None = None, **options: Unpack[JoinOptions]
    ) -> Stream[Values[T, U | None]]: ...

    @overload
    def left_join(
        self,
        right: Any = None,
        /,
        *fields: Any,
        joiner: Callable[..., Any] | None = None,
        **options: Unpack[JoinOptions],
    ) -> Stream[Any]: ...

    def left_join(
        self,
        right: Any = None,
        /,
        *fields: Any,
        joiner: Callable[..., Any] | None = None,
        **options: Unpack[JoinOptions],
    ) -> Stream[Any]:
        """Like `join`; a left record that no partner can come for any more is yielded once, with None."""
        return self._join("LEFT", right, fields, joiner=joiner, **options)

    @overload
    def inner_join(
        self, right: Stream[U] | Table[Any, U], /, *, joiner: None = None, **options: Unpack[JoinOptions]
    ) -> Stream[Values[T, U]]: ...

    @overload
    def inner_join(
        self,
        right: Any = None,
        /,
        *fields: Any,
        joiner: Callable[..., Any] | None = None,
        **options: Unpack[JoinOptions],
    ) -> Stream[Any]: ...

    def inner_join(
        self,
        right: Any = None,
        /,
        *fields: Any,
        joiner: Callable[..., Any] | None = None,
        **options: Unpack[JoinOptions],
    ) -> Stream[Any]:
        """Like `join`; with a table, records for whose key it has nothing are left out."""
        return self._join("INNER", right, fields, joiner=joiner, explicit=True, **options)

    @overload
    def outer_join(
        self, right: Stream[U], /, *, joiner: None = None, **options: Unpack[JoinOptions]
    ) -> Stream[Values[T | None, U | None]]: ...

    @overload
    def outer_join(
        self,
        right: Any = None,
        /,
        *fields: Any,
        joiner: Callable[..., Any] | None = None,
        **options: Unpack[JoinOptions],
    ) -> Stream[Any]: ...

    def outer_join(
        self,
        right: Any = None,
        /,
        *fields: Any,
        joiner: Callable[..., Any] | None = None,
        **options: Unpack[JoinOptions],
    ) -> Stream[Any]:
        """Like `join`; records of either side that no partner can come for any more are yielded once, with None."""
        return self._join("OUTER", right, fields, joiner=joiner, **options)

    def _join(
        self, mode: str, right: Any, fields: tuple[Any, ...], *, explicit: bool = False, **options: Any
    ) -> Stream[Any]:
        from faust_core.joins import join_any  # noqa: PLC0415  joins stand on streams

        return join_any(self, mode, right, fields, explicit=explicit, **options)

    def combine(self, *others: JoinableStream[Any]) -> CombinedStream:
        """Return the stream of the values of this stream and another one, as they come; `join` makes pairs of them."""
        from faust_core.joins import combine  # noqa: PLC0415

        return combine([self, *others])

    def __and__(self, other: Any) -> CombinedStream:
        return self.combine(other) if isinstance(other, JoinableStream) else NotImplemented
