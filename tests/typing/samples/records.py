"""Records: a class body of annotations makes a typed constructor."""

import datetime as dt
from decimal import Decimal
from typing import Generic, TypeVar, reveal_type

from faust_models import FieldDescriptor, ModelOptions, Record, ValidationError, codecs, maybe_model
from faust_models.fields import DatetimeField, DecimalField, IntegerField, StringField
from faust_models.tags import Secret, Sensitive

T = TypeVar("T")


class Order(Record, serializer="json"):
    """An order."""

    account: str
    amount: int = 1
    note: str | None = None


order = Order(account="a", amount=2)
reveal_type(order)  # is: Order
reveal_type(order.account)  # is: str
reveal_type(order.amount)  # is: int
reveal_type(order.note)  # is: str | None
reveal_type(order.dumps())  # is: bytes
reveal_type(Order.loads(b"{}"))  # is: Order
reveal_type(Order.from_data({}))  # is: Order
reveal_type(order.derive(amount=3))  # is: Order
reveal_type(order.asdict())  # is: dict[str, Any]
reveal_type(order.to_representation())  # is: Mapping[str, Any]
reveal_type(order.validate())  # is: list[ValidationError]
reveal_type(order.is_valid())  # is: bool
reveal_type(order == Order("b"))  # is: bool
reveal_type(sorted([order]))  # is: list[Order]
reveal_type(codecs.json(Order).fast_encode(order))  # is: bytes
reveal_type(maybe_model({}))  # is: Any

Order()  # error: call-arg
Order(account=1)  # error: arg-type
Order(account="a", colour="red")  # error: call-arg
order.colour  # error: attr-defined


class Invoice(Order, coerce=True, validation=True, coercions={Decimal: Decimal}, date_parser=dt.datetime.fromisoformat):
    """Fields with demands are of the type that is written beside them."""

    number: int = IntegerField(min_value=1, default=1)
    customer: str = StringField(max_length=10, default="")
    total: Decimal = DecimalField(max_digits=8, default_factory=Decimal)
    due: dt.datetime | None = DatetimeField(required=False, default=None)
    tags: list[str] = FieldDescriptor(default_factory=list)


invoice = Invoice("a", number=5, total=Decimal(1))
reveal_type(invoice.number)  # is: int
reveal_type(invoice.total)  # is: Decimal
reveal_type(invoice.due)  # is: datetime | None
reveal_type(invoice.tags)  # is: list[str]
Invoice("a", number="5")  # error: arg-type


class Login(Record):
    """Tagged values are unwrapped by hand."""

    name: str
    password: Secret[str]
    pin: Sensitive[int] = IntegerField(min_value=1)


login = Login("ann", Secret("x"), Sensitive(5))
reveal_type(login.password)  # is: Secret[str]
reveal_type(login.password.get_value())  # is: str
reveal_type(login.pin.get_value())  # is: int
Login("ann", "x", Sensitive(5))  # error: arg-type


class Page(Record, Generic[T], kw_only=True):
    """A generic record."""

    items: list[T]
    total: int = 0


page = Page(items=[order])
reveal_type(page)  # is: Page[Order]
reveal_type(page.items[0].account)  # is: str
Page([order])  # error: call-arg


class Even(FieldDescriptor[int]):
    """A kind of field of one's own."""

    def validate(self, value: int) -> list[ValidationError]:
        """Say what is wrong."""
        reveal_type(self.ident)  # is: str
        return [self.validation_error("is odd")] if value % 2 else []


class Numbers(Record):
    """It is used like the others."""

    even: int = Even(default=2)


reveal_type(Numbers().even)  # is: int
reveal_type(Numbers._options)  # is: ModelOptions
reveal_type(ModelOptions().fieldset)  # is: frozenset[str]
