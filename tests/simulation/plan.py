"""What a seed decides before anything runs: sizes, speeds, and which faults happen how often.

Swarm testing (Groce et al., 2012): each seed switches on a random part of the faults, each with its own
intensity. Faults that are always all on hide each other. Bounds are turned down so far that a seed of a hundred
commands reaches them.
"""

from random import Random
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

FLUSH_FAULTS: Final = (
    "lost_request",  # the connection dies, the statement never reaches the database
    "lost_reply",  # it was committed, the connection dies before the reply
    "cut",  # the connection dies; the statement arrives, or ends, some time later
    "rolled_back",  # the backend is killed while it holds the lease row
    "warned",  # COMMIT succeeds with a warning
    "refused",  # the database has no room, and says so
    "unavailable",  # there is no connection to send it on
    "hung",  # no answer at all, until the watchdog ends the connection
)
DISASTERS: Final = (
    "crash",  # kill -9 of an instance, and a restart
    "pause",  # SIGSTOP of an instance, SIGCONT later
    "disconnect",  # an instance's idle connection dies
    "partition",  # an instance cannot reach the database
    "outage",  # kill -9 of the database, and a restart
    "stall",  # SIGSTOP of the database, SIGCONT later
    "no_room",  # the database refuses every write for a while
    "clock",  # an instance's wall clock jumps
    "stop",  # SIGTERM of an instance, and a restart
    "flood",  # a burst of reads for one seller
)
RESTORE: Final = "restore"
"""Another disaster: the journal is marked as restored, and confirmed later."""
EPOCH_US: Final = 1_790_000_000_000_000
"""What a right wall clock shows when a seed starts."""
INTENSITIES: Final = (0.02, 0.08, 0.3)
SLOW_TIMES: Final = 20.0
"""One message in twenty takes up to so many times as long on its way as the others."""


class Plan(Struct, frozen=True):
    seed: int
    is_shuffled: bool
    held_up_p: float
    # the service
    instances: int
    lease_ttl_s: float
    batch_entries_max: int
    outcome_timeout_s: float
    retry_delay_s: float
    flush_timeout_s: float
    sellers_loaded_max: int
    seller_in_flight_max: int
    in_flight_max: int
    keys_remembered_max: int
    slice: int
    requests_pending_max: int
    second_admin_above: str | None
    sweep_pause_s: float
    # the database
    latency_s: float
    flush_faults: dict[str, float]
    """Probability per flush, by kind."""
    accident_pause_p: float
    """A flush that fails, or a renewal that sets out, is followed at once by a pause of the instance, long enough for
    another to take over."""
    exchange_fault_p: float
    """Of every other exchange with the database: the request or the reply is lost."""
    # the world
    duration_s: float
    sellers: int
    requests: int
    burst_p: float
    duplicate_p: float
    gone_p: float
    wrong_instance_p: float
    poison_p: float
    absurd_p: float
    """Of amounts near the bound of all balances."""
    disasters: tuple[tuple[float, str], ...]
    """(virtual time, kind)."""

    @property
    def slowest_exchange_s(self) -> float:
        """There and back, where nothing breaks."""
        return 2 * SLOW_TIMES * self.latency_s


def plan_of(seed: int) -> Plan:
    random = Random(seed)
    pick, chance = random.choice, random.random
    duration_s = pick((3.0, 8.0, 20.0))
    kinds = [kind for kind in DISASTERS if chance() < 0.4]
    disasters = sorted((chance() * duration_s, pick(kinds)) for _ in range(random.randrange(5) if kinds else 0))
    plan = Plan(
        seed=seed,
        is_shuffled=chance() < 0.25,
        held_up_p=pick((0.0, 0.02, 0.2, 0.6)),
        instances=pick((1, 2)),
        lease_ttl_s=pick((1.0, 2.0, 5.0)),
        batch_entries_max=pick((1, 4, 4_000)),
        outcome_timeout_s=pick((0.5, 10.0)),
        retry_delay_s=pick((0.02, 0.1)),
        flush_timeout_s=pick((1.5, 10.0)),
        sellers_loaded_max=pick((1, 2, 100, 100)),
        seller_in_flight_max=pick((3, 4_096, 4_096)),
        in_flight_max=pick((8, 20_000, 20_000)),
        keys_remembered_max=pick((0, 2, 32)),
        slice=pick((1, 1, 3, 64)),
        requests_pending_max=pick((2, 100)),
        second_admin_above=pick((None, "6.00")),
        sweep_pause_s=pick((0.5, 2.0)),
        latency_s=pick((0.001, 0.01, 0.1)),
        flush_faults={kind: pick(INTENSITIES) for kind in FLUSH_FAULTS if chance() < 0.3},
        accident_pause_p=pick((0.0, 0.1, 0.2)),
        exchange_fault_p=pick((0.0, 0.0, 0.05, 0.2)),
        duration_s=duration_s,
        sellers=random.randrange(1, 4),
        requests=random.randrange(20, 90),
        burst_p=pick((0.2, 0.7, 0.9)),
        duplicate_p=pick((0.05, 0.2)),
        gone_p=pick((0.0, 0.05, 0.2)),
        wrong_instance_p=pick((0.0, 0.1)),
        poison_p=pick((0.0, 0.0, 0.06)),
        absurd_p=0.3 if chance() < 0.2 else 0.0,
        disasters=tuple(disasters),
    )
    # Drawn last, so that every seed without it goes on as it always did.
    if chance() < 0.15:
        disasters = sorted([*disasters, (chance() * duration_s, RESTORE)])
    return replace(plan, disasters=tuple(disasters))
