"""Makes the parts."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from faust_core.errors import ConfigError
from faust_core.protocols.transport import GroupProtocol, TransactionalProducer, TransportContext
from file_broker.admin import FileAdmin
from file_broker.broker_file import BrokerFile
from file_broker.consumer import FileConsumer
from file_broker.membership import FileMembership
from file_broker.producer import FileProducer

__all__ = ["FileTransport", "create"]


def create(url: str, context: TransportContext, /) -> FileTransport:
    """Make the transport for `filebroker:///path/to/file`: what the entry point names.

    Raises:
        ConfigError: the URL is wrong.
    """
    parts = urlsplit(url)
    if parts.netloc or not parts.path.strip("/") or parts.query:
        raise ConfigError(f"{url}: a file broker's URL is filebroker:/// and the absolute path of a file")
    return FileTransport(url, Path(unquote(parts.path)), context)


class FileTransport:
    """A `faust_core.protocols.transport.Transport`, whose docstrings say what each method promises."""

    def __init__(self, url: str, path: Path, context: TransportContext) -> None:
        self.url = url
        self._file = BrokerFile(path)
        self._context = context
        self._producers: list[FileProducer] = []
        self._memberships: list[FileMembership] = []

    async def check(self) -> None:
        await self._file.run(lambda connection: connection.execute("SELECT count(*) FROM topics").fetchone())

    def admin(self) -> FileAdmin:
        return FileAdmin(self._file)

    def consumer(self, *, name: str) -> FileConsumer:
        return FileConsumer(self._file, name)

    def producer(self, *, reports: bool = False) -> FileProducer:
        producer = FileProducer(self._file, self._context)
        self._producers.append(producer)
        return producer

    def transactional_producer(self, transactional_id: str, /) -> TransactionalProducer:
        raise ConfigError("the file broker has no transactions: use processing_guarantee='at_least_once'")

    def membership(self, group_id: str, protocol: GroupProtocol, /) -> FileMembership:
        membership = FileMembership(self._file, self._context, group_id, protocol)
        self._memberships.append(membership)
        return membership

    async def aclose(self) -> None:
        for membership in self._memberships:
            await membership.leave()
        for producer in self._producers:
            await producer.aclose()
        self._file.close()

    def kill(self) -> None:
        """Stop without a word, as a process that dies: for tests."""
        for membership in self._memberships:
            membership.kill()
