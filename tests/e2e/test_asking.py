"""Agents that ask agents, on Kafka."""

import pytest

import faust

pytestmark = [pytest.mark.timeout(90), pytest.mark.kafka]


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
async def test_checkpoints_and_answers_do_not_wait_for_each_other(kafka: str, unique: str, guarantee: str) -> None:
    app = faust.App(
        unique,
        broker=f"kafka://{kafka}",
        processing_guarantee=guarantee,
        broker_commit_interval=0.05,
        topic_partitions=2,
    )

    @app.agent(value_type=int)
    async def double(numbers):
        async for number in numbers:
            yield 2 * number

    @app.agent(value_type=int)
    async def quadruple(numbers):
        async for number in numbers:
            yield await double.ask(await double.ask(number, timeout=30), timeout=30)

    async with app:
        assert await quadruple.join(range(20), timeout=60) == [4 * number for number in range(20)]
        assert await double.join(range(500), timeout=60) == [2 * number for number in range(500)]
