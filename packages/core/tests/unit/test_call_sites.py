"""Whether the result of an `await` is thrown away, on each Python that runs these tests."""

from __future__ import annotations

import asyncio
import sys

from faust_core._call_sites import LastSite, result_is_discarded


async def asks(answers: list[bool]) -> int:
    answers.append(result_is_discarded())
    return 1


async def test_only_an_await_that_stands_alone_drops_its_result():
    answers: list[bool] = []
    await asks(answers)
    for _ in range(2):
        await asks(answers)
    try:
        await asks(answers)
    finally:
        assert answers == [True] * 4
    answers.clear()
    kept = await asks(answers)
    many = [await asks(answers) for _ in range(2)]
    assert await asks(answers) == kept == many[0]
    await asyncio.create_task(asks(answers))
    await asyncio.gather(asks(answers))
    assert not any(answers)


async def test_the_last_site_is_not_taken_for_another_one():
    site = LastSite()
    answers: list[bool] = []

    async def asks() -> None:
        answers.append(site.drops(sys._getframe(1)))

    for _ in range(2):
        await asks()
        _ = await asks()
    assert answers == [True, False, True, False]
