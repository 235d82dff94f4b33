"""A store for Faust by a third party: every partition of every table is an SQLite file."""

from sqlite_store.backend import SqliteBackend, create
from sqlite_store.store import SqliteStore

__all__ = ["SqliteBackend", "SqliteStore", "create"]
