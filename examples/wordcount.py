"""The words of a text file, counted: one agent splits lines, another counts words by their key.

Run it by `python wordcount.py worker -l info`.
"""

import re
from pathlib import Path

import faust

TEXT = Path(__file__).with_suffix(".txt")

app = faust.App("wordcount-app", broker="kafka://localhost")
lines_topic = app.topic("wordcount-lines", value_type=str)
words_topic = app.topic("wordcount-words", key_type=str, value_type=int)
word_count = app.Table("word-count", default=int)


@app.agent(lines_topic)
async def split(lines: faust.Stream[str]) -> None:
    async for line in lines:
        for word in re.findall(r"\w+", line.lower()):
            await words_topic.send(key=word, value=1)


@app.agent(words_topic)
async def count(words: faust.Stream[int]) -> None:
    async for word, number in words.items():
        word_count[word] += number
        print(f"{word}: {word_count[word]}")


# One of the workers reads the file.
@app.task(on_leader=True)
async def read_file() -> None:
    for line in TEXT.read_text(encoding="utf-8").splitlines():
        await lines_topic.send(value=line)


if __name__ == "__main__":
    app.main()
