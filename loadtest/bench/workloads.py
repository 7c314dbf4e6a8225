"""What is measured in every round, in this order: what is compared most stands side by side."""

from typing import Final, Literal

from msgspec import Struct

from loadtest.bench.spread import Spread

ContenderName = Literal["bare", "service", "row_locks"]


class Workload(Struct, frozen=True):
    """Load of wrk upon one contender."""

    name: str
    title: str
    contender: ContenderName
    script: str
    """In `load/`."""
    spread: Spread = "even"
    option: str = ""
    """For the script."""
    charges_per_request: float = 1
    connections: int | None = None
    """None: as many as the caller wishes."""
    times: int = 1
    """How much longer than the others it is measured, where one request takes long."""


class Copy(Struct, frozen=True):
    """The rows of so many charges, written by COPY, a transaction for each `batch`."""

    name: str
    title: str
    batch: int


WORKLOADS: Final[tuple[Workload | Copy, ...]] = (
    Workload("bare", "bare handler", "bare", "charges"),
    Workload("single", "single charges", "service", "charges"),
    Workload("hot", "one hot seller", "service", "charges", "one"),
    Workload("zipf", "Zipf over the sellers", "service", "charges", "zipf"),
    Workload("without_keys", "without idempotency keys", "service", "charges", option="without-keys"),
    Workload("holds", "holds, then captured", "service", "holds", charges_per_request=0.5),
    Workload("row_locks", "row locks", "row_locks", "charges"),
    Workload("row_locks_hot", "row locks, one seller", "row_locks", "charges", "one"),
    Workload("batch_1000", "batches of 1,000", "service", "batches", "even", "1000", 1000, connections=8),
    Copy("copy_1000", "COPY, 1,000 rows a commit", 1000),
    Workload("batch_10000", "batches of 10,000", "service", "batches", "even", "10000", 10_000, connections=4, times=3),
    Copy("copy_10000", "COPY, 10,000 rows a commit", 10_000),
)


class Measurement(Struct, frozen=True):
    """One workload in one round."""

    name: str
    round: int
    charges_per_s: float
    requests: int = 0
    cpu_us: float | None = None
    """Of the server's process, user and system, per request."""
    p50_ms: float | None = None
    """As wrk saw it, with all of its connections always busy."""
    p99_ms: float | None = None
    faults: int = 0
    """Requests that were not answered by a 2xx."""
