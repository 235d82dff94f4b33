"""Records wait for what their codec must fetch; other partitions do not."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Sequence
from typing import Any

import pytest

from faust_core.errors import ConfigError, DecodeError, RetriableTransportError


class Library:
    """A service that knows words by number, and can be away."""

    def __init__(self) -> None:
        self.words = {1: "one", 2: "two"}
        self.away = False
        self.refuses = False
        self.asked: list[tuple[str, Any]] = []

    def ask(self, what: str, argument: Any = None) -> None:
        on_loop = threading.current_thread() is threading.main_thread()
        self.asked.append(("on the event loop!" if on_loop else what, argument))
        if self.refuses:
            raise ConfigError("the library refuses")
        if self.away:
            raise RetriableTransportError("the library is away")


class Numbered:
    """Values are words, in bytes their numbers."""

    name = "numbered"

    def __init__(self, library: Library) -> None:
        self.library = library
        self.known: dict[bytes, str] = {}
        self.prepared = False

    def prepare(self) -> None:
        self.library.ask("prepare")
        self.prepared = True

    def missing(self, data: Sequence[bytes | None], /) -> frozenset[Hashable]:
        return frozenset(item for item in data if item is not None and item not in self.known)

    def fetch(self, missing: frozenset[Hashable], /) -> None:
        self.library.ask("fetch", sorted(missing))  # type: ignore[type-var]
        for item in missing:
            assert isinstance(item, bytes)
            self.known[item] = self.library.words.get(int(item), "")

    def encode(self, value: Any, /) -> bytes:
        assert self.prepared, "nobody called prepare"
        return next(str(number).encode() for number, word in self.library.words.items() if word == value)

    def decode(self, data: bytes, /) -> Any:
        assert data in self.known, "nobody called fetch"
        if not self.known[data]:
            raise DecodeError(f"no word {data!r}", codec=self.name)
        return self.known[data]


@pytest.fixture
def library() -> Library:
    return Library()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faust_core.engine.held_back.FIRST_PAUSE_S", 0.02)


def reading_app(lab: Any, library: Library, seen: list[Any], **options: Any) -> Any:
    app = lab.app(**options)

    @app.agent(app.topic("words", value_serializer=Numbered(library)), name="words")
    async def read(stream: Any) -> None:
        async for word in stream:
            seen.append(word)

    @app.agent(app.topic("plain"), name="plain")
    async def read_plain(stream: Any) -> None:
        async for value in stream:
            seen.append(value)

    return app


async def test_what_a_batch_needs_is_fetched_once_and_in_a_thread(lab: Any, eventually: Any, library: Library) -> None:
    seen: list[Any] = []
    lab.put("words", b"1", b"2", b"1", None, b"1")
    async with reading_app(lab, library, seen):
        await eventually(lambda: len(seen) == 5)
        lab.put("words", b"2")
        await eventually(lambda: lab.committed("words") == 6)
    assert seen == ["one", "two", "one", None, "one", "two"]
    assert library.asked == [("fetch", [b"1", b"2"])]


async def test_a_service_that_is_away_holds_back_its_own_partitions_only(
    lab: Any, eventually: Any, library: Library
) -> None:
    seen: list[Any] = []
    library.away = True
    lab.put("words", b"1")
    lab.put("plain", "a")
    async with reading_app(lab, library, seen):
        await eventually(lambda: seen == ["a"] and len(library.asked) >= 2)
        lab.put("words", b"2")
        lab.put("plain", "b")
        await eventually(lambda: lab.committed("plain") == 2)
        assert seen == ["a", "b"]
        assert not lab.committed("words"), "not handed out, and not given up"
        library.away = False
        await eventually(lambda: lab.committed("words") == 2)
    assert seen == ["a", "b", "one", "two"]
    assert lab.records("app-dead-letter") == []


async def test_a_worker_stops_while_a_partition_is_held_back(lab: Any, eventually: Any, library: Library) -> None:
    seen: list[Any] = []
    library.away = True
    lab.put("words", b"1")
    async with reading_app(lab, library, seen):
        await eventually(lambda: library.asked)
    assert seen == []
    library.away = False
    async with reading_app(lab, library, seen, worker="w2"):
        await eventually(lambda: seen == ["one"])


async def test_a_service_that_refuses_stops_the_worker(lab: Any, library: Library) -> None:
    library.refuses = True
    lab.put("words", b"1")
    app = reading_app(lab, library, [])
    await app.start()
    with pytest.raises(ConfigError, match="the library refuses") as caught:
        await app.wait()
    assert caught.value.__notes__ == ["needed for words/0 from offset 0 on"]


async def test_what_the_service_does_not_have_is_the_records_fault(lab: Any, eventually: Any, library: Library) -> None:
    seen: list[Any] = []
    lab.put("words", b"7", b"1")
    async with reading_app(lab, library, seen):
        await eventually(lambda: lab.committed("words") == 2)
    assert seen == ["one"]
    assert dict(lab.records("app-dead-letter")[0].headers)["Faust-Error-Message"].endswith(b"offset 0: no word b'7'")


async def test_a_codec_is_prepared_in_a_thread_before_the_first_send(lab: Any, library: Library) -> None:
    app = lab.app()
    lab.broker.create_topic("words", 1)
    topic = app.topic("words", value_serializer=Numbered(library))
    async with app:
        assert library.asked == [], "a topic that is only read is not prepared"
        library.away = True
        with pytest.raises(RetriableTransportError, match="away"):
            await topic.send(value="one")
        library.away = False
        await topic.send(value="one")
        await topic.send(value="two")
    assert library.asked == [("prepare", None)] * 2
    assert [record.value for record in lab.records("words")] == [b"1", b"2"]


async def test_the_codecs_of_tables_are_prepared_at_the_start(lab: Any, eventually: Any, library: Library) -> None:
    app = lab.app()
    table = app.Table("t", value_serializer=Numbered(library))

    @app.agent("in")
    async def keep(stream: Any) -> None:
        async for value in stream:
            table[value] = "two"

    lab.put("in", "k")
    async with app:
        await eventually(lambda: lab.committed("in") == 1)
    assert library.asked == [("prepare", None)]
    assert [record.value for record in lab.records("app-t-changelog")] == [b"2"]
