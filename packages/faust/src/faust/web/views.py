"""Pages as classes."""

from faust_web.views import View, gives_model, takes_model

__all__ = ["View", "gives_model", "takes_model"]
