"""How often an event may count when a worker fails."""

from faust_core.settings import ProcessingGuarantee

__all__ = ["ProcessingGuarantee"]
