"""Records: types, demands on fields, secrets, and values whose class stands in the data.  No broker is needed.

Run it by `python records.py`.  It ends by itself.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal

import faust
from faust.exceptions import DecodeError, ValidationError
from faust.models.fields import DecimalField, FieldDescriptor, IntegerField, StringField
from faust.models.tags import Personal, Secret


# Types -------------------------------------------------------------------------------------------
class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


class Line(faust.Record):
    sku: str
    count: int = 1


class Order(faust.Record, namespace="shop.Order"):
    id: int
    lines: list[Line]
    placed: datetime
    due: date | None = None
    prices: dict[str, Decimal] = FieldDescriptor(default_factory=dict)
    size: Size = Size.SMALL
    state: Literal["new", "paid"] = "new"


def types() -> None:
    order = Order.loads(b'{"id":1,"lines":[{"sku":"tea"}],"placed":"2024-01-02T03:04:05Z","prices":{"tea":"9.90"}}')
    print(order.placed.year, order.prices["tea"] + 1, order.size)
    paid = order.derive(state="paid", lines=[])
    print(paid.dumps().decode())


# Demands -----------------------------------------------------------------------------------------
class Product(faust.Record, validation=True):
    name: str = StringField(max_length=20, trim_whitespace=True, allow_blank=False)
    price: Decimal = DecimalField(max_digits=6, max_decimal_places=2, min_value=Decimal(0))
    stock: int = IntegerField(min_value=0, default=0)
    sku: str = StringField(input_name="SKU", output_name="sku", default="")
    cost: Decimal = DecimalField(exclude=True, default=Decimal(0))


def demands() -> None:
    print(Product("  tea ", Decimal("9.90")).name)
    try:
        Product("", Decimal("9.999"), stock=-1)
    except ValidationError as exc:
        for error in exc.errors:
            print(f"{error.field}: {error.reason}")


# A kind of field of one's own ----------------------------------------------------------------------
class MultipleField(FieldDescriptor[int]):
    def __init__(self, of: int, **options: Any) -> None:
        super().__init__(of=of, **options)
        self.of = of

    def prepare_value(self, value: Any, *, coerce: bool | None = None) -> Any:
        return abs(value)

    def validate(self, value: int) -> Iterable[ValidationError]:
        if value % self.of:
            yield self.validation_error(f"must be a multiple of {self.of}", value=value)


class Shirt(faust.Record, validation=True):
    width: int = MultipleField(of=5)
    colour: str = StringField(choices=["red", "blue"], default="red")


# Secrets -----------------------------------------------------------------------------------------
class Account(faust.Record):
    name: str
    password: Secret[str]
    phone: Personal[str] | None = None


def secrets() -> None:
    account = Account("ann", Secret("hunter2"))
    print(account)
    print(account.password.get_value() == "hunter2")


# Classes that stand in the data --------------------------------------------------------------------
class Payment(faust.Record, abstract=True):
    amount: Decimal


class ByCard(Payment, namespace="shop.ByCard"):
    card: Personal[str]


class Transfer(Payment, namespace="shop.Transfer"):
    iban: str


class Receipt(faust.Record):
    payments: list[Payment]
    refund: ByCard | Transfer | None = None


def polymorphism() -> None:
    receipt = Receipt([ByCard(Decimal(5), Personal("4711")), Transfer(Decimal(7), "DE02")])
    again = Receipt.loads(receipt.dumps())
    print([type(payment).__name__ for payment in again.payments])


# Types that are no records -------------------------------------------------------------------------
class Celsius:
    def __init__(self, degrees: float) -> None:
        self.degrees = degrees

    def __json__(self) -> float:
        return self.degrees


def day(text: str) -> datetime:
    return datetime.strptime(text, "%d.%m.%Y").replace(tzinfo=UTC)


class Reading(faust.Record, coercions={Celsius: Celsius}, date_parser=day):
    temperature: Celsius
    at: datetime


@dataclass
class Point:
    x: int
    y: int


app = faust.App("records", broker="memory://")
points = app.topic("points", value_type=Point)
payments = app.topic("payments", value_type=Payment)


def others() -> None:
    reading = Reading.loads(b'{"temperature":21.5,"at":"02.01.2024"}')
    print(reading.temperature.degrees, reading.at.month)
    print(Reading(Celsius(3.5), datetime(2024, 1, 2, tzinfo=UTC)).dumps().decode())


# Errors ------------------------------------------------------------------------------------------
def errors() -> None:
    try:
        Order.loads(b'{"id":"one","lines":[{"sku":"tea"},{"sku":5}]}')
    except DecodeError as exc:
        print(exc)


if __name__ == "__main__":
    for part in (types, demands, secrets, polymorphism, others, errors):
        part()
    print(Shirt(-40))
