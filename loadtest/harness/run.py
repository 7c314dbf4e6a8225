"""The run: prepare, load, inspect, report. What it may touch on a service is what it made there itself."""

import asyncio
import contextlib
import gc
import secrets
import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from loadtest.cast import Admin, Seller, admin_of
from loadtest.checker import Findings
from loadtest.client import Client, new_session
from loadtest.harness import display, page
from loadtest.harness.customers import Customers
from loadtest.harness.driver import Driver
from loadtest.harness.figures import PERCENTS, Figures, figures_of, is_client_late
from loadtest.harness.inspection import inspect
from loadtest.harness.options import REQUESTS_MAX, Wishes
from loadtest.harness.preparation import prepare, suspend
from loadtest.harness.stops import Stops
from loadtest.harness.wire import Wire
from loadtest.history import History
from loadtest.money import to_text
from loadtest.service_process import ServiceProcess

INTERRUPTED: Final = 130
VIOLATIONS_SHOWN_MAX: Final = 20


async def run(wishes: Wishes, console: Console) -> int:
    """The exit status. Raises what the client, the audit and the service process raise."""
    name = f"load-{secrets.token_hex(3)}"
    async with contextlib.AsyncExitStack() as stack:
        url, password = wishes.url, wishes.password or secrets.token_urlsafe(16)
        if url is None:
            url = await stack.enter_async_context(_own_service(password, console))
        for line in promise(wishes, url, name):
            console.print(line, highlight=False, markup=False)
        session = await stack.enter_async_context(new_session())
        history = History()
        client = Client(session, url, history)
        admin = await admin_of(client, wishes.admin_username, password)
        stops = stack.enter_context(Stops(console))
        sellers = await _prepare(wishes, console, client, admin, name)
        began = datetime.now(UTC)
        driver = await _load(wishes, console, stops, url, history, Customers(name, admin, sellers))
        findings = await _inspect(wishes, console, stops, client, admin, sellers, history)
        if wishes.is_suspended_after:
            await suspend(client, admin, sellers)
            console.print(f"suspended {len(sellers):,} sellers")
    figures = figures_of(driver.measurements)
    told = page.Told(wishes=wishes, url=url, run=name, began=began, is_whole=not stops.count, figures=figures)
    wishes.report.write_text(page.page(told, driver.measurements, findings), encoding="utf-8")
    return _verdict(console, wishes, stops, figures, findings)


def promise(wishes: Wishes, url: str, name: str) -> list[str]:
    """What it will do, before it does it."""
    load = wishes.load
    pace = f"{load.rate:g} requests/s, {load.arrivals}" if load.rate else f"{wishes.in_flight_max} requests in flight"
    suspended = ", suspended at the end" if wishes.is_suspended_after else ""
    return [
        f"service    {url}" + ("" if wishes.url else " (started for this, and stopped after it)"),
        f"sellers    {load.sellers:,} new ones, {name}-0 and on, with {to_text(wishes.credit, 'USD')} each{suspended};"
        " no other is touched",
        f"load       {pace}, for {load.duration_s:g} s; skew {load.skew:g}, seed {load.seed}",
        f"mix        {load.mix}; {load.keys_share:.0%} of charges with a key",
    ]


@contextlib.asynccontextmanager
async def _own_service(password: str, console: Console) -> AsyncIterator[str]:
    """Its address. Its data is kept nowhere."""
    with tempfile.TemporaryDirectory(prefix="charge-shop-loadtest-") as folder:
        service = ServiceProcess(Path(folder), password)
        try:
            with console.status("starting a service"):
                await service.start()
            yield service.url
        finally:
            await service.stop()


async def _prepare(wishes: Wishes, console: Console, client: Client, admin: Admin, name: str) -> list[Seller]:
    with _progress(console) as progress:
        task = progress.add_task("making sellers", total=wishes.load.sellers)
        return await prepare(
            client,
            admin,
            name,
            sellers=wishes.load.sellers,
            credit=wishes.credit,
            on_seller=lambda: progress.advance(task),
        )


async def _load(
    wishes: Wishes, console: Console, stops: Stops, url: str, history: History, customers: Customers
) -> Driver:
    wire = Wire(url, timeout_s=wishes.timeout_s)
    driver = Driver(
        wishes.load, customers, wire, history, in_flight_max=wishes.in_flight_max, requests_max=REQUESTS_MAX
    )
    stops.during_load(driver)
    gc.collect()
    gc.freeze()  # What is there by now stays: the collector need not look at it while others wait for us.
    shown = asyncio.create_task(display.show(console, driver, wishes.load.duration_s))
    try:
        await driver.run()
    finally:
        shown.cancel()
        await asyncio.gather(shown, return_exceptions=True)
        await wire.close()
    return driver


async def _inspect(
    wishes: Wishes,
    console: Console,
    stops: Stops,
    client: Client,
    admin: Admin,
    sellers: list[Seller],
    history: History,
) -> Findings | None:
    """None if it was stopped."""
    if stops.count > 1:
        return None
    with _progress(console) as progress:
        task = progress.add_task("reading and checking the journal, entries", total=None)
        inspecting = asyncio.create_task(
            inspect(
                client,
                admin,
                sellers,
                history,
                is_whole_journal=wishes.url is None,
                on_entries=lambda entries: progress.advance(task, entries),
            )
        )
        stops.during_inspection(inspecting)
        try:
            return await inspecting
        except asyncio.CancelledError:
            return None


def _verdict(console: Console, wishes: Wishes, stops: Stops, figures: Figures, findings: Findings | None) -> int:
    latency = ", ".join(
        f"p{percent:g} {value:,.1f} ms" for percent, value in zip(PERCENTS, figures.latency.percentiles, strict=True)
    )
    console.print(f"{figures.answered_per_s:,.0f} answers/s; {latency}", highlight=False)
    if figures.not_sent:
        console.print(f"[yellow]{figures.not_sent:,} requests were not sent in time: too many were in flight")
    if is_client_late(figures):
        console.print(f"[yellow]the client was late {figures.late_share:.0%} of the time: it may be the limit itself")
    console.print(f"report: {wishes.report}", highlight=False, markup=False)
    if findings is None:
        console.print("[yellow]not checked")
        return INTERRUPTED
    for violation in findings.violations[:VIOLATIONS_SHOWN_MAX]:
        console.print(str(violation), style="red", markup=False)
    if findings.violations:
        console.print(f"[bold red]{len(findings.violations):,} violations were found")
        return 1
    console.print(f"[bold green]no violation in {figures.sent:,} requests and {findings.looked_at[1]:,} entries")
    return INTERRUPTED if stops.count else 0


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )
