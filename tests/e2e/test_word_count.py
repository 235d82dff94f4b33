"""A million words, counted by workers of which one dies half way."""

from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.support import Application, wait_until, zipf_text

PER_LINE = 20


@pytest.mark.slow
@pytest.mark.timeout(150)
@pytest.mark.parametrize(
    ("guarantee", "store", "size"),
    [
        ("at_least_once", "memory://", 1_000_000),
        ("at_least_once", "rocksdb://", 300_000),
        ("exactly_once", "memory://", 300_000),
        ("exactly_once", "rocksdb://", 1_000_000),
    ],
)
def test_every_word_is_counted_though_a_worker_is_killed_half_way(
    kafka: str, unique: str, tmp_path: Path, guarantee: str, store: str, size: int
) -> None:
    text = zipf_text(size, seed=1, per_line=PER_LINE)
    expected = Counter(word for line in text for word in line.split())
    with Application(
        kafka, unique, tmp_path, "word_count", APP_STORE=store, PROCESSING_GUARANTEE=guarantee, TOPIC_PARTITIONS=4
    ) as app:
        for name in ("lines", "words"):
            app.create(name, 4)
        app.produce("lines", ((None, line.encode()) for line in text))
        first, second = app.worker("first"), app.worker("second")
        wait_until(lambda: sum(w.numbers()[0][0] for w in (first, second)) >= size / 2, 60, "half of it is counted")
        second.kill()
        repeatable = second.uncommitted()
        third = app.worker("third")
        app.wait_until_processed(["lines", "words", "*-text-repartition"], 90)
        third.wait_until_ready()
        changelog = app.changelog("counts")
        app.wait_until_tables_are({"counts": changelog})
        if guarantee == "exactly_once":
            assert changelog == expected
            return
        missing = {word: n - changelog.get(word, 0) for word, n in expected.items() if changelog.get(word, 0) < n}
        assert not missing
        # A word is sent or counted twice only if the dead worker had not committed it.
        assert app.count("words") - size <= repeatable[1] + PER_LINE
        assert sum(changelog.values()) - size <= sum(repeatable) + PER_LINE
