"""`Order.account_id`: the field as an object."""

from types import MemberDescriptorType

import msgspec
import pytest

from faust_models import FieldDescriptor, Record


class Customer(Record):
    name: str
    vip: bool = False


class Order(Record):
    account_id: str
    amount: int
    customer: Customer | None = None
    tags: list[str] = []  # noqa: RUF012 - made anew for every record
    method: str = msgspec.field(default="card", name="paymentMethod")


class SpecialOrder(Order):
    pass


def field(descriptor: object) -> FieldDescriptor[object]:
    assert isinstance(descriptor, FieldDescriptor)
    return descriptor


def test_field_of_the_class_is_a_descriptor_and_of_a_record_its_value() -> None:
    descriptor = field(Order.account_id)
    order = Order("a1", 5)
    assert (descriptor.field, descriptor.ident, descriptor.model) == ("account_id", "Order.account_id", Order)
    assert order.account_id == "a1"
    assert descriptor.getattr(order) == descriptor(order) == "a1"
    assert repr(descriptor) == "<FieldDescriptor: Order.account_id>"


def test_inherited_field_belongs_to_the_subclass() -> None:
    assert field(SpecialOrder.account_id).ident == "SpecialOrder.account_id"
    assert field(SpecialOrder.account_id)(SpecialOrder("a1", 5)) == "a1"


def test_field_of_a_record_inside_is_reached_by_a_dot() -> None:
    name = field(Order.customer).name
    assert (name.field, name.ident, name.model) == ("name", "Order.customer.name", Order)
    assert name(Order("a1", 5, Customer("Ann"))) == "Ann"
    with pytest.raises(AttributeError, match=r"Order\.customer has no field 'age'"):
        _ = field(Order.customer).age


def test_descriptor_tells_about_its_field() -> None:
    assert field(Order.amount).type is int
    assert field(Order.amount).required
    assert field(Order.amount).default is None
    assert not field(Order.tags).required
    assert field(Order.tags).default == []
    assert field(Order.method).default == "card"
    assert (field(Order.method).field, field(Order.method).input_name) == ("method", "paymentMethod")
    assert field(Order.method).output_name == "paymentMethod"


def test_record_reads_its_attributes_without_python_code() -> None:
    assert type(vars(Order)["amount"]) is MemberDescriptorType


def test_methods_of_the_class_are_themselves() -> None:
    assert callable(Order.loads)
    assert not isinstance(Order.dumps, FieldDescriptor)
