"""A stream processor inside an ASGI application, here of Starlette; with FastAPI it looks the same.

Run it by `python embed_starlette.py`.  It ends by itself.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.request import urlopen

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

import faust

listening = socket.create_server(("127.0.0.1", 0))
url = f"http://127.0.0.1:{listening.getsockname()[1]}"

# Where other workers find the mount below: they ask each other through it.
app = faust.App("greeter-app", broker="kafka://localhost", canonical_url=f"{url}/faust")
visits = app.Table("visits", key_type=str, value_type=int, default=int)


@app.agent(value_type=str)
async def count_visit(names: faust.Stream[str]):
    async for name in names:
        visits[name] += 1
        yield visits[name]


async def greet(request: Request) -> JSONResponse:
    name = request.path_params["name"]
    await count_visit.ask(name, key=name.encode(), timeout=30.0)
    number = await visits.query(name)
    again = {1: "welcome", 2: f"welcome back, {name}, for the 2nd time"}
    return JSONResponse(again.get(number, f"welcome back, {name}"))


@asynccontextmanager
async def lifespan(_web: Starlette) -> AsyncIterator[None]:
    async with app:
        yield


web = Starlette(routes=[Route("/greet/{name}", greet), Mount("/faust", app.asgi())], lifespan=lifespan)


def get(path: str) -> None:
    with urlopen(url + path) as answer:
        print(f"GET {path}: {answer.read().decode()}")


async def main() -> None:
    server = uvicorn.Server(uvicorn.Config(web, log_level="warning"))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.05)
    for path in ("/greet/ada", "/greet/ada", "/faust/table/visits/ada"):
        await asyncio.to_thread(get, path)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    asyncio.run(main())
