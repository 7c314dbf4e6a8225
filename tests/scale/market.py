"""A market: some sellers of a shop and their trade over a time, made by the real rules and a seed.

Sellers open one after the other; those who opened early sell more, the first by far the most. They ask for credit
when theirs runs out, sell, hold, capture, void, let holds expire; admins approve, refund, adjust and suspend.

Several markets make one journal by taking turns: each chunk of entries lies in a time of its own, so chunks put one
after the other are in the order of time, as the positions of a cell are. Nothing is kept of what was written but
the state of each account, and the rows of what is or was open.
"""

import heapq
from collections import deque
from random import Random
from typing import Final

from msgspec import Struct

from actors.account import Account, Rules, apply, decide, expire, forget_closed
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
from journal.entry import Entry, EntryType
from journal.ids import new_id
from journal.projections import AccountRow, ChargeRow, ChargeStatus, CreditRequestRow, OpenedCharge, unwritten_charge

CURRENCIES: Final = ("USD", "USD", "USD", "EUR", "JPY")
OPENED_BY: Final = 0.9
"""The share of the time after which every seller has opened."""
WITH_KEY: Final = 0.85
RESTOCK_BELOW: Final = 10_000
RESTOCK: Final = (100_000, 900_000)
"""Minor units that a seller asks for when it has less than `RESTOCK_BELOW`."""
REFUNDABLE_MAX: Final = 5_000
OPENING_ENTRIES: Final = 2
STEP_ENTRIES_MAX: Final = 2
RULES: Final = Rules()


class Plan(Struct, frozen=True):
    """Of a whole shop, whatever the number of its markets."""

    sellers: int
    entries: int
    big: int
    """Of these, about so many are the first seller's."""
    from_us: int
    until_us: int
    seed: int = 1


class Seller(Struct, frozen=True):
    """As the shop has it."""

    id: str
    number: int
    currency: str
    created_at_us: int


class Admin(Struct, frozen=True):
    id: str
    username: str
    created_at_us: int


def admins_of(plan: Plan) -> list[Admin]:
    return [
        Admin(new_id(plan.from_us, Random(f"{plan.seed} {name}").randbytes), name, plan.from_us)
        for name in ("admin", "admin-2", "admin-3")
    ]


def seller_of(plan: Plan, number: int) -> Seller:
    """Sellers are created at even intervals. Their tags (journal.ids) are a permutation of their numbers: random
    ones would clash a hundred times among a million."""
    random = Random(plan.seed * 1_000_003 + number)
    tag = (number * 2_654_435_761 & 0xFFFFFFFF).to_bytes(4)
    duration_us = int(OPENED_BY * (plan.until_us - plan.from_us))
    at_us = plan.from_us + duration_us * number // plan.sellers
    seller_id = new_id(at_us, lambda count: random.randbytes(count - len(tag)) + tag)
    return Seller(seller_id, number, random.choice(CURRENCIES), at_us)


class Market:
    """Has every `of`-th seller of the plan, from `number` on; seller 0 is the big one."""

    def __init__(self, plan: Plan, number: int, of: int) -> None:
        self._random = Random(f"{plan.seed} {number}")
        self._to_open = (seller_of(plan, each) for each in range(number, plan.sellers, of))
        self._next = next(self._to_open, None)
        self._big_share = of * plan.big / (plan.entries - OPENING_ENTRIES * plan.sellers) if number == 0 else 0.0
        self._now_us = plan.from_us
        self._admins = [admin.id for admin in admins_of(plan)]
        self._accounts: list[Account] = []
        self._due: list[tuple[int, str, Account]] = []
        self._holds: deque[tuple[Account, str]] = deque()
        self._refundable: deque[tuple[Account, Entry]] = deque(maxlen=REFUNDABLE_MAX)
        self._suspended: deque[Account] = deque()
        self._charges: dict[str, ChargeRow] = {}
        self._requests: dict[str, CreditRequestRow] = {}

    def chunk(self, size: int, from_us: int, until_us: int) -> list[Entry]:
        """Exactly so many entries, none of them before the first or after the second time."""
        entries: list[Entry] = []
        while len(entries) < size:
            self._now_us = from_us + (until_us - from_us) * len(entries) // size
            if self._due and self._due[0][0] <= self._now_us:
                entries += self._expiry()
            elif size - len(entries) >= STEP_ENTRIES_MAX:
                entries += self._step()
            else:
                entries += self._sale()  # One entry each: so a chunk ends where it should.
        return entries

    def rows(self) -> tuple[list[AccountRow], list[ChargeRow], list[CreditRequestRow]]:
        """The projections after all that was made."""
        accounts = [
            AccountRow(each.seller_id, each.currency, each.is_suspended, each.credit_limit) for each in self._accounts
        ]
        return accounts, list(self._charges.values()), list(self._requests.values())

    # --- what happens next ---

    def _step(self) -> tuple[Entry, ...]:
        seller = self._next
        if seller is not None and (seller.created_at_us <= self._now_us or not self._accounts):
            self._next = next(self._to_open, None)
            return self._opening(seller)
        account = self._somebody()
        dice = self._random.random()
        if dice < 0.90:
            return self._sale(account)
        if dice < 0.93:
            return self._play(account, self._sell(account, expires_in_s=self._random.choice((900, 3_600, 604_800))))
        if dice < 0.96:
            return self._close()
        if dice < 0.97:
            return self._refund()
        if dice < 0.994:
            return self._credit(account)
        if dice < 0.997:
            return self._play(account, Adjust(self._admin(), self._random.randrange(1, 9_000), "credit", "correction"))
        return self._change(account)

    def _somebody(self) -> Account:
        random = self._random.random
        if random() < self._big_share:
            return self._accounts[0]
        return self._accounts[int(len(self._accounts) * random() ** 2)]

    def _opening(self, seller: Seller) -> tuple[Entry, ...]:
        account = Account(seller.id)
        self._accounts.append(account)
        opened = self._play(account, Open(seller.currency))
        return opened + self._play(account, Adjust(self._admin(), self._amount(), "credit", "opening credit"))

    def _sale(self, account: Account | None = None) -> tuple[Entry, ...]:
        account = account or self._somebody()
        while account.is_suspended:
            account = self._somebody()
        if account.available < RESTOCK_BELOW and self._random.random() < 0.5:
            return self._credit(account)
        entries = self._play(account, self._sell(account))
        if entries[0].type is EntryType.CHARGE and self._random.random() < 0.05:
            self._refundable.append((account, entries[0]))
        return entries

    def _sell(self, account: Account, *, expires_in_s: int | None = None) -> Charge:
        random = self._random.random
        return Charge(
            self._caller(account),
            # Some number of ten million; every tenth sale is to one of a hundred thousand regulars.
            f"+1555{int(random() * (10**7 if random() < 0.9 else 10**5)):07d}",
            10**9 if random() < 0.01 else int(100 + random() * 1_900),
            f"order {int(random() * 10**6)}" if random() < 0.3 else None,
            '{"till":"7"}' if random() < 0.1 else None,
            expires_in_s,
        )

    def _close(self) -> tuple[Entry, ...]:
        while self._holds:
            account, charge_id = self._holds.popleft()
            hold = account.charges.get(charge_id)
            if hold is None:
                continue
            dice = self._random.random()
            if dice < 0.6:
                return self._play(account, Capture(self._caller(account), charge_id))
            if dice < 0.8:
                return self._play(account, Capture(self._caller(account), charge_id, hold.row.amount // 2))
            return self._play(account, Void(self._caller(account), charge_id))
        return self._sale()

    def _refund(self) -> tuple[Entry, ...]:
        if not self._refundable:
            return self._sale()
        account, opening = self._refundable[self._random.randrange(len(self._refundable))]
        row = self._charges.get(opening.id) or unwritten_charge(opening)
        assert row is not None
        account.charges[opening.id] = OpenedCharge(row, opening)
        left = account.charges[opening.id].row.amount - account.charges[opening.id].row.refunded
        amount = None if self._random.random() < 0.5 else left // 2 or None
        entries = self._play(account, Refund(self._admin(), opening.id, amount, "did not arrive"))
        forget_closed(account, opening.id)
        return entries

    def _credit(self, account: Account) -> tuple[Entry, ...]:
        """Asks for some, or has what was asked for decided."""
        if not account.requests:
            return self._play(account, RequestCredit(self._caller(account), self._amount(), None))
        request_id = next(iter(account.requests))
        dice = self._random.random()
        if dice < 0.9:
            return self._play(account, DecideCredit(self._admin(), request_id, "approve"))
        if dice < 0.95:
            return self._play(account, DecideCredit(self._admin(), request_id, "reject", "too soon"))
        return self._play(account, DecideCredit(self._caller(account), request_id, "cancel"))

    def _change(self, account: Account) -> tuple[Entry, ...]:
        dice = self._random.random()
        if self._suspended and dice < 0.2:
            return self._play(self._suspended.popleft(), ChangeAccount(self._admin(), is_suspended=False))
        if dice < 0.5 and account is not self._accounts[0] and not account.is_suspended:
            self._suspended.append(account)
            return self._play(account, ChangeAccount(self._admin(), is_suspended=True))
        return self._play(account, ChangeAccount(self._admin(), credit_limit=self._random.randrange(1, 90) * 1_000))

    def _expiry(self) -> tuple[Entry, ...]:
        account = heapq.heappop(self._due)[2]
        entry = expire(account, self._now_us)
        return () if entry is None else self._take(account, (entry,))

    # --- by the rules ---

    def _play(self, account: Account, command: Command) -> tuple[Entry, ...]:
        """No entries where the rules refuse it, or where it changes nothing."""
        decision = decide(account, command, self._now_us, RULES)
        return () if isinstance(decision, Refusal) or not decision else self._take(account, decision)

    def _take(self, account: Account, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        for entry in entries:
            row = apply(account, entry)
            if isinstance(row, ChargeRow):
                self._charges[row.id] = row
                if entry.type is EntryType.HOLD:
                    assert row.expires_at_us is not None
                    heapq.heappush(self._due, (row.expires_at_us, row.id, account))
                    self._holds.append((account, row.id))
                elif row.status is ChargeStatus.COMPLETED:
                    self._refundable.append((account, account.charges[row.id].opening))
            elif isinstance(row, CreditRequestRow):
                self._requests[row.id] = row
        if entries[0].subject_id is not None:
            forget_closed(account, entries[0].subject_id)
        return entries

    def _caller(self, account: Account) -> Caller:
        random = self._random
        if random.random() < WITH_KEY:
            return Caller(account.seller_id, False, f"{random.getrandbits(128):032x}", random.randbytes(16))
        return Caller(account.seller_id, False)

    def _admin(self) -> Caller:
        return Caller(self._random.choice(self._admins), True)

    def _amount(self) -> int:
        return self._random.randrange(*RESTOCK)
