"""What is in the file about a group.

Whenever somebody joins, leaves, expires or asks for it, the group's *epoch* grows.  Each member then finishes its work
and says so: it is *ready* for that epoch.  When all are, the eldest divides the work, and the epoch becomes the
*generation* under which offsets are committed.
"""

from __future__ import annotations

import json
import sqlite3
import time
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from faust_core.errors import FencedError, RetriableTransportError, TransportError
from faust_core.records import TopicPartition
from file_broker.broker_file import change

__all__ = [
    "View",
    "client_ids",
    "commit",
    "committed",
    "delete",
    "divide",
    "enter",
    "heartbeat",
    "leave",
    "look",
    "new_epoch",
    "partition_counts",
    "say_ready",
]


@dataclass(frozen=True, slots=True)
class View:
    """The group as one member sees it.

    Attributes:
        epoch: grows with each change of the group.
        generation: the epoch for which the work was divided last.
        ready: the epoch for which this member has said that it is ready; -1 before the first.
        leads: it is the eldest member, and all are ready for the epoch.
    """

    epoch: int
    generation: int
    ready: int
    leads: bool
    partitions: frozenset[TopicPartition]
    plan: bytes | None


def new_epoch(connection: sqlite3.Connection, group_id: str) -> None:
    connection.execute("INSERT OR IGNORE INTO groups VALUES (?, 0, 0, 0)", (group_id,))
    connection.execute("UPDATE groups SET epoch = epoch + 1, since = ? WHERE id = ?", (time.time(), group_id))


def enter(
    connection: sqlite3.Connection,
    group_id: str,
    client_id: str,
    topics: Collection[str],
    times: tuple[float, float],
    member_id: str | None = None,
) -> str:
    """Join, or change what is read; returns the member's id.

    Args:
        times: seconds without a heartbeat, and in a rebalance, after which the member is removed.
    """
    with change(connection):
        if member_id is None:
            member_id = f"{client_id}-{uuid.uuid4()}"
            connection.execute(
                "INSERT INTO members (group_id, id, client_id, topics, expires, session_s, rebalance_s, ready) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, -1)",
                (group_id, member_id, client_id, json.dumps(sorted(topics)), time.time() + times[0], *times),
            )
        else:
            query = "UPDATE members SET topics = ? WHERE group_id = ? AND id = ?"
            connection.execute(query, (json.dumps(sorted(topics)), group_id, member_id))
        new_epoch(connection, group_id)
    return member_id


def heartbeat(connection: sqlite3.Connection, group_id: str, member_id: str) -> None:
    """Say that a member lives, and remove those that do not, or that hold up a rebalance for too long."""
    now = time.time()
    with change(connection):
        connection.execute(
            "UPDATE members SET expires = ? + session_s WHERE group_id = ? AND id = ?", (now, group_id, member_id)
        )
        gone = connection.execute(
            "DELETE FROM members WHERE group_id = ?1 AND (expires < ?2 OR ready < "
            "(SELECT epoch FROM groups WHERE id = ?1 AND since + members.rebalance_s < ?2))",
            (group_id, now),
        )
        if gone.rowcount:
            new_epoch(connection, group_id)


def look(connection: sqlite3.Connection, group_id: str, member_id: str) -> View | None:
    """Return the group as a member sees it; None where it is a member no longer."""
    mine = connection.execute(
        "SELECT number, ready, partitions, plan FROM members WHERE group_id = ? AND id = ?", (group_id, member_id)
    ).fetchone()
    if mine is None:
        return None
    epoch, generation = connection.execute("SELECT epoch, generation FROM groups WHERE id = ?", (group_id,)).fetchone()
    eldest, ready_for = connection.execute(
        "SELECT min(number), min(ready) FROM members WHERE group_id = ?", (group_id,)
    ).fetchone()
    partitions = frozenset(TopicPartition(*pair) for pair in json.loads(mine[2] or "[]"))
    leads = eldest == mine[0] and ready_for == epoch and generation < epoch
    return View(epoch, generation, mine[1], leads, partitions, mine[3])


def say_ready(connection: sqlite3.Connection, group_id: str, member_id: str, epoch: int, metadata: bytes) -> None:
    """A member has finished its work, and commits nothing before the next generation."""
    with change(connection):
        query = "UPDATE members SET ready = ?, metadata = ? WHERE group_id = ? AND id = ?"
        connection.execute(query, (epoch, metadata, group_id, member_id))


def divide(
    connection: sqlite3.Connection,
    group_id: str,
    epoch: int,
    shares: Mapping[str, tuple[Collection[TopicPartition], bytes]],
) -> None:
    """Write the plan of the leader, unless the group has changed since."""
    with change(connection):
        present = connection.execute("SELECT epoch FROM groups WHERE id = ?", (group_id,)).fetchone()
        if present != (epoch,):
            return
        for member_id, (partitions, plan) in shares.items():
            query = "UPDATE members SET partitions = ?, plan = ? WHERE group_id = ? AND id = ?"
            connection.execute(query, (json.dumps([list(tp) for tp in sorted(partitions)]), plan, group_id, member_id))
        connection.execute("UPDATE groups SET generation = ? WHERE id = ?", (epoch, group_id))


def members(connection: sqlite3.Connection, group_id: str) -> tuple[dict[str, bytes], set[str]]:
    """Return what each member says of itself, and all topics that they read."""
    query = "SELECT id, metadata, topics FROM members WHERE group_id = ?"
    rows = connection.execute(query, (group_id,)).fetchall()
    return {row[0]: row[1] for row in rows}, {topic for row in rows for topic in json.loads(row[2])}


def partition_counts(connection: sqlite3.Connection) -> dict[str, int]:
    return dict(connection.execute("SELECT name, partitions FROM topics").fetchall())


def client_ids(connection: sqlite3.Connection, group_id: str) -> list[str]:
    query = "SELECT client_id FROM members WHERE group_id = ? AND expires >= ?"
    return [row[0] for row in connection.execute(query, (group_id, time.time()))]


def leave(connection: sqlite3.Connection, group_id: str, member_id: str) -> None:
    with change(connection):
        connection.execute("DELETE FROM members WHERE group_id = ? AND id = ?", (group_id, member_id))
        new_epoch(connection, group_id)


def delete(connection: sqlite3.Connection, group_id: str) -> None:
    """Raises:
    TransportError: it has members.
    """
    present = client_ids(connection, group_id)
    if present:
        raise TransportError(f"group {group_id} has members: {', '.join(present)}; stop them first")
    with change(connection):
        connection.execute("DELETE FROM groups WHERE id = ?", (group_id,))
        connection.execute("DELETE FROM members WHERE group_id = ?", (group_id,))
        connection.execute("DELETE FROM offsets WHERE group_id = ?", (group_id,))


def commit(
    connection: sqlite3.Connection,
    group_id: str,
    member_id: str,
    generation: int,
    offsets: Mapping[TopicPartition, int],
) -> None:
    """Raises:
    FencedError: the member is no longer in the group.
    RetriableTransportError: it has said that it is ready for a new division, which has yet to come.
    """
    with change(connection):
        view = look(connection, group_id, member_id)
        if view is None:
            raise FencedError(f"{member_id} is not a member of group {group_id} any more")
        if view.ready > generation:
            raise RetriableTransportError(f"group {group_id} is dividing the work anew")
        rows = [(group_id, *tp, place) for tp, place in offsets.items()]
        connection.executemany("INSERT OR REPLACE INTO offsets VALUES (?, ?, ?, ?)", rows)


def committed(
    connection: sqlite3.Connection, group_id: str, partitions: Collection[TopicPartition]
) -> dict[TopicPartition, int | None]:
    query = "SELECT place FROM offsets WHERE group_id = ? AND topic = ? AND partition = ?"
    rows = {tp: connection.execute(query, (group_id, *tp)).fetchone() for tp in partitions}
    return {tp: None if row is None else row[0] for tp, row in rows.items()}
