"""Pages of an application."""

import faust
from faust import web

app = faust.App("pages", broker="memory://")
table = app.Table("t", key_type=str, value_type=int)
kept = web.Cache(timeout=5.0)


class Vote(faust.Record):
    name: str


@app.page("/{name}/")
class Page(web.View):
    @kept.view()
    async def get(self, request: web.Request, name: str) -> web.Response:
        reveal_type(request.query["a"])  # is: str
        reveal_type(await request.read())  # is: bytes
        reveal_type(self.json({name: 1}))  # is: Response
        raise self.NotFound("nothing")

    @web.takes_model(Vote)
    async def post(self, request: web.Request, vote: Vote, name: str) -> web.Response:
        return self.text(self.path_for("page", name=vote.name), status=201)


@app.page("/other/{name}/")
@app.table_route(table, match_info="name")
async def other(self: web.View, request: web.Request, name: str) -> web.Response:
    return self.error(404, name)


async def cached() -> None:
    reveal_type(await app.cache.get("a"))  # is: bytes | None
    await app.cache.set("a", "text")  # error: arg-type
    reveal_type(app.router.key_store("t", "k"))  # is: str
