"""The open loop: arrivals that do not depend on answers, latencies that count from when a request was due."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise, repeat
from random import Random

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from loadtest.bench.open_loop import arrivals, percentile, play
from loadtest.harness.wire import Message

MESSAGE = Message("POST", "/", "token", body=b"{}")


@asynccontextmanager
async def answering(statuses: Iterator[int]) -> AsyncIterator[str]:
    """A server that answers with these, and closes the connection without an answer where it is 0."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        status = next(statuses)
        if not status:
            assert request.transport is not None
            request.transport.close()
        return web.Response(status=status or 500, text="{}")

    app = web.Application()
    app.router.add_post("/", answer)
    async with TestServer(app) as server:
        yield f"http://127.0.0.1:{server.port}"


def test_arrivals_come_at_the_rate_but_not_like_clockwork():
    due = arrivals(1000, 10, Random(1))
    assert due == sorted(due)
    assert len(due) == 10_000
    assert 9.5 < due[-1] < 10.5
    gaps = sorted(later - earlier for earlier, later in pairwise(due))
    # Of a Poisson process: half of the gaps are shorter than ln 2 of the mean.
    assert 0.00066 < percentile(gaps, 0.5) < 0.00073


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (0.999, 100), (1, 100), (0, 1)])
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_pass(share, value):
    assert percentile(range(1, 101), share) == value


async def test_a_request_that_finds_no_room_is_late_all_the_same():
    """All are due at once, and only one may be in flight: counted from when it was sent, none would be late."""
    async with answering(repeat(201)) as url:
        observed = await play(url, [0.0] * 200, repeat(MESSAGE), in_flight_max=1)
    assert observed.faults == 0
    assert len(observed.latencies_ms) == 200
    assert observed.latencies_ms[-1] > 500 * observed.seconds


async def test_a_request_that_the_client_itself_sends_late_is_late_all_the_same():
    """Due ten seconds before the beginning, which is as if the client had been stopped for so long."""
    async with answering(repeat(201)) as url:
        observed = await play(url, [-10.0], repeat(MESSAGE), in_flight_max=1)
    assert observed.latencies_ms[0] > 10_000


async def test_what_is_not_a_2xx_is_a_fault_and_has_no_latency():
    async with answering(iter([201, 503, 200])) as url:
        observed = await play(url, [0.0, 0.0, 0.0], repeat(MESSAGE), in_flight_max=1)
    assert (len(observed.latencies_ms), observed.faults) == (2, 1)


async def test_a_connection_that_is_closed_takes_its_request_with_it_and_no_other():
    async with answering(iter([0, 201, 201])) as url:
        observed = await play(url, [0.0, 0.001, 0.002], repeat(MESSAGE), in_flight_max=2)
    assert (len(observed.latencies_ms), observed.faults) == (2, 1)
