"""Windows."""

from faust_core.windows import Window as WindowT
from faust_core.windows import WindowRange

__all__ = ["WindowRange", "WindowT"]
