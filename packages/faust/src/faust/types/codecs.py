"""Codecs."""

from faust_core.protocols.codec import Codec as CodecT
from faust_core.schema import CodecArg

__all__ = ["CodecArg", "CodecT"]
