"""How to prove to the broker who we are."""

from faust_core.credentials import GSSAPICredentials, OAuthCredentials, SASLCredentials, SSLCredentials
from faust_core.protocols.transport import Credentials

__all__ = ["Credentials", "GSSAPICredentials", "OAuthCredentials", "SASLCredentials", "SSLCredentials"]
