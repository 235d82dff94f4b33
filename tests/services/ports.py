"""Ports for services that stop and start again."""

import random
import socket
import time
from collections.abc import Callable

# Below the range that the kernel takes outgoing ports from (32768 and up on Linux, 49152 elsewhere).  In that
# range a client that retries while the service is down may be given the service's port, or connect to itself.
_PORTS = range(20_000, 32_000)


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on now."""
    for port in random.sample(_PORTS, 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no free port between {_PORTS.start} and {_PORTS.stop}")


def wait_until_ready(ready: Callable[[], bool], *, alive: Callable[[], bool], timeout_s: float) -> bool:
    """Ask `ready` until it says yes, `alive` says no, or the time is up.  Whether it was ready."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and alive():
        try:
            if ready():
                return True
        except OSError:
            pass  # refused or reset: not up yet
        time.sleep(0.1)
    return False
