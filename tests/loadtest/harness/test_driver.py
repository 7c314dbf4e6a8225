"""The driver sends when a request is due, and charges the service with every moment after that."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from loadtest.cast import Admin, Seller
from loadtest.harness.customers import Customers
from loadtest.harness.driver import Driver
from loadtest.harness.mix import mix_of
from loadtest.harness.schedule import Load
from loadtest.harness.wire import Wire
from loadtest.history import History, Outcome

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SOLD = {"id": "a-charge", "status": "completed"}


@pytest.fixture
def driving(aiohttp_server):
    """Gives a driver before a service that is one handler."""

    @asynccontextmanager
    async def drive(
        handler: Handler,
        *,
        rate: float | None,
        duration_s: float = 0.5,
        in_flight_max: int = 500,
        timeout_s: float = 10,
    ) -> AsyncIterator[tuple[Driver, History]]:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", handler)
        server = await aiohttp_server(application)
        load = Load(seed=1, sellers=1, rate=rate, duration_s=duration_s, arrivals="constant", mix=mix_of("charge=1"))
        history, wire = History(), Wire(str(server.make_url("/")), timeout_s=timeout_s)
        customers = Customers("run", Admin("admin", "token"), [Seller("seller", "USD", "token")])
        try:
            yield Driver(load, customers, wire, history, in_flight_max=in_flight_max, requests_max=10**6), history
        finally:
            await wire.close()

    return drive


async def sell(_: web.Request) -> web.Response:
    return web.json_response(SOLD, status=201)


async def test_everything_that_is_due_is_sent_and_answered(driving):
    async with driving(sell, rate=200) as (driver, history):
        await driver.run()
    assert driver.measurements.sent == len(history.events) == 99
    assert driver.measurements.counts == {Outcome.DONE: 99}
    assert driver.in_flight == 0


async def test_latency_counts_from_when_a_request_was_due_and_not_from_when_it_was_sent(driving):
    """The client stands still in the middle: those that were due meanwhile are sent late, and their lateness counts."""
    stall_s = 0.3

    async def stall_once(request: web.Request) -> web.Response:
        if request.headers["Idempotency-Key"] == "run-20":
            # Client and server share this loop: while it is blocked, neither can do anything.
            _block(stall_s)
        return await sell(request)

    async with driving(stall_once, rate=200) as (driver, _):
        await driver.run()
    samples = driver.measurements.samples
    # Of those that were due while nothing moved, each waited for the rest of it.
    waited = [sample for sample in samples if sample.latency_ms > 50]
    assert len(waited) > 0.8 * 200 * (stall_s - 0.05)
    sent_late = [sample for sample in waited if (sample.answered_ns - sample.sent_ns) / 1e6 < sample.latency_ms - 40]
    assert len(sent_late) > 0.5 * len(waited)
    assert driver.measurements.late_ns > 0.8 * stall_s * 1e9


def _block(seconds: float) -> None:
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        pass


async def test_a_slow_service_does_not_slow_the_schedule_down(driving):
    """Nothing is answered before all of it was sent: a closed loop would have waited for the first."""
    everything = asyncio.Event()
    waiting = 0

    async def wait_for_all(request: web.Request) -> web.Response:
        nonlocal waiting
        waiting += 1
        if waiting == 99:
            everything.set()
        await everything.wait()
        return await sell(request)

    async with driving(wait_for_all, rate=200) as (driver, _):
        await asyncio.wait_for(driver.run(), 20)
    latencies = [sample.latency_ms for sample in sorted(driver.measurements.samples, key=lambda each: each.due_ns)]
    assert len(latencies) == 99
    assert latencies[0] > 450


async def test_what_finds_no_room_is_counted_as_not_sent(driving):
    release = asyncio.Event()

    async def hold(request: web.Request) -> web.Response:
        await release.wait()
        return await sell(request)

    async with driving(hold, rate=200, in_flight_max=10) as (driver, history):
        running = asyncio.create_task(driver.run())
        try:
            async with asyncio.timeout(20):
                while len(driver.measurements.not_sent_ns) < 89:
                    await asyncio.sleep(0.01)
            assert driver.in_flight == 10
        finally:
            release.set()
            await running
    assert (driver.measurements.sent, len(driver.measurements.not_sent_ns)) == (10, 89)
    assert len(history.events) == 10


async def test_a_closed_loop_keeps_as_many_in_flight_as_it_was_told(driving):
    in_flight, most = 0, 0

    async def count(request: web.Request) -> web.Response:
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        await asyncio.sleep(0)
        in_flight -= 1
        return await sell(request)

    async with driving(count, rate=None, in_flight_max=7) as (driver, _):
        await driver.run()
    assert most <= 7
    assert driver.measurements.sent > 50
    assert driver.in_flight == 0


async def test_what_is_not_answered_in_time_has_no_answer(driving):
    never = asyncio.Event()

    async def sleep(request: web.Request) -> web.Response:
        await never.wait()
        return await sell(request)

    async with driving(sleep, rate=20, timeout_s=0.2) as (driver, history):
        try:
            await asyncio.wait_for(driver.run(), 10)
        finally:
            never.set()
    assert driver.measurements.counts == {Outcome.UNKNOWN: 9}
    assert {event.status for event in history.events} == {None}


async def test_a_broken_connection_is_no_answer_and_the_next_is_asked_on_another(driving):
    broken = 0

    async def break_some(request: web.Request) -> web.Response:
        nonlocal broken
        if request.headers["Idempotency-Key"].endswith("0"):
            broken += 1
            assert request.transport is not None
            request.transport.abort()
        return await sell(request)

    async with driving(break_some, rate=200) as (driver, _):
        await driver.run()
    assert driver.measurements.counts == {Outcome.DONE: 99 - broken, Outcome.UNKNOWN: broken}
    assert broken == 10


async def test_a_service_that_is_not_there_ends_the_load_with_nothing_answered():
    load = Load(seed=1, sellers=1, rate=100, duration_s=0.2, mix=mix_of("charge=1"))
    wire = Wire("http://127.0.0.1:1", timeout_s=5)
    customers = Customers("run", Admin("admin", "token"), [Seller("seller", "USD", "token")])
    driver = Driver(load, customers, wire, History(), in_flight_max=100, requests_max=1000)
    await asyncio.wait_for(driver.run(), 20)
    await wire.close()
    assert set(driver.measurements.counts) == {Outcome.UNKNOWN}


async def test_a_load_that_is_stopped_waits_for_what_is_in_flight(driving):
    release, arrived = asyncio.Event(), asyncio.Event()

    async def hold(request: web.Request) -> web.Response:
        arrived.set()
        await release.wait()
        return await sell(request)

    async with driving(hold, rate=100, duration_s=60) as (driver, _):
        running = asyncio.create_task(driver.run())
        await arrived.wait()
        driver.stop()
        sent = driver.measurements.sent
        release.set()
        await asyncio.wait_for(running, 20)
    assert driver.measurements.counts == {Outcome.DONE: sent}


async def test_a_mistake_of_the_client_ends_the_load_instead_of_hanging_it(driving):
    async with driving(sell, rate=100) as (driver, history):
        history.note = _fail
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(driver.run(), 20)


def _fail(event: object) -> None:
    raise ZeroDivisionError
