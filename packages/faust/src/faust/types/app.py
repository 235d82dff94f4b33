"""Applications."""

from faust_core.app import App as AppT
from faust_core.boot import BootStrategy as BootStrategyT

__all__ = ["AppT", "BootStrategyT"]
