"""What runs without a broker or a disk: the `memory://` transport and store."""

from faust_core.memory.broker import Broker
from faust_core.memory.faults import Faults
from faust_core.memory.transport import MemoryTransport

__all__ = ["Broker", "Faults", "MemoryTransport"]
