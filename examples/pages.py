"""Web pages of an application: a function, a class, answers that are kept, and a page that runs where its key is.

Run it by `python pages.py`.  It ends by itself.
"""

import asyncio
import json
from typing import Any
from urllib.request import Request, urlopen

import faust
from faust import web


class Vote(faust.Record):
    name: str
    points: int = 1


# A worker, `faust -A pages worker`, serves HTTP by itself; inside another program it is told to.
app = faust.App("pages-app", broker="kafka://localhost", web_enabled=True, web_port=0)
votes_topic = app.topic("votes", key_type=str, value_type=Vote)
points = app.Table("points-of-pages", key_type=str, value_type=int, default=int)


@app.agent(votes_topic)
async def count(votes: faust.Stream[Vote]) -> None:
    async for vote in votes.group_by(Vote.name):
        points[vote.name] += vote.points


@app.page("/hello/{name}/")
async def hello(self: web.View, request: web.Request, name: str) -> web.Response:
    return self.json({"hello": name, "loud": request.query.get("loud") == "yes"})


@app.page("/votes/", name="votes")
class Votes(web.View):
    """POST a vote."""

    @web.takes_model(Vote)
    async def post(self, request: web.Request, vote: Vote) -> web.Response:
        if vote.points > 10:
            raise self.ValidationError("nobody has more than 10 points to give")
        await votes_topic.send(key=vote.name, value=vote)
        return self.json(vote, status=201)


# Whichever worker is asked: the one that has the key answers.
@app.page("/points/{name}/")
@app.table_route(points, match_info="name")
async def points_of(self: web.View, request: web.Request, name: str) -> web.Response:
    return self.json({"name": name, "points": await points.query(name)})


reports = web.Blueprint("reports")
kept = reports.cache(timeout=60.0)


@reports.route("/best/", name="best")
class Best(web.View):
    @kept.view()
    async def get(self, request: web.Request) -> web.Response:
        print("the report is made")
        found = [item async for item in points.query_items()]
        return self.json(dict(sorted(found, key=lambda item: -item[1])))


app.web.blueprints.add("/reports/", reports)


def ask(path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(f"{app.url}{path}", data)) as answer:
        return json.load(answer)


async def main() -> None:
    async with app:
        print(await asyncio.to_thread(ask, "/hello/ada/?loud=yes"))
        for name, number in (("ada", 3), ("bob", 2), ("ada", 4)):
            await asyncio.to_thread(ask, app.web.url_for("votes"), {"name": name, "points": number})
        while await points.query("ada") != 7 or await points.query("bob") != 2:
            await asyncio.sleep(0.1)  # they are counted soon
        print(await asyncio.to_thread(ask, "/points/ada/"))
        for _ in range(2):
            print(await asyncio.to_thread(ask, "/reports/best/"))


if __name__ == "__main__":
    asyncio.run(main())
