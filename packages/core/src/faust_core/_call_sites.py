"""Whether a caller throws the result of an `await` away.

`await topic.send(…)` as a statement drops what it returns, so nobody can ever ask where that record came to stand,
and no delivery report, which costs a good part of what sending costs, need be asked for.  Python says so in the
instruction behind the `await`.  Wherever this is not plain (another interpreter, a wrapper, a task), the answer is no.
"""

from __future__ import annotations

import dis
import sys
from types import CodeType, FrameType

__all__ = ["LastSite", "result_is_discarded"]

#: By the identity of a code object: the object itself, which keeps that identity, and where it drops a result.
_known: dict[int, tuple[CodeType, frozenset[int]]] = {}
MAX_KNOWN = 10_000


class LastSite:
    """Where a result was dropped last: mostly the next one is dropped there, too, and two comparisons tell.

    Attributes:
        code, at: the function, and the offset in it.
    """

    __slots__ = ("at", "code")

    def __init__(self) -> None:
        self.code: CodeType | None = None
        self.at = -1

    def drops(self, frame: FrameType) -> bool:
        """Whether `frame`, which awaits the coroutine that asks, drops what that returns."""
        if not result_is_discarded(frame):
            return False
        self.code = frame.f_code
        self.at = frame.f_lasti
        return True


def result_is_discarded(frame: FrameType | None = None) -> bool:
    """Whether `frame` drops the result of the coroutine that it awaits; without one, whoever awaits the caller."""
    frame = frame or sys._getframe(2)  # noqa: SLF001  there is no public way that is as fast
    code = frame.f_code
    known = _known.get(id(code))
    if known is None:
        if len(_known) >= MAX_KNOWN:
            _known.clear()
        known = _known[id(code)] = (code, _dropping(code))
    return frame.f_lasti in known[1]


def _dropping(code: CodeType) -> frozenset[int]:
    """Return the offsets of the instructions at which `code` awaits something whose result it pops at once."""
    instructions = [i for i in dis.get_instructions(code) if i.opname != "CACHE"]
    at = {instruction.offset: index for index, instruction in enumerate(instructions)}
    found: set[int] = set()
    for instruction in instructions:
        if instruction.opname != "SEND" or instruction.argval not in at:
            continue
        behind = at[instruction.argval]
        if instructions[behind].opname == "END_SEND":  # Python 3.12 and later
            behind += 1
        if instructions[behind].opname == "POP_TOP":
            # Python 3.12 stands at the instruction's cache while the coroutine runs.
            found.update((instruction.offset, instruction.offset + 2))
    return frozenset(found)
