"""`python -m loadtest.scenario`: plays, checks, prints the tables.

Status 1 on any violation, 2 if it could not be played.
"""

import argparse
import contextlib
import os
import secrets
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import uvloop
from rich.console import Console

from loadtest import audit
from loadtest.checker import Findings, check
from loadtest.client import UnexpectedAnswer, Unreachable, allow_many_connections, new_session
from loadtest.entries import JournalEntry, UnreadableJournal
from loadtest.history import History
from loadtest.scenario import plan, report
from loadtest.scenario.performance import Performance, Wishes
from loadtest.service_process import ServiceFailed, ServiceProcess

PASSWORD = "CHARGE_SHOP_ADMIN_PASSWORD"


def main() -> int:
    options = _options()
    allow_many_connections()
    # Whoever ends us, the service that we started ends too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="charge-shop-scenario-"))
    # Tables in a log are not cut to the width of a terminal that is not there.
    console = Console(width=None if sys.stdout.isatty() else 120)
    status = 2
    try:
        status = uvloop.run(_run(options, folder, console))
    except (Unreachable, UnexpectedAnswer, UnreadableJournal, ServiceFailed) as error:
        console.print(f"{type(error).__name__}: {error}", style="red", markup=False)
    except KeyboardInterrupt:
        console.print("interrupted")
    if status == 0 and not options.keep:
        shutil.rmtree(folder, ignore_errors=True)
    elif any(folder.iterdir()):
        console.print(f"kept: {folder}")
    return status


async def _run(options: argparse.Namespace, folder: Path, console: Console) -> int:
    console.print(f"seed {options.seed}")
    wishes = Wishes(
        seed=options.seed,
        size=plan.Size(options.sellers, options.charges, options.sales_at_once),
        concurrency=options.concurrency,
        kills=options.kill,
        patience_s=options.patience,
    )
    async with contextlib.AsyncExitStack() as stack:
        password = os.environ.get(PASSWORD) or secrets.token_urlsafe(16)
        service = None
        if options.url is None:
            service = ServiceProcess(folder, password)
            stack.push_async_callback(service.stop)
            with console.status("starting a service"):
                await service.start()
            console.print(f"a service of its own at {service.url}")
        url = options.url if service is None else service.url
        session = await stack.enter_async_context(new_session())
        performance = Performance(wishes, session, url, service, console)
        await performance.play_all(options.admin_username, password)
        with console.status("reading the journal"):
            books = await audit.fetch(performance.client, performance.admin, performance.sellers)
        with console.status("checking"):
            events = performance.history.events
            findings = check(events, books.journals, books.closing, is_whole_journal=service is not None)
            checks = await _checks(performance, books, service)
    report.show(console, performance.parts, performance.history.events, findings, checks)
    if service is not None and service.kills:
        slowest_s = max(service.recovery_s)
        console.print(f"killed {service.kills} times, ready again within {slowest_s:.1f} s")
    return _verdict(console, performance.history, books.journals, findings, checks, folder, is_kept=options.keep)


async def _checks(performance: Performance, books: audit.Books, service: ServiceProcess | None) -> list[report.Check]:
    not_played = report.missing(performance.history.events, was_killed=service is not None and service.kills > 0)
    checks = [
        report.Check("the CSV export says the same", books.csv_faults),
        report.Check("the service's own verification", [] if books.verification == "passed" else [books.verification]),
        report.Check("the play had everything in it", not_played),
    ]
    if service is not None:
        passed, said = await service.verify()
        checks.append(report.Check("charge-shop verify", [] if passed else [said]))
    return checks


def _verdict(
    console: Console,
    history: History,
    journals: dict[str, list[JournalEntry]],
    findings: Findings,
    checks: list[report.Check],
    folder: Path,
    *,
    is_kept: bool,
) -> int:
    is_good = not findings.violations and not any(each.faults for each in checks)
    if not is_good or is_kept:
        history.write(folder / "history.jsonl")
    entries = sum(map(len, journals.values()))
    if is_good:
        console.print(f"[bold green]no violation in {len(history.events):,} requests and {entries:,} entries")
        return 0
    console.print("[bold red]violations were found")
    return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest.scenario", description=__doc__)
    parser.add_argument("--url", help="a service that runs already (default: one is started, and stopped)")
    parser.add_argument("--admin-username", default="admin", help=f"whose password is in {PASSWORD}")
    parser.add_argument("--seed", type=int, default=1, help="of what is asked, and of the moments of the kills")
    parser.add_argument("--sellers", type=int, default=100)
    parser.add_argument("--charges", type=int, default=20_000)
    parser.add_argument("--sales-at-once", type=int, default=1000, help="of the first play")
    parser.add_argument("--concurrency", type=int, default=128, help="steps in flight in the second play")
    parser.add_argument("--kill", type=int, default=0, metavar="N", help="kill -9 the service N times on the way")
    parser.add_argument("--patience", type=float, default=120, metavar="SECONDS", help="until a request is given up")
    parser.add_argument("--keep", action="store_true", help="keep history, data and log, also after success")
    options = parser.parse_args()
    if options.url is not None and options.kill:
        parser.error("--kill needs a service of its own: leave --url out")
    if options.url is not None and not os.environ.get(PASSWORD):
        parser.error(f"--url needs the admin's password in {PASSWORD}")
    return options


if __name__ == "__main__":
    sys.exit(main())
