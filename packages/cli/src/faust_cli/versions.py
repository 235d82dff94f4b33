"""What is installed here, and in which version."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

__all__ = ["installed", "one_line"]

#: Ours first, then what they stand on.
DISTRIBUTIONS = (
    "faust-stack",
    "faust-core",
    "faust-models",
    "faust-transport-kafka",
    "faust-store-rocksdb",
    "faust-store-redis",
    "faust-schema-registry",
    "faust-cli",
    "faust-web",
    "faust-sensors",
    "confluent-kafka",
    "aiokafka",
    "msgspec",
    "starlette",
    "uvicorn",
    "uvloop",
)


def installed() -> dict[str, str]:
    """Return name and version of each distribution that is installed, then of Python and the system."""
    found = {}
    for name in DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    found["python"] = f"{platform.python_version()} ({platform.python_implementation()})"
    found["system"] = f"{platform.system()} {platform.machine()}"
    return found


def one_line() -> str:
    versions = installed()
    return f"faust {versions.get('faust-stack') or versions['faust-core']} on Python {platform.python_version()}"
