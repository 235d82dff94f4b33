"""A stream processor inside an asyncio program that does something else too: here a TCP server.

Run it by `python embed_asyncio.py`.  It ends by itself.
"""

import asyncio

import faust

app = faust.App("embedded-app", broker="kafka://localhost")
visits_by_name = app.Table("visits-by-name", default=int, key_type=str, value_type=int)


@app.agent(value_type=str)
async def count_visit(names: faust.Stream[str]):
    async for name in names:
        visits_by_name[name] += 1
        yield visits_by_name[name]


async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read a name, let the agent count it, and answer."""
    name = (await reader.readline()).decode().strip()
    visits = await count_visit.ask(name, key=name.encode(), timeout=30.0)
    writer.write(f"welcome {name}, this is visit number {visits}\n".encode())
    await writer.drain()
    writer.close()


async def visit(port: int, name: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{name}\n".encode())
    answer = (await reader.readline()).decode().strip()
    writer.close()
    return answer


async def main() -> None:
    # Both run in this event loop; the application stops, and commits, when the block is left.
    async with app, await asyncio.start_server(welcome, "127.0.0.1", 0) as server:
        port: int = server.sockets[0].getsockname()[1]
        for name in ("ada", "bob", "ada"):
            print(await visit(port, name))


if __name__ == "__main__":
    asyncio.run(main())
