"""Asking a table of sets: `await members.query("group")` is a plain set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, NoReturn, TypeVar

from faust_core.errors import QueryError
from faust_core.protocols.queries import QueryOptions
from faust_core.tables.queries import Answer, Answers, Found, find_rows

__all__ = ["QueriedSets", "find_set"]

K = TypeVar("K")
E = TypeVar("E")


async def find_set(table: Any, key: Any, options: QueryOptions) -> tuple[set[Any], int, Found]:
    """Return a key's elements, the partition that has them, and what was noted on the way.

    Raises:
        QueryError: no such key can be in the table.
        AnswerTooLarge: the set has too many elements.
    """
    rows, at, found = await find_rows(table, key, options)
    return {table.codec.decode_key(row)[1] for row, _ in rows}, at, found


class QueriedSets(Generic[K, E]):
    """The questions of a `SetTable`; see `Queried` for what all of them take and raise.  A missing set is empty."""

    __slots__ = ()

    async def query(
        self,
        key: K,
        *,
        stale: bool = False,
        committed: bool | None = None,
        partition: int | None = None,
        timeout: float | None = None,
    ) -> set[E]:
        """Return the elements of a key."""
        elements, _, _ = await find_set(self, key, QueryOptions(stale, committed, partition, timeout))
        return elements

    async def query_answer(
        self,
        key: K,
        *,
        stale: bool = False,
        committed: bool | None = None,
        partition: int | None = None,
        timeout: float | None = None,
    ) -> Answer[set[E]]:
        """Return the elements of a key together with who has answered, and how old that may be."""
        options = QueryOptions(stale, committed, partition, timeout)
        elements, at, found = await find_set(self, key, options)
        return Answer(elements, bool(elements), at, found.owner, found.lag)

    async def query_many(
        self,
        keys: Iterable[K],
        *,
        stale: bool = False,
        committed: bool | None = None,
        partition: int | None = None,
        timeout: float | None = None,
    ) -> Answers[K, set[E]]:
        """Return the elements of those keys that have some."""
        options = QueryOptions(stale, committed, partition, timeout)
        answers: Answers[K, set[E]] = Answers()
        noted = Found()
        for key in keys:
            elements, _, found = await find_set(self, key, options)
            noted.note(found)
            if elements:
                answers[key] = elements
        answers.owner, answers.lag = noted.owner, noted.lag
        return answers

    def query_page(self: Any, **_criteria: Any) -> NoReturn:
        raise QueryError(f"table {self.name!r} has sets: ask it by key", code="sets")

    def query_items(self: Any, **_criteria: Any) -> NoReturn:
        raise QueryError(f"table {self.name!r} has sets: ask it by key", code="sets")
