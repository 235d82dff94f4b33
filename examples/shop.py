"""Three kinds of tables: a sharded dict, sets by key, and a small table that every worker has all of.

Run it by `python shop.py worker -l info`.
"""

import itertools

import faust


class Sale(faust.Record, serializer="json"):
    customer: str
    product: str
    price: float
    currency: str


class Rate(faust.Record, serializer="json"):
    currency: str
    euros: float


app = faust.App("shop-app", broker="kafka://localhost")
sales_topic = app.topic("sales", key_type=str, value_type=Sale)
rates_topic = app.topic("rates", key_type=str, value_type=Rate, partitions=1)

# A partition for each partition of the sales, on the worker that has it.
spent = app.Table("spent", key_type=str, value_type=float, default=float)
# A set for each customer; adding an element costs the same however many there are.
bought = app.SetTable("bought", key_type=str, value_type=str, start_manager=True)
# Small, and needed wherever a sale is: each worker has all of it.
rates = app.GlobalTable("rates", key_type=str, value_type=float, partitions=1, default=lambda: 1.0)


@app.agent(rates_topic)
async def set_rate(stream: faust.Stream[Rate]) -> None:
    async for rate in stream:
        rates[rate.currency] = rate.euros


@app.agent(sales_topic)
async def sell(sales: faust.Stream[Sale]) -> None:
    async for sale in sales:
        spent[sale.customer] += sale.price * rates[sale.currency]
        bought[sale.customer].add(sale.product)
        products = ", ".join(sorted(bought[sale.customer]))
        print(f"{sale.customer} has spent {spent[sale.customer]:.2f} EUR on {products}")


numbers = itertools.count()


# In real life other programs write the sales and the rates.
@app.timer(interval=0.1)
async def somebody_buys() -> None:
    number = next(numbers)
    await rates_topic.send(key="USD", value=Rate(currency="USD", euros=0.5))
    sale = Sale(customer=f"customer-{number % 2}", product=f"product-{number % 3}", price=10, currency="USD")
    await sales_topic.send(key=sale.customer, value=sale)


# A set can be changed from anywhere: the change is sent to the worker that has the customer.
@app.task
async def somebody_gets_a_present() -> None:
    await bought.manager.add("customer-0", "present")


# What this worker has, as text.
@app.timer(interval=2)
async def show() -> None:
    print(spent.as_ansitable(title="Spent", key="Customer", value="EUR", sort=True))


if __name__ == "__main__":
    app.main()
