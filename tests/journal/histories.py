"""Journals made by the real rules: sellers that open, ask for credit, sell, hold, capture, void, refund, by a seed.

A `Shop` is a cell in memory. Whatever it holds could have been written by the service: same `decide`, same
`apply`, positions in one order over all sellers, time that stands still now and then.
"""

from collections.abc import Sequence
from random import Random
from typing import Any, Literal

import asyncpg

from actors.account import Account, Rules, apply, decide, expire, has_due
from actors.commands import (
    Adjust,
    Caller,
    Capture,
    ChangeAccount,
    Charge,
    Command,
    DecideCredit,
    Open,
    Refund,
    Refusal,
    RequestCredit,
    Void,
)
from journal.entry import Entry
from journal.ids import new_id
from journal.postgres import PostgresStore
from journal.projections import ChargeRow, ChargeStatus, OpenedCharge, Row
from journal.store import Batch

START_US = 1_790_000_000_000_000
SECOND = 1_000_000
PHONES = tuple(f"+1555010{number:04d}" for number in range(200))
DECISIONS: Sequence[Literal["approve", "reject", "cancel"]] = ("approve", "approve", "approve", "reject", "cancel")
DIRECTIONS: Sequence[Literal["credit", "debit"]] = ("credit", "credit", "debit")
BATCH = 1000

INSERT_USER = """
    INSERT INTO shop.users (id, username, role, password_hash, created_at) VALUES ($1, $2, 'seller', '', now())"""
INSERT_SELLER = """
    INSERT INTO shop.sellers (id, name, search, currency, created_at) VALUES ($1, $2, $2, $3, now())"""

# How often each kind of command is tried.
MIXED = {"charge": 30, "hold": 12, "close": 10, "refund": 6, "credit": 8, "adjust": 3, "account": 2}
MOSTLY_CHARGES = {"charge": 960, "hold": 10, "close": 10, "refund": 5, "credit": 10, "adjust": 5}


class Shop:
    """`entries` are in the order of their positions, 1, 2, 3 ...; `rows` are the projections as they are now."""

    def __init__(self, seed: int, sellers: int, mix: dict[str, int] = MIXED, credit: int = 500_000) -> None:
        self.random = Random(seed)
        self.now_us = START_US
        self.admins = [self._new_id() for _ in range(3)]
        self.rules = Rules()
        self.accounts = [Account(self._new_id()) for _ in range(sellers)]
        self.entries: list[Entry] = []
        self.rows: dict[tuple[Any, ...], Row] = {}
        self._completed: dict[str, list[OpenedCharge]] = {}
        self._keys = 0
        self._kinds = tuple(mix)
        self._weights = tuple(mix.values())
        for number, account in enumerate(self.accounts):
            self._play(account, Open(("USD", "JPY", "BHD")[number % 3]))
            self._play(account, Adjust(self._admin(), credit, "credit", "to begin with"))
        self.rules = Rules(second_admin_above="900")

    @property
    def sellers(self) -> list[str]:
        return [account.seller_id for account in self.accounts]

    def of(self, seller_id: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.seller_id == seller_id]

    def position_of(self, entry: Entry) -> int:
        return self.entries.index(entry) + 1

    def play(self, steps: int, account: Account | None = None) -> "Shop":
        """So many random commands, some of which are refused and write nothing."""
        for _ in range(steps):
            if self.random.random() < 0.9:
                self.now_us += self.random.randrange(2 * SECOND)
            chosen = account or self.random.choice(self.accounts)
            (kind,) = self.random.choices(self._kinds, self._weights)
            command = getattr(self, f"_{kind}")(chosen)
            if command is not None:
                self._play(chosen, command)
        return self

    def command(self, command: Command, number: int = 0) -> tuple[Entry, ...]:
        """One command to the seller with that number."""
        return self._play(self.accounts[number], command)

    def _play(self, account: Account, command: Command) -> tuple[Entry, ...]:
        while has_due(account, self.now_us):
            entry = expire(account, self.now_us)
            if entry is not None:
                self._take(account, (entry,))
        decision = decide(account, command, self.now_us, self.rules)
        if isinstance(decision, Refusal):
            return ()
        self._take(account, decision)
        return decision

    def _take(self, account: Account, entries: tuple[Entry, ...]) -> None:
        for entry in entries:
            row = apply(account, entry)
            self.entries.append(entry)
            if row is not None:
                self.rows[type(row), row.seller_id, getattr(row, "seq", 0)] = row
        subject = account.charges.get(entries[0].subject_id or "")
        if subject is not None and subject.row.status is not ChargeStatus.PENDING:
            del account.charges[subject.row.id]
            if subject.row.status in (ChargeStatus.COMPLETED, ChargeStatus.PARTIALLY_REFUNDED):
                self._remember(subject)

    def _remember(self, charge: OpenedCharge) -> None:
        completed = self._completed.setdefault(charge.row.seller_id, [])
        completed.append(charge)
        del completed[:-50]

    # --- one command of each kind ---

    def _charge(self, account: Account) -> Command:
        return Charge(self._seller(account), *self._sale())

    def _hold(self, account: Account) -> Command:
        return Charge(self._seller(account), *self._sale(), expires_in_s=self.random.choice((5, 900, 604_800)))

    def _sale(self) -> tuple[str, int, str | None, str | None]:
        metadata = self.random.choice((None, None, '{"till":"7"}', '{"note":"سلام \\"a\\""}'))
        reference = f"order {self.random.randrange(1000)}" if self.random.random() < 0.3 else None
        amount = 9 * 10**12 if self.random.random() < 0.03 else self.random.randrange(1, 5_000)
        return self.random.choice(PHONES), amount, reference, metadata

    def _close(self, account: Account) -> Command | None:
        holds = [each.row for each in account.charges.values() if each.row.status is ChargeStatus.PENDING]
        if not holds:
            return None
        hold = self.random.choice(holds)
        match self.random.randrange(3):
            case 0:
                return Capture(self._seller(account), hold.id)
            case 1:
                return Capture(self._seller(account), hold.id, self.random.randrange(1, hold.amount + 1))
            case _:
                return Void(self._seller(account), hold.id)

    def _refund(self, account: Account) -> Command | None:
        completed = self._completed.get(account.seller_id)
        if completed and self.random.random() < 0.8:
            charge = completed.pop(self.random.randrange(len(completed)))
            account.charges[charge.row.id] = charge
            left = charge.row.amount - charge.row.refunded
            return Refund(
                self._admin(),
                charge.row.id,
                None if self.random.random() < 0.4 else self.random.randrange(1, left + 1),
                "did not arrive",
            )
        # A plain charge, as the actor loads it from the journal.
        for entry in reversed(self.entries[-500:]):
            if entry.seller_id == account.seller_id and entry.type == "charge":
                if (ChargeRow, entry.seller_id, entry.seq) in self.rows:
                    return None
                row = ChargeRow(
                    entry.seller_id, entry.seq, entry.id, ChargeStatus.COMPLETED, -entry.amount, 0, None, entry.seq
                )
                account.charges[row.id] = OpenedCharge(row, entry)
                return Refund(self._admin(), row.id, self.random.randrange(1, row.amount + 1), "wrong\nnumber")
        return None

    def _credit(self, account: Account) -> Command:
        pending = [each.row.id for each in account.requests.values() if each.row.status == "pending"]
        if not pending or (len(pending) < 3 and self.random.random() < 0.4):
            note = self.random.choice((None, "شارژ", 'a "note"'))
            return RequestCredit(self._seller(account), self.random.randrange(1, 200_000), note)
        request_id = self.random.choice(pending)
        decision = self.random.choice(DECISIONS)
        caller = self._seller(account) if decision == "cancel" else self._admin()
        return DecideCredit(caller, request_id, decision, self.random.choice((None, "ok")))

    def _adjust(self, account: Account) -> Command:
        direction = self.random.choice(DIRECTIONS)
        return Adjust(self._admin(), self.random.randrange(1, 90_000), direction, "correction")

    def _account(self, account: Account) -> Command:
        if account.is_suspended:
            return ChangeAccount(self._admin(), is_suspended=False)
        if self.random.random() < 0.3:
            return ChangeAccount(self._admin(), is_suspended=True)
        return ChangeAccount(self._admin(), credit_limit=self.random.randrange(0, 90_000))

    def _seller(self, account: Account) -> Caller:
        return self._caller(account.seller_id, False)

    def _admin(self) -> Caller:
        return self._caller(self.random.choice(self.admins), True)

    def _caller(self, made_by: str, by_admin: bool) -> Caller:
        if self.random.random() < 0.3:
            return Caller(made_by, by_admin)
        self._keys += 1
        key = f'key "{self._keys}"' if self._keys % 3 == 0 else f"key-{self._keys}"
        return Caller(made_by, by_admin, key, self.random.randbytes(16))

    def _new_id(self) -> str:
        return new_id(self.now_us, self.random.randbytes)

    # --- into Postgres ---

    async def write(self, url: str, pool: asyncpg.Pool) -> "Shop":
        """All of it into an empty cell as the service does it, and its sellers into the shop."""
        for number, account in enumerate(self.accounts):
            await pool.execute(INSERT_USER, account.seller_id, f"seller-{number}")
            await pool.execute(INSERT_SELLER, account.seller_id, f"seller-{number}", account.currency)
        store = PostgresStore(url, pool)
        lease = await store.acquire("the test", 60.0, is_former_owner_dead=True)
        assert lease is not None
        for start in range(0, len(self.entries), BATCH):
            entries = self.entries[start : start + BATCH]
            is_last = start + BATCH >= len(self.entries)
            batch = Batch(start + 1, entries, list(self.rows.values()) if is_last else [])
            assert await store.flush(lease.epoch, batch) == []
        await store.release()
        await store.close()
        return self
