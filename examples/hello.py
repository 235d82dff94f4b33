"""Hello, world: a typed topic, an agent that reads it, a timer that feeds it.

Run it by `python hello.py worker -l info`; without a broker by `BROKER_URL=memory:// python hello.py worker -l info`.
"""

import faust


class Greeting(faust.Record, serializer="json"):
    from_name: str
    to_name: str


app = faust.App("hello-app", broker="kafka://localhost")
topic = app.topic("hello-topic", value_type=Greeting)


@app.agent(topic)
async def hello(greetings):
    async for greeting in greetings:
        print(f"Hello from {greeting.from_name} to {greeting.to_name}")


@app.timer(interval=1.0)
async def example_sender(app):
    await hello.send(value=Greeting(from_name="Faust", to_name="you"))


if __name__ == "__main__":
    app.main()
