"""`python -m loadtest.bench`: measures the service against two baselines, and prints which bars are met.

Status 0: measured, whatever the figures are. 1: measured, but something was answered or written that must not be.
2: it could not be measured.
"""

import argparse
import contextlib
import secrets
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Final

import msgspec
import uvloop
from rich.console import Console

from loadtest.bench import page, report, result, wrk
from loadtest.bench.comparisons import compare
from loadtest.bench.contenders import Baseline, BaselineFailed, Contender
from loadtest.bench.copying import Copying
from loadtest.bench.database import Databases
from loadtest.bench.open_loop import NothingAnswered
from loadtest.bench.rounds import LATENCY, Rounds, Wishes
from loadtest.bench.shop import Shop
from loadtest.bench.workloads import WORKLOADS, ContenderName
from loadtest.client import UnexpectedAnswer, Unreachable, new_session
from loadtest.service_process import ServiceFailed, ServiceProcess

_UNABLE: Final = (
    wrk.WrkMissing,
    wrk.WrkFailed,
    NothingAnswered,
    BaselineFailed,
    ServiceFailed,
    Unreachable,
    UnexpectedAnswer,
)
QUICK: Final = {"rounds": 1, "seconds": 2, "warm_up": 0, "sellers": 20, "copy_rows": 5_000, "latency_rounds": 1}
"""Shows that everything works; its figures mean little."""


def main() -> int:
    options = _options()
    # Whoever ends us, the processes that we started end too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        # On the disk of the caller's choice: the usual folder for temporary files is often memory, where fsync is free.
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=options.out))
    except OSError as error:
        fault = f"{options.out} cannot hold the results: {error.strerror}"
        console.print(fault, style="red", markup=False, soft_wrap=True)
        return 2
    try:
        status = uvloop.run(_run(options, folder, console))
    except _UNABLE as error:
        console.print(f"{error}", style="red", markup=False)
        status = 2
    except KeyboardInterrupt:
        console.print("interrupted")
        status = 2
    if status == 1:
        console.print(f"kept: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return status


async def _run(options: argparse.Namespace, folder: Path, console: Console) -> int:
    wrk.require()
    wishes = _wishes(options)
    began_at, machine = result.now(), result.this_machine()
    console.print(f"{machine.processors} processors, {machine.processor}; load before: {machine.load_before:.1f}")
    async with contextlib.AsyncExitStack() as stack:
        service = ServiceProcess(folder, password := secrets.token_urlsafe(16))
        stack.push_async_callback(service.stop)
        with console.status("starting the service"):
            await service.start()
        databases = Databases(service.data_dir)
        await databases.open()
        shop = Shop(await stack.enter_async_context(new_session()), service.url)
        await shop.sign_in(password)
        with console.status("making sellers") as shown:
            tokens = await shop.make_sellers(
                wishes.sellers, lambda made: shown.update(f"making sellers: {made:,} of {wishes.sellers:,}")
            )
        contenders: dict[ContenderName, Contender] = {"service": Contender(service.url, service.pid, tokens)}
        for name, baseline in await _baselines(databases, wishes.sellers, folder):
            stack.push_async_callback(baseline.stop)
            await baseline.start()
            credentials = [f"seller-{number}" for number in range(wishes.sellers)]
            contenders[name] = Contender(baseline.url, baseline.pid, credentials)
        copying = Copying(databases, wishes.copy_rows, folder)
        await copying.prepare()

        rounds = Rounds(wishes, contenders, shop, copying, folder, console)
        await rounds.measure()
        with console.status("verifying the journal"):
            checks = [_all_answered(rounds), *await _journal_checks(shop, service)]
    found = result.Result(
        began_at=began_at,
        machine=machine,
        sellers=wishes.sellers,
        connections=wishes.connections,
        rounds=wishes.rounds,
        seconds=wishes.seconds,
        comparisons=compare(rounds.measurements, rounds.latencies),
        measurements=rounds.measurements,
        latencies=rounds.latencies,
        checks=checks,
    )
    report.show(console, found)
    json_file, page_file = options.out / "bench.json", options.out / "bench.html"
    json_file.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    page_file.write_text(page.of(found))
    console.print(f"written: {json_file}, {page_file}")
    return 1 if any(check.fault for check in checks) else 0


async def _baselines(databases: Databases, sellers: int, folder: Path) -> list[tuple[ContenderName, Baseline]]:
    url = await databases.make("bench_row_locks")
    return [
        ("bare", Baseline("loadtest.baselines.bare", folder)),
        (
            "row_locks",
            Baseline(
                "loadtest.baselines.row_locks",
                folder,
                *("--sellers", str(sellers)),
                environment={"ROW_LOCKS_DATABASE_URL": url},
            ),
        ),
    ]


def _all_answered(rounds: Rounds) -> result.Check:
    faults = {f"{each.name}, round {each.round}": each.faults for each in rounds.measurements if each.faults}
    faults |= {f"{each.offered_per_s:,.0f}/s": each.faults for each in rounds.latencies if each.faults}
    said = "; ".join(f"{where}: {count:,} not" for where, count in faults.items())
    return result.Check("every request was answered by a 2xx", said or None)


async def _journal_checks(shop: Shop, service: ServiceProcess) -> list[result.Check]:
    has_failed = await shop.has_failed_charges()
    passed, said = await service.verify()
    return [
        result.Check("no charge was declined", "some were" if has_failed else None),
        result.Check("charge-shop verify finds the journal right", None if passed else said),
    ]


def _wishes(options: argparse.Namespace) -> Wishes:
    only = set(options.only)
    return Wishes(
        rounds=options.rounds,
        seconds=options.seconds,
        warm_up_s=options.warm_up,
        sellers=options.sellers,
        connections=options.connections,
        copy_rows=options.copy_rows,
        latency_rounds=options.latency_rounds,
        workloads=tuple(workload for workload in WORKLOADS if not only or workload.name in only),
        has_latency=not only or LATENCY in only,
    )


def _options() -> argparse.Namespace:
    names = [*(workload.name for workload in WORKLOADS), LATENCY]
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path("bench"), metavar="DIR", help="for results, and data meanwhile"
    )
    parser.add_argument("--quick", action="store_true", help="everything once and short: shows that it works")
    parser.add_argument("--rounds", type=_positive, default=5)
    parser.add_argument("--seconds", type=_positive, default=4, help="of each workload in each round")
    parser.add_argument("--warm-up", type=_not_negative, default=1, metavar="SECONDS", help="before each, not measured")
    parser.add_argument("--sellers", type=_positive, default=1000)
    parser.add_argument("--connections", type=_positive, default=192, help="of every load but that of batches")
    parser.add_argument("--copy-rows", type=_positive, default=100_000, help="of each COPY")
    parser.add_argument("--latency-rounds", type=_positive, default=3)
    parser.add_argument(
        "--only", nargs="+", default=[], choices=names, metavar="NAME", help=f"of {', '.join(names)} (needs single)"
    )
    options = parser.parse_args()
    if options.quick:
        parser.set_defaults(**QUICK)
        options = parser.parse_args()
    if LATENCY in options.only and "single" not in options.only:
        parser.error(f"--only {LATENCY} needs single too: it is measured at fractions of its rate")
    return options


def _positive(text: str) -> int:
    if not (number := _not_negative(text)):
        raise argparse.ArgumentTypeError("must be more than 0")
    return number


def _not_negative(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"not a whole number: {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
