"""librdkafka's consumer group metadata: plain bytes that fence an outdated member's transaction.

The layout is librdkafka's own: the tag `CGMDv2:`, the generation as a native 32-bit integer, group and member
id each ended by a zero byte, then `\\x01` without an instance id or `\\x00`, the instance id and a zero byte.
It is private, so it is compared with what an idle consumer says of itself before it is relied on.
"""

from __future__ import annotations

import struct
from functools import cache

from confluent_kafka import Consumer

from faust_core.errors import TransportError
from faust_core.protocols.transport import GroupMetadata

__all__ = ["check_layout", "decode", "encode"]

TAG = b"CGMDv2:"
NO_GENERATION = -1


def encode(member: GroupMetadata) -> bytes:
    """Write `member` as `send_offsets_to_transaction` takes it."""
    instance = b"\1" if member.instance_id is None else b"\0" + member.instance_id.encode() + b"\0"
    names = f"{member.group_id}\0{member.member_id}\0".encode()
    return TAG + struct.pack("=i", member.generation) + names + instance


def decode(written: bytes) -> GroupMetadata:
    """Read what `consumer_group_metadata()` of a librdkafka consumer returned.

    Raises:
        TransportError: it is written in another way than `encode` writes.
    """
    if not written.startswith(TAG):
        raise _unknown_layout()
    try:
        (generation,) = struct.unpack_from("=i", written, len(TAG))
        group, member, rest = written[len(TAG) + 4 :].split(b"\0", 2)
        instance = None if rest == b"\1" else rest[1:-1].decode()
        found = GroupMetadata(group.decode(), generation, member.decode(), instance)
    except (ValueError, struct.error) as exc:
        raise _unknown_layout() from exc
    if encode(found) != written:
        raise _unknown_layout()
    return found


@cache
def check_layout() -> None:
    """Compare `encode` with this process's librdkafka.  Costs a few milliseconds, once.

    Raises:
        TransportError: they differ, so that transactions could not be fenced.
    """
    for instance in (None, "instance"):
        settings = {"group.id": "layout", "log_level": 0}
        consumer = Consumer(settings if instance is None else settings | {"group.instance.id": instance})
        try:
            written = consumer.consumer_group_metadata()
        finally:
            consumer.close()
        if written != encode(GroupMetadata("layout", NO_GENERATION, "", instance)):
            raise _unknown_layout()


def _unknown_layout() -> TransportError:
    return TransportError(
        "this version of librdkafka writes consumer group metadata in an unknown way: exactly-once processing "
        "is not safe with it; install a confluent-kafka version that faust-transport-kafka was tested with"
    )
