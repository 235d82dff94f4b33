"""Records: a class body of annotations makes a typed constructor."""

from typing import reveal_type

from faust_models import Record


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
reveal_type(order == Order("b"))  # is: bool
reveal_type(sorted([order]))  # is: list[Order]

Order()  # error: call-arg
Order(account=1)  # error: arg-type
Order(account="a", colour="red")  # error: call-arg
order.colour  # error: attr-defined
