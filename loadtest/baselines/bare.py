"""The limit of the stack: aiohttp on uvloop, a handler that reads the body and answers a constant.

No service on this stack can be faster; how near one comes says what its own work costs.
"""

import argparse
from typing import Final

import uvloop
from aiohttp import web

ANSWER: Final = (
    b'{"id":"0197a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b","seller_id":"0197a1b2-c3d4-7000-8000-000000000001",'
    b'"phone_number":"+989120000001","amount":"1.00","currency":"USD","status":"completed"}'
)


async def sell(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(status=201, body=ANSWER, content_type="application/json")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtest.baselines.bare", description=__doc__)
    parser.add_argument("--port", type=int, default=8081)
    port = parser.parse_args().port
    app = web.Application()
    app.router.add_post("/v1/charges", sell)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None, loop=uvloop.new_event_loop())


if __name__ == "__main__":
    main()
