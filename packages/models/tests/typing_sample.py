"""What a type checker sees of a record; checked, never run."""

from __future__ import annotations

from typing import assert_type

from faust_models import FieldDescriptor, Record, codecs


class Order(Record, serializer="json", coerce=True, validation=False):
    account_id: str
    amount: int
    note: str | None = None


class Rush(Order, kw_only=True):
    hours: int = 1


def group_by(key: object) -> None:
    """Stand in for the stream's operator, which takes a field or a function."""


order = Order("a1", amount=5)
assert_type(order.account_id, str)
assert_type(order.note, str | None)
assert_type(order.derive(amount=6), Order)
assert_type(Rush.loads(b""), Rush)
assert_type(Order.from_data({}), Order)
assert_type(order < Rush("a1", 5), bool)
assert_type(codecs.json(Order).fast_encode(order), bytes)
group_by(Order.account_id)
group_by(lambda value: value.amount)

Order("a1")  # type: ignore[call-arg] # amount is missing
Order("a1", "5")  # type: ignore[arg-type] # amount is an int
_ = Order.amuont  # type: ignore[attr-defined] # misspelt

field: object = Order.account_id
if isinstance(field, FieldDescriptor):
    assert_type(field.field, str)
    assert_type(field.ident, str)
