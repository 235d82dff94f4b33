"""What a worker tells of its tables and their stores."""

from __future__ import annotations

from collections.abc import AsyncIterator

import faust_core as faust
from faust_core import App


async def test_a_table_tells_what_was_read_and_written() -> None:
    app = App("metrics", broker="memory://", topic_partitions=1)
    counts = app.Table("counts", default=int, key_type=str, value_type=int)

    @app.agent(app.topic("names", value_type=str))
    async def process(stream: faust.Stream[str]) -> AsyncIterator[int]:
        async for name in stream:
            counts[name] += 1
            yield counts[name]

    async with app:
        for name in ["a", "b", "a"]:
            await process.ask(name)
        await app.commit()
        (measured,) = (await counts.metrics()).values()
        assert measured.uncommitted == 0
        assert measured.cached == 2
        assert measured.keys_read == 2, "each key is looked for in the store once"
        assert 1 <= measured.batches <= 3
        assert measured.batches <= measured.changes <= 3
        assert measured.write_s > 0
        assert measured.store == {"keys": 2}
        assert measured.changelog_offset == measured.changes
    assert await counts.metrics() == {}
