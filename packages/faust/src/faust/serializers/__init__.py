"""Codecs."""

from faust_core.protocols.codec import Codec

__all__ = ["Codec"]
