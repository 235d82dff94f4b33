"""Lines → words → `group_by` → a count per word."""

import faust
from tests.e2e.apps.probes import counters, make_app

app = make_app()


class Word(faust.Record, serializer="json"):
    """One word of the text."""

    text: str


lines = app.topic(f"{app.id}-lines", value_type=str, value_serializer="raw")
words = app.topic(f"{app.id}-words", value_type=Word)
counts = app.Table("counts", default=int, key_type=str, value_type=int)
now = counters.now


@app.agent(lines)
async def split(stream: faust.Stream[str]) -> None:
    """Send each line's words on, in no particular partition."""
    async for line in stream:
        for word in line.split():
            await words.send(value=Word(word))
            now[1] += 1


def word_of(word: Word) -> str:
    """The key to group by; counts what was sent to the repartition topic."""
    now[2] += 1
    return word.text


@app.agent(words)
async def count(stream: faust.Stream[Word]) -> None:
    """Count each word where all of its occurrences meet."""
    async for word in stream.group_by(word_of, name="text"):
        counts[word.text] += 1
        now[0] += 1


if __name__ == "__main__":
    app.main()
