"""Dead letters that cannot be written as they should: too large, or about a dead letter."""

from typing import Any


async def test_a_failure_on_a_dead_letter_makes_no_other_dead_letter(lab: Any, eventually: Any) -> None:
    app = lab.app()

    @app.agent(app.topic("in", value_type=int))
    async def fails(stream: Any) -> None:
        async for _ in stream:
            raise ValueError("no")

    @app.agent(app.topic("app-dead-letter", value_type=bytes))
    async def fails_too(stream: Any) -> None:
        async for _ in stream:
            raise ValueError("no, either")

    lab.put("in", 1, None)  # an error of the body, and one of decoding
    lab.broker.create_topic("app-dead-letter", 1)
    async with app:
        await eventually(lambda: lab.committed("app-dead-letter") == 2)
    assert len(lab.records("app-dead-letter")) == 2


async def test_a_dead_letter_that_would_be_too_large_goes_without_its_value(lab: Any, eventually: Any) -> None:
    app = lab.app(producer_max_request_size=10_000)

    @app.agent(app.topic("in", value_type=str))
    async def fails(stream: Any) -> None:
        async for value in stream:
            raise ValueError(value)

    lab.put("in", "x" * 9_000, key="k")
    async with app:
        await eventually(lambda: lab.committed("in") == 1)
    (letter,) = lab.records("app-dead-letter")
    headers = dict(letter.headers)
    assert (letter.key, letter.value) == (b"k", None)
    assert headers["Faust-Error-Value-Dropped"] == b"9002"
    assert (headers["Faust-Error-Topic"], headers["Faust-Error-Offset"]) == (b"in", b"0")
    assert headers["Faust-Error-Message"].startswith(b"xxx")


async def test_the_dead_letter_of_a_bad_key_says_so(lab: Any, eventually: Any) -> None:
    app = lab.app()

    @app.agent(app.topic("in", key_type=int, key_serializer="json", value_type=int))
    async def by_key(stream: Any) -> None:
        async for _key, _value in stream.items():
            pass

    lab.put("in", 1, key="no number")
    async with app:
        await eventually(lambda: lab.committed("in") == 1)
    headers = dict(lab.records("app-dead-letter")[0].headers)
    assert headers["Faust-Error-Type"] == b"KeyDecodeError"
    assert headers["Faust-Error-Message"].startswith(b"cannot decode the key of in/0 at offset 0:")
