"""Joins are methods of streams and tables; there are no strategies."""

from faust._missing import pointing

__all__: list[str] = []

__getattr__ = pointing("faust.types.joins", {"JoinT": "use stream.join(other, …)"})
