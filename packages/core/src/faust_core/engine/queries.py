"""Questions to tables, brought to the workers that can answer them.

A question goes to the owner of each partition, by the map of hosts that came with the last assignment.  Whoever is
asked looks at itself whether it is the owner: the map only says where to ask.  So an outdated map costs time and is
never the reason of a wrong answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from faust_core.engine.local_queries import LocalQueries
from faust_core.engine.plans import Plan, TaskId
from faust_core.errors import ConfigError, PeerUnreachable, QueryError, QueryUnavailable
from faust_core.protocols.queries import PartitionAnswer, PartitionQuery, Peers, QueryOptions, TableQuery
from faust_core.tables import Table

__all__ = ["MAX_TIMEOUT_S", "NotRunning", "Queries"]

log = logging.getLogger(__name__)

#: A worker that was paused takes a connection and says nothing: then the next place, or the next map, is tried.
ATTEMPT_S = 3.0
STALE_ATTEMPT_S = 1.0
#: Pauses between tries; they double.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 0.5
#: Nobody waits for longer, whatever they ask for.
MAX_TIMEOUT_S = 600.0
#: Bytes of values in one answer.
MAX_ANSWER_BYTES = 16 * 1024 * 1024

#: In the list of places: this worker.
HERE = ""


class Queries:
    """Asks this worker and others until every partition has answered, or the time is up.

    Args:
        plan: the last one that this worker got.
        task_id: the task that a partition of a table belongs to.
        endpoint: the URL of this worker itself, which it never asks by HTTP.
        peers: the way to others; None where faust-web is not installed.
    """

    def __init__(
        self,
        app_id: str,
        local: LocalQueries,
        plan: Callable[[], Plan],
        task_id: Callable[[str, int], TaskId | None],
        endpoint: Callable[[], str | None],
        peers: Peers | None,
        *,
        timeout_s: float,
        committed: bool,
    ) -> None:
        self._app_id = app_id
        self.local = local
        self._plan = plan
        self._task_id = task_id
        self._endpoint = endpoint
        self._peers = peers
        self._timeout_s = timeout_s
        self._committed = committed

    @property
    def peers(self) -> Peers | None:
        """The way to other workers; None where faust-web is not installed."""
        return self._peers

    async def aclose(self) -> None:
        """Answer nothing any more, and close the connections to others."""
        self.local.close()
        if self._peers is not None:
            await self._peers.aclose()

    def partition_count(self, table: Table[Any, Any]) -> int:
        """Raises:
        QueryUnavailable: the worker is starting.
        """
        if table.partition_count is None:
            raise QueryUnavailable(f"the worker has not found out yet how many partitions {table.name!r} has")
        return table.partition_count

    def deadline(self, options: QueryOptions) -> float:
        """Return when a question that begins now must have an answer, on the event loop's clock.

        Raises:
            QueryError: the time-out is none.
        """
        timeout_s = self._timeout_s if options.timeout_s is None else options.timeout_s
        if not 0 < timeout_s <= MAX_TIMEOUT_S:
            raise QueryError(f"a time-out is more than 0 and at most {MAX_TIMEOUT_S:g} s, not {timeout_s!r}")
        return asyncio.get_running_loop().time() + timeout_s

    async def ask(
        self, table: Table[Any, Any], queries: Collection[PartitionQuery], options: QueryOptions, deadline: float
    ) -> dict[int, PartitionAnswer]:
        """Return the answer of each partition.

        Raises:
            QueryUnavailable: a partition could not be asked in time; says what the last try came upon.
            QueryError: the question is wrong.
        """
        now = asyncio.get_running_loop().time
        pending = {query.partition: query for query in queries}
        tries = dict.fromkeys(pending, 0)
        answers: dict[int, PartitionAnswer] = {}
        pause_s = FIRST_PAUSE_S
        while pending:
            refusals: dict[int, PartitionAnswer] = {}
            by_place: dict[str, list[PartitionQuery]] = {}
            all_tried = True
            for partition, query in pending.items():
                places = self._places(table, partition, options)
                if isinstance(places, PartitionAnswer):
                    refusals[partition] = places
                    continue
                by_place.setdefault(places[tries[partition] % len(places)], []).append(query)
                tries[partition] += 1
                all_tried = all_tried and tries[partition] % len(places) == 0
            attempt_s = min(STALE_ATTEMPT_S if options.stale else ATTEMPT_S, max(0.01, deadline - now()))
            for answer in await self._ask_all(table, by_place, options, attempt_s):
                if answer.refusal is None:
                    answers[answer.partition] = answer
                    pending.pop(answer.partition, None)
                else:
                    refusals[answer.partition] = answer
            _give_up_if_hopeless(table, refusals.values())
            if pending and now() + pause_s >= deadline:
                raise unavailable(table, list(refusals.values()))
            if pending and all_tried:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        return answers

    def _places(self, table: Table[Any, Any], partition: int, options: QueryOptions) -> list[str] | PartitionAnswer:
        """Return whom to ask for a partition, best first; or why nobody can be asked."""
        if table.is_global or self.local.owns(table, partition):
            return [HERE]

        def refuse(why: str, detail: str) -> PartitionAnswer:
            return PartitionAnswer(partition, why, f"partition {partition} of table {table.name!r} {detail}")

        task_id = self._task_id(table.name, partition)
        hosts = None if task_id is None else self._plan().hosts.get(task_id)
        mine = self._endpoint()
        copies = [HERE] if options.stale and self.local.has_copy(table, partition) else []
        if hosts is None:
            detail = "has no owner that this worker knows of"
            if not self._plan().hosts:
                # Before the first assignment, too: so it is waited for all the same.
                detail += (
                    ": its group has given it no map of owners (confluent:// has none, nor has a very large group)"
                )
            return copies or refuse("no_owner", detail)
        if hosts.owner is not None and hosts.owner == mine:
            return [HERE]  # it says what it is doing
        if self._peers is None:
            why = "is with another worker, which cannot be asked: faust-web is not installed here"
            return copies or refuse("no_web", why)
        if options.stale:
            copies += [place for place in hosts.standbys if place != mine]
        if hosts.owner is None:
            why = "is with a worker that serves no HTTP: install faust-web there, and leave web_enabled on"
            return copies or refuse("no_endpoint", why)
        return [hosts.owner, *copies]

    async def _ask_all(
        self,
        table: Table[Any, Any],
        by_place: Mapping[str, list[PartitionQuery]],
        options: QueryOptions,
        timeout_s: float,
    ) -> list[PartitionAnswer]:
        committed = self._committed if options.committed is None else options.committed
        asking = [
            asyncio.ensure_future(
                self._ask_one(
                    place,
                    TableQuery(self._app_id, table.name, tuple(queries), options.stale, committed, MAX_ANSWER_BYTES),
                    timeout_s,
                )
            )
            for place, queries in by_place.items()
        ]
        try:
            return [answer for answers in await asyncio.gather(*asking) for answer in answers]
        except BaseException:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
            raise

    async def _ask_one(self, place: str, query: TableQuery, timeout_s: float) -> Sequence[PartitionAnswer]:
        try:
            async with asyncio.timeout(timeout_s):
                if place == HERE:
                    return await self.local.answer(query)
                assert self._peers is not None
                answers = await self._peers.ask(place, query, timeout_s=timeout_s)
        except (PeerUnreachable, TimeoutError) as exc:
            reason = str(exc) or f"no answer in {timeout_s:.3g} s"
            where = "this worker" if place == HERE else f"the worker at {place}"
            return [PartitionAnswer(part.partition, "unreachable", f"{where}: {reason}") for part in query.parts]
        return _fitting(query, answers, place)


def _give_up_if_hopeless(table: Table[Any, Any], refusals: Iterable[PartitionAnswer]) -> None:
    """Do not wait where waiting does not help."""
    hopeless = [refusal for refusal in refusals if refusal.refusal in {"no_web", "no_endpoint"}]
    if hopeless:
        raise unavailable(table, hopeless)


def _fitting(query: TableQuery, answers: Sequence[PartitionAnswer], place: str) -> Sequence[PartitionAnswer]:
    """Return the answers that are ones to the question; the others are refusals."""
    given = {answer.partition: answer for answer in answers}
    fitting = []
    for part in query.parts:
        answer = given.get(part.partition)
        if answer is None or (answer.refusal is None and part.scan is None and len(answer.values) != len(part.keys)):
            detail = f"the worker at {place} answered something else than was asked"
            answer = PartitionAnswer(part.partition, "unreachable", detail)
        elif answer.refusal is None and not answer.owner and not query.stale:
            answer = PartitionAnswer(part.partition, "not_owner", f"the worker at {place} is not the owner")
        fitting.append(answer)
    return fitting


def unavailable(table: Table[Any, Any], refusals: Sequence[PartitionAnswer]) -> QueryUnavailable:
    if not refusals:
        return QueryUnavailable(f"table {table.name!r} could not be asked in time")
    first = refusals[0]
    more = f" (and {len(refusals) - 1} more partitions)" if len(refusals) > 1 else ""
    return QueryUnavailable(f"table {table.name!r} cannot answer now: {first.detail}{more}", code=first.refusal or "")


class NotRunning:
    """Stands where `Queries` will be."""

    def __init__(self, app_id: str) -> None:
        self._app_id = app_id

    def __getattr__(self, name: str) -> Any:
        raise ConfigError(f"tables can be asked while application {self._app_id} runs: start it first")
