"""The command line of the simulation: seeds, one seed with its history, or the planted bugs."""

import argparse
import os
import sys
from contextlib import suppress

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.simulation.coverage import branch_counts, describe
from tests.simulation.mutants import MUTANTS
from tests.simulation.plan import DISASTERS, FLUSH_FAULTS, RESTORE
from tests.simulation.pool import Hunt, Summary, counted_every, hunt, run_seeds
from tests.simulation.scenario import simulate

FAILURES_SHOWN_MAX = 3
COMPLETE_SEEDS = 1_000
"""From so many seeds on every fault and every line must have been reached."""
EXPECTED = (
    *(f"fault: flush {kind}" for kind in FLUSH_FAULTS),
    *(f"disaster: {kind}" for kind in DISASTERS),
    "fault: flush refused for poison",
    "fault: flush refused for want of room",
    "fault: exchange lost request",
    "fault: exchange lost reply",
    "fault: exchange cut",
    "disaster: pause after an accident",
    "late: written",
    "late: EpochLost",
    "queued behind the lease row",
    "rolled back by a kill of the database",
    "client gone",
    "answer: Crashed",
    "answer: Draining",
    "answer: JournalFrozen",
    "answer: OutcomeUnknown",
    "answer: NotApplied",
    "answer: Overloaded",
    "answer: RateLimited",
    "answer: Standby",
    "drained not in time",
    "stopped not in time",
    f"disaster: {RESTORE}",
    "restored",
    "restore confirmed",
    "takeover from an instance that lives",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2_000, help="how many (default: %(default)s)")
    parser.add_argument("--start", type=int, default=0, help="the first (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes (default: one for each core)")
    parser.add_argument("--verbose", action="store_true", help="show what every seed did, one after the other")
    parser.add_argument("--mutants", nargs="*", metavar="NAME", help="plant bugs, all or those named, and find them")
    options = parser.parse_args()
    _fix_hashes()
    if options.mutants is not None:
        return _mutants(options.mutants, range(options.start, options.start + options.seeds), options.workers)
    if options.verbose:
        return _verbose(range(options.start, options.start + options.seeds))
    return _seeds(options.start, options.seeds, options.workers)


def _fix_hashes() -> None:
    """The order of a set of strings depends on their hashes, and what is done in that order must be repeatable."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, "PYTHONHASHSEED": "0"})


def _seeds(start: int, count: int, workers: int) -> int:
    summary = Summary()
    with _progress() as progress, suppress(KeyboardInterrupt):
        bar = progress.add_task("simulating", total=count, rate="")
        for chunk in run_seeds(start, count, workers):
            summary.add(chunk)
            for result in chunk.failures:
                progress.console.print(f"seed {result.seed} failed: {result.violation}", markup=False)
            rate = f"{summary.seeds_per_s:.0f} seeds/s"
            if summary.failures:
                rate += f", {len(summary.failures)} FAILED"
            progress.update(bar, completed=summary.seeds, rate=rate)
    _report(summary, counted_every(count))
    if summary.seeds < count:
        print(f"INTERRUPTED: {count:,} seeds were to be run")
        return 1
    is_complete = count < COMPLETE_SEEDS or _report_unreached(summary)
    return 0 if is_complete and not summary.failures else 1


def _report(summary: Summary, counted: int) -> None:
    for result in sorted(summary.failures, key=lambda each: each.seed)[:FAILURES_SHOWN_MAX]:
        print(f"\n=== seed {result.seed}: {result.violation}\n")
        print("\n".join(result.history))
        print(f"\nreplay: python -m tests.simulation --seeds 1 --start {result.seed} --verbose")
    if len(summary.failures) > FAILURES_SHOWN_MAX:
        print("\nother seeds that failed:", *(each.seed for each in summary.failures[FAILURES_SHOWN_MAX:]))
    print("\nfaults and answers")
    for name, times in sorted(summary.counts.items()):
        print(f"{times:10,}  {name}")
    print(f"\nways of recovery, in the seeds where they were counted (one in {counted})")
    for name, times in branch_counts(summary.lines).items():
        print(f"{times:10,}  {name}")
    print(
        f"\n{summary.seeds:,} seeds, {summary.steps:,} steps, {summary.seeds_per_s:.0f} seeds/s,"
        f" {len(summary.failures)} failed"
    )


def _report_unreached(summary: Summary) -> bool:
    """Whether all was reached that should be."""
    never = [name for name in EXPECTED if not summary.counts[name]]
    never += [name for name, times in branch_counts(summary.lines).items() if not times]
    never += [describe(place) for place in sorted(summary.missing or ())]
    for each in never:
        print(f"NEVER REACHED: {each}")
    return not never


def _verbose(seeds: range) -> int:
    is_good = True
    for seed in seeds:
        result = simulate(seed, wants_digest=True, wants_history=True)
        print("\n".join(result.history))
        print(f"seed {seed}: {result.violation or 'good'}, {result.steps} steps, history {result.digest}")
        is_good = is_good and result.violation is None
    return 0 if is_good else 1


def _mutants(names: list[str], seeds: range, workers: int) -> int:
    chosen = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    survivors = []
    kills = hunt([Hunt(mutant.name, mutant.patches, seeds) for mutant in chosen], workers)
    print(f"{'planted bug':<52} {'seeds to kill':>13}  shown by")
    with _progress() as progress:
        bar = progress.add_task("hunting", total=len(chosen), rate="")
        for kill in kills:
            progress.advance(bar)
            if kill.result is None:
                survivors.append(kill.name)
            what = "SURVIVED" if kill.result is None else str(kill.result.violation)[:110]
            progress.console.print(
                f"{kill.name:<52} {kill.seeds:>13}  {what}", markup=False, highlight=False, soft_wrap=True
            )
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} killed")
    return 1 if survivors or not chosen else 0


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[rate]}"),
    )


if __name__ == "__main__":
    sys.exit(main())
