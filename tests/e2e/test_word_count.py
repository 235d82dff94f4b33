"""A million words, counted by workers of which one dies half way."""

from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.support import Application, wait_until, zipf_text

WORDS = 1_000_000
PER_LINE = 20


@pytest.mark.slow
@pytest.mark.timeout(150)
@pytest.mark.parametrize("store", ["memory://", "rocksdb://"])
@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
def test_every_word_is_counted_though_a_worker_is_killed_half_way(
    kafka: str, unique: str, tmp_path: Path, guarantee: str, store: str
) -> None:
    text = zipf_text(WORDS, seed=1, per_line=PER_LINE)
    expected = Counter(word for line in text for word in line.split())
    with Application(
        kafka, unique, tmp_path, "word_count", APP_STORE=store, PROCESSING_GUARANTEE=guarantee, TOPIC_PARTITIONS=4
    ) as app:
        for name in ("lines", "words"):
            app.create(name, 4)
        app.produce("lines", ((None, line.encode()) for line in text))
        first, second = app.worker("first"), app.worker("second")
        wait_until(lambda: sum(w.numbers()[0][0] for w in (first, second)) >= WORDS / 2, 60, "half of it is counted")
        second.kill()
        repeatable = second.uncommitted()
        third = app.worker("third")
        app.wait_until_processed(["lines", "words", "*-text-repartition"], 90)
        third.wait_until_ready()
        tables, changelog = app.tables()["counts"], app.changelog("counts")
        assert tables == changelog
        if guarantee == "exactly_once":
            assert changelog == expected
            return
        missing = {word: n - changelog.get(word, 0) for word, n in expected.items() if changelog.get(word, 0) < n}
        assert not missing
        # A word is sent or counted twice only if the dead worker had not committed it.
        assert app.count("words") - WORDS <= repeatable[1] + PER_LINE
        assert sum(changelog.values()) - WORDS <= sum(repeatable) + PER_LINE
