"""What becomes of a record whose agent raises: it goes to the dead-letter topic, and the agent goes on.

Run it by `python dead_letters.py worker`.
"""

import faust


class Payment(faust.Record, serializer="json"):
    account_id: str
    amount: float


app = faust.App("payments-app", broker="kafka://localhost")
payments_topic = app.topic("payments", value_type=Payment)
dead_letters_topic = app.topic(app.conf.dead_letter_topic, value_type=bytes, allow_empty=True)


@app.agent(payments_topic)
async def book(payments: faust.Stream[Payment]) -> None:
    async for payment in payments:
        if payment.amount <= 0:
            raise ValueError(f"a payment of {payment.amount}")
        print(f"booked {payment.amount} for {payment.account_id}")


# What fails in here is logged and skipped: it makes no other dead letter.
@app.agent(dead_letters_topic)
async def report(letters: faust.Stream[bytes]) -> None:
    async for letter in letters.events():
        headers = {name: (value or b"").decode(errors="replace") for name, value in letter.headers.items()}
        place = "{Faust-Error-Topic}/{Faust-Error-Partition} offset {Faust-Error-Offset}".format_map(headers)
        print(f"dead letter from {place}: {headers['Faust-Error-Type']}: {headers['Faust-Error-Message']}")
        print(f"  its value was {letter.value!r}")


@app.task
async def somebody_pays() -> None:
    await payments_topic.send(value=Payment(account_id="ada", amount=10.0))
    await payments_topic.send(value=Payment(account_id="bob", amount=-5.0))
    await payments_topic.send(value=b"this is no JSON")
    await payments_topic.send(value=Payment(account_id="eve", amount=20.0))


if __name__ == "__main__":
    app.main()
