"""Joins are methods here: `stream.join(other, …)`; the strategies of the original cannot be imported."""

from faust._missing import pointing

__all__: list[str] = []

__getattr__ = pointing(
    "faust.joins",
    {
        "Join": "use stream.join(other, …)",
        "InnerJoin": "use stream.inner_join(other, …)",
        "LeftJoin": "use stream.left_join(other, …)",
        "RightJoin": "use other.left_join(stream, …)",
        "OuterJoin": "use stream.outer_join(other, …)",
    },
)
