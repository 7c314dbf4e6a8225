"""Runs many seeds on all cores, in processes of their own."""

import multiprocessing
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from msgspec import Struct, field

from tests.simulation.coverage import Coverage, Place
from tests.simulation.planting import Patch, plant
from tests.simulation.scenario import Result, simulate

CHUNK: Final = 20
COUNTED_MIN: Final = 1_000
"""In so many seeds of a run the named branches are counted, in half of them where there are fewer: it makes a seed
three times as slow. Whether a line has been run is seen in all seeds, for some are reached by one in a thousand."""
COUNTED_EVERY_MAX: Final = 20
"""Of many seeds."""


class Chunk(Struct):
    """What a few seeds came to."""

    seeds: int = 0
    steps: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    lines: Counter[Place] = field(default_factory=Counter)
    missing: frozenset[Place] = frozenset()
    """Lines that this worker has not run so far, in none of its seeds."""
    failures: list[Result] = field(default_factory=list)


class Summary:
    """All of it so far."""

    def __init__(self) -> None:
        self.seeds = 0
        self.steps = 0
        self.counts: Counter[str] = Counter()
        self.lines: Counter[Place] = Counter()
        self.missing: frozenset[Place] | None = None
        self.failures: list[Result] = []
        self.started = time.monotonic()

    def add(self, chunk: Chunk) -> None:
        self.seeds += chunk.seeds
        self.steps += chunk.steps
        self.counts.update(chunk.counts)
        self.lines.update(chunk.lines)
        self.missing = chunk.missing if self.missing is None else self.missing & chunk.missing
        self.failures.extend(chunk.failures)

    @property
    def seeds_per_s(self) -> float:
        return self.seeds / max(time.monotonic() - self.started, 1e-9)


_coverage: Final = Coverage()


def counted_every(count: int) -> int:
    """Of `count` seeds, the branches of one in so many are counted."""
    return max(2, min(count // COUNTED_MIN, COUNTED_EVERY_MAX))


def run_seeds(start: int, count: int, workers: int) -> Iterator[Chunk]:
    """Yields as chunks of seeds are done, in any order. The workers do not hear of an interruption."""
    chunks = [range(at, min(at + CHUNK, start + count)) for at in range(start, start + count, CHUNK)]
    run = partial(_run_chunk, counted_every=counted_every(count))
    deaf = partial(signal.signal, signal.SIGINT, signal.SIG_IGN)
    with multiprocessing.get_context("fork").Pool(workers, initializer=deaf) as pool:
        yield from pool.imap_unordered(run, chunks)


def _run_chunk(seeds: range, *, counted_every: int) -> Chunk:
    chunk = Chunk()
    _coverage.counts.clear()
    for seed in seeds:
        with _coverage.traced(is_counted=seed % counted_every == 0):
            result = simulate(seed)
        chunk.seeds += 1
        chunk.steps += result.steps
        chunk.counts.update(result.counts)
        if result.violation is not None:
            chunk.failures.append(result)
    chunk.lines = Counter(_coverage.counts)
    chunk.missing = frozenset(_coverage.missing())
    return chunk


class Hunt(Struct, frozen=True):
    """One planted bug, and the seeds to look for it in."""

    name: str
    patches: tuple[Patch, ...]
    seeds: range


class Kill(Struct):
    name: str
    seeds: int
    """How many it took, or were tried."""
    result: Result | None
    """The seed that showed it; None when the bug survived."""


def hunt(hunts: Sequence[Hunt], workers: int) -> Iterator[Kill]:
    """Each bug in a process of its own."""
    with multiprocessing.get_context("fork").Pool(workers, maxtasksperchild=1) as pool:
        yield from pool.imap_unordered(_hunt, hunts, chunksize=1)


def _hunt(each: Hunt) -> Kill:
    for patch in each.patches:
        plant(patch)
    for tried, seed in enumerate(each.seeds, 1):
        result = simulate(seed)
        if result.violation is not None:
            return Kill(each.name, tried, result)
    return Kill(each.name, len(each.seeds), None)
