"""How large the tests of faults are.

Short by default, as in continuous integration.  With E2E_LONG=1 they are as large and as long as the faults are written
down: `nox -s faults_long`, which takes most of an hour.
"""

from os import environ
from typing import TypeVar

T = TypeVar("T")

LONG = bool(environ.get("E2E_LONG"))


def sized(short: T, long: T) -> T:
    """Return the size for this run."""
    return long if LONG else short
