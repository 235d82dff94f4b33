"""What goes over the topics of LiveCheck, and the headers of what belongs to a test."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from faust_models import Record

__all__ = ["SignalEvent", "State", "TestExecution", "TestReport", "now"]

HEADER_TEST_ID = "LiveCheck-Test-Id"
HEADER_TEST_NAME = "LiveCheck-Test-Name"
HEADER_TEST_TIMESTAMP = "LiveCheck-Test-Timestamp"
HEADER_TEST_EXPIRES = "LiveCheck-Test-Expires"


class State(Enum):
    """How a test ended, or a case stands."""

    INIT = "INIT"
    PASS = "PASS"  # noqa: S105  a verdict
    FAIL = "FAIL"
    ERROR = "ERROR"
    TIMEOUT = "TIMEOUT"
    STALL = "STALL"
    SKIP = "SKIP"

    def is_ok(self) -> bool:
        return self in {State.INIT, State.PASS, State.SKIP}


class SignalEvent(Record, serializer="json"):
    """A signal was sent."""

    signal_name: str
    case_name: str
    key: Any
    value: Any


class TestExecution(Record, serializer="json", isodates=True):
    """A test to be run, or that is run."""

    __test__ = False

    id: str
    case_name: str
    timestamp: dt.datetime
    test_args: list[Any]
    test_kwargs: dict[str, Any]
    expires: dt.datetime

    @classmethod
    def from_headers(cls, headers: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> TestExecution | None:
        """Return the test that a record or request belongs to; None where it belongs to none, or they are broken."""
        found = {name.lower(): value for name, value in dict(headers).items()}
        try:
            texts = [
                _text(found[name.lower()])
                for name in (HEADER_TEST_ID, HEADER_TEST_NAME, HEADER_TEST_TIMESTAMP, HEADER_TEST_EXPIRES)
            ]
            began, expires = (dt.datetime.fromisoformat(text) for text in texts[2:])
        except (KeyError, ValueError, AttributeError):
            return None
        return cls(id=texts[0], case_name=texts[1], timestamp=began, test_args=[], test_kwargs={}, expires=expires)

    def as_headers(self) -> dict[str, str]:
        """Return the headers of what belongs to this test."""
        return {
            HEADER_TEST_ID: self.id,
            HEADER_TEST_NAME: self.case_name,
            HEADER_TEST_TIMESTAMP: self.timestamp.isoformat(),
            HEADER_TEST_EXPIRES: self.expires.isoformat(),
        }

    @property
    def ident(self) -> str:
        return f"{self.case_name}:{self.id}"

    @property
    def is_expired(self) -> bool:
        return now() >= self.expires


class TestReport(Record, serializer="json"):
    """How a test ended; `test` is None where it is about the whole case."""

    __test__ = False

    case_name: str
    state: str
    test: TestExecution | None = None
    runtime: float | None = None
    signal_latency: dict[str, float] = {}  # noqa: RUF012  a field's default
    error: str | None = None
    traceback: str | None = None


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else value.strip() and value
