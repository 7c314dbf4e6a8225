"""What the journal needs of a store, and the named ways in which a store may fail.

Two implementations keep this promise and pass the same contract tests: `journal.postgres.PostgresStore`, and
`journal.memory.MemoryStore`, the model that simulations run on.
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeAlias

from msgspec import Struct

from journal.entry import Entry
from journal.projections import AccountRow, OpenedCharge, OpenedRequest, Row

LEASE_TTL_MAX_S: Final = 300.0
"""No lease is granted or prolonged for longer."""


class JournalFault(Exception):
    """Base of all faults of the journal."""


class JournalUnavailable(JournalFault):
    """The database cannot be reached now. Nothing was written; try again."""


class JournalFrozen(JournalUnavailable):
    """The journal was restored from a backup and takes no changes until `charge-shop confirm-restore`."""


class JournalUnreadable(JournalFault):
    """The database does not let the journal be read: a table is not what the migrations made, a right is missing, or
    a page is damaged. Its message says which; trying again does not help."""


class NotApplied(JournalFault):
    """The command certainly did not happen. Try again."""


class OutcomeUnknown(JournalFault):
    """The command may or may not have happened. Ask again with the same idempotency key."""


class EpochLost(JournalFault):
    """Another instance has raised the epoch: this one is no writer any more. Nothing was written."""


class FlushRefused(JournalFault):
    """The database refused the statement and rolled it back: a bad value, or no room. Nothing was written."""


class Lease(Struct, frozen=True):
    """The right to write, held until its time is over or the epoch is raised."""

    epoch: int
    last_position: int
    is_frozen: bool = False
    """The journal was restored and nobody has confirmed it yet: it may be read, and a flush writes nothing."""


class Renewal(Struct, frozen=True):
    """The state of a lease that was renewed."""

    is_frozen: bool


class Batch(Struct, frozen=True):
    """What one flush writes: entries with positions `first_position`, +1, ..., and the rows they changed."""

    first_position: int
    entries: Sequence[Entry]
    rows: Sequence[Row]


KeyOfSide: TypeAlias = tuple[bool, str]
"""Whether an admin uses it, and the idempotency key: by both together a seller's keys are told apart."""


class KnownKey(Struct, frozen=True):
    """An entry of the batch whose idempotency key the journal already has: because of it nothing was written."""

    index: int
    seq: int
    """Of the entry in the journal that has the key."""


class Recorded(Struct, frozen=True):
    """An entry of the journal with its position, and with the entry that opened its charge or request, if any."""

    entry: Entry
    position: int
    opening: Entry | None


class Snapshot(Struct, frozen=True):
    """A seller's account as of its last entry."""

    account: AccountRow
    last: Entry
    holds: list[OpenedCharge]
    """Those that are pending."""
    requests: list[OpenedRequest]
    """Those that are pending."""


class Store(Protocol):
    """All methods may raise `JournalUnavailable`, unless they say more."""

    @property
    def is_connected(self) -> bool:
        """Whether a flush can be sent."""

    on_lost: Callable[[], None]
    """Called when `is_connected` becomes false."""

    async def acquire(self, owner: str, ttl_s: float, *, is_former_owner_dead: bool) -> Lease | None:
        """Raises the epoch and takes the lease if it has lapsed (or its owner is known to be dead); else None."""

    async def renew(self, epoch: int, ttl_s: float) -> Renewal | None:
        """Prolongs the lease from now; None when it is not ours any more. Ours with another epoch does not count: a
        statement of ours that came late may have taken it again, after somebody else has written."""

    async def release(self) -> None:
        """Gives the lease back, if it is ours, so that a standby need not wait for its end."""

    async def raise_epoch(self, epoch: int, ttl_s: float) -> Lease | None:
        """After a flush with unknown outcome, sent with this epoch: waits until the flush has committed or failed, and
        rules out that it commits later. Asked again it answers the same, so that a lost reply costs nothing.

        The last position of the lease that it answers says what became of the flush: nobody else has been the owner
        since `epoch` was granted. None when somebody else may have been."""

    async def flush(self, epoch: int, batch: Batch) -> list[KnownKey]:
        """Writes the whole batch durably, or nothing: nothing if any of its keys is known already, and these are
        answered.

        Raises EpochLost (also where the journal is frozen) and FlushRefused: nothing was written; and
        OutcomeUnknown."""

    async def load(self, seller_id: str) -> Snapshot | None:
        """As of one moment, whatever is written meanwhile. None for a seller without entries."""

    async def load_charge(self, seller_id: str, charge_id: str) -> OpenedCharge | None:
        """A charge of the seller."""

    async def load_request(self, seller_id: str, request_id: str) -> OpenedRequest | None:
        """A credit request of the seller."""

    async def recorded(self, seller_id: str, seqs: Sequence[int]) -> dict[int, Recorded]:
        """Entries of the seller by `seq`, those that exist, each with what its answer needs."""

    async def seqs_of_keys(self, seller_id: str, keys: Sequence[KeyOfSide]) -> dict[KeyOfSide, int]:
        """The entries that have used up these keys of the seller; keys that are free are not in it."""

    async def sellers_with_expired_holds(self, now_us: int, limit: int, but_not: Sequence[str] = ()) -> list[str]:
        """Sellers with a pending hold whose time is over: those of the `limit` holds for which it has been the longest.
        Holds of `but_not` are passed over."""
