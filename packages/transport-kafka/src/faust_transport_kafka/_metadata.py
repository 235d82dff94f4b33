"""aiokafka's look-ups of topics, without its side effect: asking for a topic must not create it."""

# ruff: noqa: SLF001 -- aiokafka has no setting for this

from __future__ import annotations

import random
from collections.abc import Collection
from functools import partial
from typing import Any

from aiokafka import errors as aio
from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.protocol.metadata import MetadataRequest

__all__ = ["forbid_topic_creation"]

BOOTSTRAP = ("bootstrap", ConnectionGroup.DEFAULT)


def forbid_topic_creation(client: AIOKafkaClient) -> None:
    """Have `client` ask for topics without creating them.

    Else a topic that is deleted while a worker knows it comes back at once, with the broker's default settings.
    """
    client._metadata_update = partial(_update, client)


async def _update(client: AIOKafkaClient, cluster: Any, topics: Collection[str] | None) -> bool:
    """Ask the brokers in turn; tell whether `cluster` was updated."""
    request = MetadataRequest(list(topics) if topics else None, allow_auto_topic_creation=False)
    nodes = [broker.nodeId for broker in client.cluster.brokers()]
    random.shuffle(nodes)
    for node in [*nodes, *([BOOTSTRAP[0]] if BOOTSTRAP in client._conns else [])]:
        connection = await client._get_conn(node)
        if connection is None:
            continue
        try:
            answer = await connection.send(request)
        except (aio.KafkaError, TimeoutError):
            continue
        if not answer.brokers:
            return False
        cluster.update_metadata(answer)
        if client.cluster.brokers() and (first := client._conns.pop(BOOTSTRAP, None)) is not None:
            first.close()
        return True
    cluster.failed_update(None)
    return False
