"""Decoding the values of a claim, one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from faust_core.claims import Claim
from faust_core.errors import DecodeError

__all__ = ["decoded", "decoded_checked", "tried_again"]


def decoded(claim: Claim) -> Iterator[Any]:
    """Return an iterator over the decoded values of a claim, from its index on; decodes one at a time.

    It survives an error: after one, the next item follows.
    """
    raw = claim.raw = list(claim.batch.values[claim.index : claim.stop])
    if None in raw:
        return decoded_checked(claim)
    return map(claim.topic.raw_decode, cast("Sequence[bytes]", raw))


def tried_again(claim: Claim) -> tuple[Any, Exception | None]:
    """Decode the item in hand the codec's slower way, whose verdict counts; return the value or the error."""
    try:
        return claim.topic.decode_value(claim.value_bytes, claim), None
    except DecodeError as exc:
        return None, exc


def decoded_checked(claim: Claim) -> Iterator[Any]:
    """Like `decoded`, with every error a `ValueDecodeError`."""
    topic = claim.topic
    claim.raw = list(claim.batch.values[claim.index : claim.stop])
    # Not a generator: that would end with its first error.
    return map(lambda data: topic.decode_value(data, claim), claim.raw)  # noqa: C417
