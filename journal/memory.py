"""A store in memory: the model of what Postgres promises, for simulations and for tests of the rules above it.

One `MemoryDatabase` may be shared by several `MemoryStore`s, as one database is by several instances.
"""

from collections.abc import Callable, Sequence

from journal.entry import Entry
from journal.ids import seq_of
from journal.projections import (
    AccountRow,
    ChargeRow,
    ChargeStatus,
    CreditRequestRow,
    CreditRequestStatus,
    OpenedCharge,
    OpenedRequest,
    unwritten_charge,
)
from journal.store import Batch, EpochLost, FlushRefused, KeyOfSide, KnownKey, Lease, Recorded, Renewal, Snapshot

AMOUNT_MAX = 10**18
"""The range CHECKs of the table."""


class MemoryDatabase:
    """The tables of one cell."""

    def __init__(self) -> None:
        self.epoch = 0
        self.owner: str | None = None
        self.expires_at_s = float("-inf")
        self.is_frozen = False
        self.entries: dict[str, list[Entry]] = {}
        self.positions: dict[tuple[str, int], int] = {}
        self.keys: dict[tuple[str, bool, str], int] = {}
        self.accounts: dict[str, AccountRow] = {}
        self.charges: dict[tuple[str, int], ChargeRow] = {}
        self.requests: dict[tuple[str, int], CreditRequestRow] = {}

    @property
    def last_position(self) -> int:
        return len(self.positions)

    def freeze(self) -> None:
        """What `journal.restores` does to the lease of a journal that was restored."""
        self.epoch += 1
        self.owner = None
        self.is_frozen = True

    def unfreeze(self) -> None:
        self.is_frozen = False

    def write(self, epoch: int, batch: Batch) -> list[KnownKey]:
        """The flush statement: all or nothing, and nothing with another epoch, with known keys or while frozen."""
        if epoch != self.epoch or self.is_frozen:
            raise EpochLost
        known = []
        for index, entry in enumerate(batch.entries):
            seq = self.keys.get((entry.seller_id, entry.by_admin, entry.idempotency_key or ""))
            if seq is not None:
                known.append(KnownKey(index, seq))
        if known:
            return known
        self._check(batch)
        for position, entry in enumerate(batch.entries, batch.first_position):
            self.entries.setdefault(entry.seller_id, []).append(entry)
            self.positions[entry.seller_id, entry.seq] = position
            if entry.idempotency_key is not None:
                self.keys[entry.seller_id, entry.by_admin, entry.idempotency_key] = entry.seq
        for row in batch.rows:
            match row:
                case AccountRow():
                    self.accounts[row.seller_id] = row
                case ChargeRow():
                    self.charges[row.seller_id, row.seq] = row
                case CreditRequestRow():
                    self.requests[row.seller_id, row.seq] = row
        return []

    def _check(self, batch: Batch) -> None:
        """The constraints of the table."""
        if batch.first_position != self.last_position + 1:
            raise FlushRefused(f"position {batch.first_position} after {self.last_position}")
        lengths: dict[str, int] = {}
        keys: set[tuple[str, bool, str]] = set()
        for entry in batch.entries:
            seq = lengths.get(entry.seller_id, len(self.entries.get(entry.seller_id, ()))) + 1
            if entry.seq != seq:
                raise FlushRefused(f"seq {entry.seq} of {entry.seller_id} where {seq} is next")
            if entry.available_after + entry.credit_limit < 0 or entry.held_after < 0:
                raise FlushRefused(f"the floor is passed: {entry}")
            if max(entry.available_after, entry.held_after) > AMOUNT_MAX:
                raise FlushRefused(f"the balance is out of range: {entry}")
            lengths[entry.seller_id] = seq
            if entry.idempotency_key is not None:
                key = (entry.seller_id, entry.by_admin, entry.idempotency_key)
                if key in keys:
                    raise FlushRefused(f"the key {key} stands twice")
                keys.add(key)


class MemoryStore:
    """A connection to a `MemoryDatabase`; implements `journal.store.Store`."""

    def __init__(self, database: MemoryDatabase, clock_s: Callable[[], float]) -> None:
        self.database = database
        self._clock_s = clock_s
        self._owner = ""
        self.is_connected = True
        self.on_lost: Callable[[], None] = lambda: None

    async def acquire(self, owner: str, ttl_s: float, *, is_former_owner_dead: bool) -> Lease | None:
        database = self.database
        self._owner = owner
        if database.expires_at_s > self._clock_s() and not is_former_owner_dead and database.owner != owner:
            return None
        database.owner = owner
        database.epoch += 1
        database.expires_at_s = self._clock_s() + ttl_s
        return Lease(database.epoch, database.last_position, database.is_frozen)

    async def renew(self, epoch: int, ttl_s: float) -> Renewal | None:
        if (self.database.owner, self.database.epoch) != (self._owner, epoch):
            return None
        self.database.expires_at_s = self._clock_s() + ttl_s
        return Renewal(self.database.is_frozen)

    async def release(self) -> None:
        if self.database.owner == self._owner:
            self.database.expires_at_s = float("-inf")
            self.database.owner = None

    async def raise_epoch(self, epoch: int, ttl_s: float) -> Lease | None:
        database = self.database
        if database.owner != self._owner or database.epoch not in (epoch, epoch + 1):
            return None
        database.epoch = epoch + 1
        database.expires_at_s = self._clock_s() + ttl_s
        return Lease(database.epoch, database.last_position, database.is_frozen)

    async def flush(self, epoch: int, batch: Batch) -> list[KnownKey]:
        return self.database.write(epoch, batch)

    async def load(self, seller_id: str) -> Snapshot | None:
        database = self.database
        entries = database.entries.get(seller_id)
        if not entries:
            return None
        return Snapshot(
            account=database.accounts[seller_id],
            last=entries[-1],
            holds=[
                OpenedCharge(row, entries[row.seq - 1])
                for row in database.charges.values()
                if row.seller_id == seller_id and row.status is ChargeStatus.PENDING
            ],
            requests=[
                OpenedRequest(row, entries[row.seq - 1])
                for row in database.requests.values()
                if row.seller_id == seller_id and row.status is CreditRequestStatus.PENDING
            ],
        )

    async def load_charge(self, seller_id: str, charge_id: str) -> OpenedCharge | None:
        opening = self._entry(seller_id, charge_id)
        if opening is None:
            return None
        row = self.database.charges.get((seller_id, opening.seq)) or unwritten_charge(opening)
        return None if row is None else OpenedCharge(row, opening)

    async def load_request(self, seller_id: str, request_id: str) -> OpenedRequest | None:
        opening = self._entry(seller_id, request_id)
        row = opening and self.database.requests.get((seller_id, opening.seq))
        return OpenedRequest(row, opening) if row and opening else None

    async def recorded(self, seller_id: str, seqs: Sequence[int]) -> dict[int, Recorded]:
        entries = self.database.entries.get(seller_id, [])
        found = {}
        for seq in seqs:
            if 1 <= seq <= len(entries):
                entry = entries[seq - 1]
                opening = self._entry(seller_id, entry.subject_id) if entry.subject_id else None
                found[seq] = Recorded(entry, self.database.positions[seller_id, seq], opening)
        return found

    async def seqs_of_keys(self, seller_id: str, keys: Sequence[KeyOfSide]) -> dict[KeyOfSide, int]:
        used = self.database.keys
        return {key: used[seller_id, *key] for key in keys if (seller_id, *key) in used}

    async def sellers_with_expired_holds(self, now_us: int, limit: int, but_not: Sequence[str] = ()) -> list[str]:
        due = sorted(
            (row.expires_at_us or 0, row.seller_id)
            for row in self.database.charges.values()
            if row.status is ChargeStatus.PENDING
            and (row.expires_at_us or 0) <= now_us
            and row.seller_id not in but_not
        )
        return list(dict.fromkeys(seller_id for _, seller_id in due[:limit]))

    def _entry(self, seller_id: str, entry_id: str) -> Entry | None:
        seq = seq_of(entry_id)
        entries = self.database.entries.get(seller_id, [])
        entry = entries[seq - 1] if 1 <= seq <= len(entries) else None
        return entry if entry is not None and entry.id == entry_id else None
