"""There is no LiveCheck here: `faust.testing.TestDriver` runs the whole application in a test."""

from faust._missing import pointing

__all__: list[str] = []

__getattr__ = pointing("faust.livecheck", {}, "faust.testing.TestDriver runs the whole application in a test")
