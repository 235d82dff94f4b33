"""A transport for Faust by a third party: a broker for the processes of one machine, in an SQLite file."""

from file_broker.transport import FileTransport, create

__all__ = ["FileTransport", "create"]
