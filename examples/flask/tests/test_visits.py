"""The Flask application sees what the worker has counted."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import redis

PROGRAM = Path(__file__).parents[1] / "visits.py"


@pytest.fixture
def program(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    name = f"visits_{uuid.uuid4().hex}"
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("BROKER_URL", f"memory://{name}")
    spec = importlib.util.spec_from_file_location(name, PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[name]
    with redis.Redis.from_url(redis_url) as client:
        for key in client.scan_iter("faust:*visits*"):
            client.delete(key)


async def work(program: ModuleType) -> None:
    """Let the worker count seven visits."""
    async with program.app:
        for page in ["home", "home", "shop", "Köln", "home", "a/b", 'say "hi"']:
            await program.visits.send(key=page, value="somebody")
        async with asyncio.timeout(10):
            while sum(program.pages.values()) < 7:
                await asyncio.sleep(0.01)
        await program.app.commit()


@pytest.mark.redis
def test_flask_reads_what_the_worker_has_counted(program: ModuleType) -> None:
    asyncio.run(work(program))
    client = program.web.test_client()
    assert client.get("/visits/home").json == {"page": "home", "visits": 3}
    assert client.get("/visits/shop").json == {"page": "shop", "visits": 1}
    assert client.get("/visits/K%C3%B6ln").json == {"page": "Köln", "visits": 1}
    assert client.get("/visits/nowhere").json == {"page": "nowhere", "visits": 0}
    assert client.get("/visits/say%20%22hi%22").json == {"page": 'say "hi"', "visits": 1}
