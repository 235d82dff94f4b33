"""The proxy breaks connections in the ways it says."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from tests.services.factories import MakeProxy
from tests.services.patience import PATIENCE
from tests.services.proxy import TcpProxy

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def proxy(tcp_proxy: MakeProxy) -> AsyncIterator[TcpProxy]:
    """A proxy in front of a server that sends every line back."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(line)
        except ConnectionError:
            pass
        finally:
            writer.close()

    proxy = tcp_proxy()
    server = await asyncio.start_server(echo, "127.0.0.1", 0, limit=64 * 1024 * 1024)
    proxy.target = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield proxy
    proxy.close()
    server.close()


async def connect(proxy: TcpProxy) -> Connection:
    return await asyncio.open_connection("127.0.0.1", proxy.port, limit=64 * 1024 * 1024)


async def ask(connection: Connection, line: bytes = b"ping\n") -> bytes:
    reader, writer = connection
    writer.write(line)
    return await reader.readline()


async def test_everything_is_passed_on_in_order(proxy: TcpProxy) -> None:
    connection = await connect(proxy)
    line = bytes(range(11, 256)) * 50_000 + b"\n"
    assert await ask(connection, line) == line
    assert proxy.connections == 1
    connection[1].close()


async def test_the_end_of_one_side_reaches_the_other(proxy: TcpProxy) -> None:
    reader, writer = await connect(proxy)
    writer.write(b"last words\n")
    writer.write_eof()
    assert await reader.read() == b"last words\n"
    writer.close()


async def test_a_cut_resets_connections_and_refuses_new_ones_until_healed(proxy: TcpProxy) -> None:
    connection = await connect(proxy)
    await ask(connection)
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        await connection[0].readexactly(1)
    with pytest.raises(ConnectionRefusedError):
        await connect(proxy)
    proxy.heal()
    again = await connect(proxy)
    assert await ask(again) == b"ping\n"
    again[1].close()


async def test_dropped_connections_can_be_made_again_at_once(proxy: TcpProxy) -> None:
    connection = await connect(proxy)
    await ask(connection)
    proxy.drop_connections()
    with pytest.raises(ConnectionResetError):
        await connection[0].readexactly(1)
    again = await connect(proxy)
    assert await ask(again) == b"ping\n"
    again[1].close()


async def test_a_black_hole_delivers_nothing_before_it_is_healed_and_everything_after(proxy: TcpProxy) -> None:
    connection = await connect(proxy)
    await ask(connection)
    proxy.black_hole()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ask(connection), 0.3)
    newcomer = await connect(proxy)
    newcomer[1].write(b"hello\n")
    proxy.heal()
    assert await connection[0].readline() == b"ping\n"
    assert await newcomer[0].readline() == b"hello\n"
    connection[1].close()
    newcomer[1].close()


async def test_a_delay_holds_both_directions_and_does_not_add_up(proxy: TcpProxy) -> None:
    connection = await connect(proxy)
    await ask(connection)
    proxy.delay(0.2)
    started = time.monotonic()
    for number in range(5):
        connection[1].write(b"%d\n" % number)
        await asyncio.sleep(0.01)
    for number in range(5):
        assert await connection[0].readline() == b"%d\n" % number
    assert 0.4 <= time.monotonic() - started < 0.8 * PATIENCE
    connection[1].close()


async def test_without_a_target_connections_end_at_once(tcp_proxy: MakeProxy) -> None:
    async def connect_and_read() -> None:
        reader, _ = await connect(tcp_proxy())
        await reader.readexactly(1)

    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await connect_and_read()
