"""What `Order.account_id` is: the field itself, to be handed to `group_by` and its like."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Generic, TypeVar

import msgspec

__all__ = ["FieldDescriptor"]

T_co = TypeVar("T_co", covariant=True)


class FieldDescriptor(Generic[T_co]):
    """One field of a record class; of a record inside it by a further dot: ``Order.customer.name``.

    It can be called on a record and then returns the field's value.  Safe in any thread.

    Attributes:
        field: the field's name, ``name``.
        ident: its full name, ``Order.customer.name``.
        model: the class that `ident` starts with.
        getattr: returns the field's value of a record.
    """

    __slots__ = ("_owner", "_path", "field", "getattr", "ident", "model")

    def __init__(self, field: str, model: type[Any], *, parent: FieldDescriptor[Any] | None = None) -> None:
        self.field: str = field
        self.model: type[Any] = model if parent is None else parent.model
        self.ident: str = f"{model.__name__ if parent is None else parent.ident}.{field}"
        self._owner = model
        self._path: str = field if parent is None else f"{parent._path}.{field}"  # noqa: SLF001 - its own kind
        self.getattr: Callable[[Any], T_co] = attrgetter(self._path)

    def __call__(self, record: Any, /) -> T_co:
        return self.getattr(record)

    def __repr__(self) -> str:
        return f"<FieldDescriptor: {self.ident}>"

    @property
    def type(self) -> Any:
        """The declared type.

        Raises:
            NameError: the annotation names something that does not exist.
        """
        return self._info.type

    @property
    def required(self) -> bool:
        return self._info.required

    @property
    def default(self) -> Any:
        """What the field holds where none is given; None for a required one."""
        info = self._info
        if info.default_factory is not msgspec.NODEFAULT:
            return info.default_factory()
        return None if info.default is msgspec.NODEFAULT else info.default

    @property
    def input_name(self) -> str:
        """The key on the wire."""
        return self._info.encode_name

    output_name = input_name

    @property
    def _info(self) -> msgspec.structs.FieldInfo:
        return next(info for info in msgspec.structs.fields(self._owner) if info.name == self.field)

    def __getattr__(self, name: str) -> FieldDescriptor[Any]:
        if not name.startswith("_"):
            for candidate in (self.type, *getattr(self.type, "__args__", ())):
                if name in getattr(candidate, "__struct_fields__", ()):
                    return FieldDescriptor(name, candidate, parent=self)
        raise AttributeError(f"{self.ident} has no field {name!r}", name=name, obj=self)
