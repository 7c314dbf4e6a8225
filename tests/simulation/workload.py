"""What clients want, drawn by the seed: every command, often the same again, now and then something wrong.

Amounts are few and round, so that balances hit floors and limits exactly; some miss by one.
"""

from collections.abc import Sequence
from hashlib import blake2b
from random import Random
from typing import Any, Final, Literal

import msgspec
from msgspec.structs import replace

from actors.commands import (
    AccountView,
    Adjust,
    Caller,
    Capture,
    ChangeAccount,
    Charge,
    ChargeMany,
    Command,
    DecideCredit,
    Done,
    ManyDone,
    Refund,
    RequestCredit,
    Settle,
    Void,
)
from journal.entry import CHARGE_OPENERS, Entry, EntryType
from journal.store import Batch
from journal.times import parse_time
from tests.simulation.operations import History, Operation
from tests.simulation.plan import EPOCH_US, Plan

CURRENCY: Final = "USD"
BALANCE_MAX: Final = 10**18
AMOUNT_MAX: Final = 10**15 - 1
"""The longest text of an amount."""
ADMINS: Final = ("admin-a", "admin-b")
UNKNOWN_SELLER: Final = "0192f0c1-0000-7000-8000-0000000000ff"
POISON: Final = "a value that the database does not take"
_AMOUNTS: Final = (100, 100, 200, 300, 500, 1_000)
_KINDS: Final = {
    "charge": 30,
    "hold": 14,
    "batch": 10,
    "capture": 9,
    "void": 4,
    "refund": 8,
    "request": 8,
    "decide": 12,
    "adjust": 12,
    "change": 5,
    "read": 12,
}


def seller_ids(count: int) -> list[str]:
    return [f"0192f0c1-0000-7000-8000-0000000000{number:02x}" for number in range(1, count + 1)]


def is_poison(batch: Batch) -> bool:
    return any(entry.reference == POISON for entry in batch.entries)


class Workload:
    def __init__(self, random: Random, plan: Plan, history: History, sellers: list[str]) -> None:
        self._random = random
        self._plan = plan
        self._history = history
        self._sellers = sellers
        self._keyed: dict[tuple[str, bool, str, bytes | None], Operation] = {}
        self._keys: list[tuple[str, str]] = []
        self._charges: list[tuple[str, str]] = []
        self._holds: list[tuple[str, str]] = []
        self._sales: list[tuple[str, str]] = []
        self._expires_at_s: dict[str, float] = {}
        """Of holds: in virtual time."""
        self._requests: list[tuple[str, str]] = []
        self._balances: dict[str, int] = {}
        """What each seller could spend when it was last told."""
        self._learned = 0

    def next(self) -> Operation:
        """A new operation, or one that was asked before and is to be asked again."""
        random, operations = self._random, self._history.operations
        self._learn()
        if operations and random.random() < self._plan.duplicate_p:
            # Lately, or so long ago that its key is no longer in memory.
            ago = int(random.expovariate(0.15)) if random.random() < 0.6 else random.randrange(len(operations))
            again = operations[-min(ago + 1, len(operations))]
            if again.is_repeatable:
                return again
        return self._new(self._seller())

    def delay_s(self, operation: Operation, now_s: float) -> float:
        """What a hold is asked for, and an atomic batch, come at times in the moment in which it ends by itself."""
        command = operation.command
        expires_at_s = None
        if isinstance(command, Capture | Void | Refund) and self._random.random() < 0.4:
            expires_at_s = self._expires_at_s.get(command.charge_id)
        elif isinstance(command, ChargeMany) and self._random.random() < 0.7:
            ends = [self._expires_at_s[hold] for seller_id, hold in self._holds if seller_id == operation.seller_id]
            expires_at_s = min((end for end in ends if end > now_s), default=None)
        if expires_at_s is None or expires_at_s > now_s + 10.0:
            return 0.0
        return max(0.0, expires_at_s - now_s - 2 * self._plan.latency_s * self._random.random())

    def companion(self, operation: Operation) -> Operation | None:
        """What comes just ahead of an atomic batch: a request from long ago, which the journal gives back while the
        batch is being decided."""
        command = operation.command
        if not isinstance(command, ChargeMany) or not command.is_atomic or self._random.random() < 0.2:
            return None
        asked = self._history.operations[: operation.number]
        old = [each for each in asked if each.is_repeatable and each.seller_id == operation.seller_id]
        return self._random.choice(old) if old else None

    def new_read(self, seller_id: str) -> Operation:
        return self._add(seller_id, Settle(Caller(self._tag(), False)))

    def new_credit(self, seller_id: str, amount: int) -> Operation:
        caller = Caller(self._tag(), True, f"credit-{len(self._history.operations)}", b"0" * 16)
        return self._add(seller_id, Adjust(caller, amount, "credit", self._tag()))

    def _new(self, seller_id: str) -> Operation:
        (kind,) = self._random.choices(list(_KINDS), list(_KINDS.values()))
        if kind == "charge" and self._is_absurd():
            kind = "refund"  # Which there may be no room for.
        if kind == "batch":
            return self._batch(seller_id)
        return self._add(seller_id, self._command(kind, seller_id))

    def _batch(self, seller_id: str) -> Operation:
        """Of new charges, and in one of a few there is one that was asked before."""
        random = self._random
        parts = [
            self._add(seller_id, self._command(random.choice(("charge", "hold")), seller_id))
            for _ in range(random.randrange(1, 7) if random.random() < 0.6 else 25)
        ]
        is_atomic = random.random() < 0.5
        for part in parts:
            part.is_part_of_atomic = is_atomic
        if random.random() < 0.3:
            before = [
                each
                for each in self._history.operations[-30 : -len(parts)]
                if each.is_repeatable and each.seller_id == seller_id and isinstance(each.command, Charge)
            ]
            if before:
                parts.insert(random.randrange(len(parts) + 1), random.choice(before))
        charges = tuple(part.command for part in parts if isinstance(part.command, Charge))
        return self._add(seller_id, ChargeMany(Caller(self._tag(), False), charges, is_atomic), parts)

    def _add(self, seller_id: str, command: Command, parts: Sequence[Operation] = ()) -> Operation:
        caller = command.caller
        if caller.idempotency_key is not None:
            # The same key for the same request makes it the same operation, by accident too.
            identity = (seller_id, caller.by_admin, caller.idempotency_key, caller.request_hash)
            if identity in self._keyed:
                return self._keyed[identity]
        number = len(self._history.operations)
        is_poison = isinstance(command, Charge) and command.reference == POISON
        is_poison = is_poison or any(part.is_poison for part in parts)
        operation = Operation(number, seller_id, self._tag(), command, is_poison, list(parts))
        self._history.operations.append(operation)
        if caller.idempotency_key is not None:
            self._keyed[identity] = operation
        return operation

    def first_credit(self) -> int:
        return BALANCE_MAX - 700 if self._plan.absurd_p else self._random.choice((300, 2_000, 10_000))

    def _is_absurd(self) -> bool:
        return self._random.random() < self._plan.absurd_p

    def _tag(self) -> str:
        """Of the next operation: who makes it, or for the decision of an admin, the note."""
        return f"o{len(self._history.operations)}"

    def _seller(self) -> str:
        if self._random.random() < 0.01:
            return UNKNOWN_SELLER
        return self._sellers[int(self._random.random() ** 2 * len(self._sellers))]

    def _command(self, kind: str, seller_id: str) -> Command:
        random, pick, tag = self._random, self._random.choice, self._tag()
        amount = pick(_AMOUNTS) + (pick((-1, 1)) if random.random() < 0.1 else 0)
        match kind:
            case "charge" | "hold":
                if random.random() < 0.1:
                    amount = max(1, self._available(seller_id) + pick((0, 0, 1, -1)))
                expires_in_s = pick((1, 2, 5, 60)) if kind == "hold" else None
                reference = POISON if random.random() < self._plan.poison_p else tag
                phone_number = f"+1555{len(self._history.operations):07}"
                metadata = pick((None, None, '{"till":"3"}'))
                body = Charge(Caller(tag, False), phone_number, amount, reference, metadata, expires_in_s)
                return self._with_key(seller_id, body)
            case "capture":
                part = pick((None, None, 100, 99, amount, 5_000))
                return self._with_key(
                    seller_id, Capture(Caller(tag, False), self._charge(seller_id, self._holds), part)
                )
            case "void":
                return self._with_key(seller_id, Void(Caller(tag, False), self._charge(seller_id, self._holds)))
            case "refund":
                part = pick((None, 50, 100, amount))
                sold = self._charge(seller_id, self._sales)
                return self._with_key(seller_id, Refund(Caller(tag, True), sold, part, tag))
            case "request":
                amount = AMOUNT_MAX if self._is_absurd() else amount * pick((1, 2, 3))
                return self._with_key(seller_id, RequestCredit(Caller(tag, False), amount, tag))
            case "decide":
                decision: Literal["approve", "reject", "cancel"]
                decision = pick(("approve", "approve", "approve", "reject", "cancel"))
                caller = Caller(seller_id, False) if decision == "cancel" else Caller(pick(ADMINS), True)
                return self._with_key(seller_id, DecideCredit(caller, self._request(seller_id), decision, tag))
            case "adjust":
                direction: Literal["credit", "debit"] = pick(("credit", "credit", "credit", "debit"))
                if direction == "credit":
                    # Up to the bound, which may leave no room for what comes back.
                    rest = BALANCE_MAX - max(0, self._available(seller_id))
                    amount = max(1, rest) if self._is_absurd() else amount * pick((1, 3, 10))
                return self._with_key(seller_id, Adjust(Caller(tag, True), amount, direction, tag))
            case "change":
                is_suspended = pick((None, None, False, False, False, True))
                limit = BALANCE_MAX if self._is_absurd() else pick((None, 0, 100, 500, 1_000))
                return ChangeAccount(Caller(tag, True), is_suspended, limit)
            case _:
                return Settle(Caller(tag, False))

    def _with_key(self, seller_id: str, command: Command) -> Command:
        """Mostly a key of its own; at times one that was used before, here or on the other side."""
        random = self._random
        caller = command.caller
        if random.random() < 0.2:
            return command
        key = f"k{len(self._history.operations)}"
        if self._keys and random.random() < 0.08:
            key_use, used = random.choice(self._keys[-6:])
            key = used if key_use == seller_id or random.random() < 0.3 else key
        self._keys.append((seller_id, key))
        fields = {name: getattr(command, name) for name in command.__struct_fields__ if name != "caller"}
        request_hash = blake2b(repr((type(command).__name__, fields)).encode(), digest_size=16).digest()
        return replace(command, caller=Caller(caller.made_by, caller.by_admin, key, request_hash))

    # --- what clients have learned from answers ---

    def _learn(self) -> None:
        what: Any
        events = self._history.events
        for _, _, kind, what in events[self._learned :]:
            if kind == "answer":
                _, answer = what
                for each in answer.results if isinstance(answer, ManyDone) else (answer,):
                    if isinstance(each, Done) and not each.is_replay:
                        self._learn_entry(each.entry)
                    elif isinstance(each, AccountView):
                        self._balances[each.seller_id] = each.available + each.credit_limit
        self._learned = len(events)

    def _learn_entry(self, entry: Entry) -> None:
        self._balances[entry.seller_id] = entry.available_after + entry.credit_limit
        found = (entry.seller_id, entry.id)
        if entry.type in CHARGE_OPENERS:
            self._charges.append(found)
        match entry.type:
            case EntryType.HOLD:
                self._holds.append(found)
                expires_at_us = parse_time(msgspec.json.decode(entry.details or "{}")["expires_at"])
                assert expires_at_us is not None
                self._expires_at_s[entry.id] = (expires_at_us - EPOCH_US) / 1_000_000
            case EntryType.CHARGE:
                self._sales.append(found)
            case EntryType.CAPTURE:
                self._sales.append((entry.seller_id, str(entry.subject_id)))
            case EntryType.CREDIT_REQUESTED:
                self._requests.append(found)

    def _charge(self, seller_id: str, fitting: list[tuple[str, str]]) -> str:
        return self._id(seller_id, fitting if fitting and self._random.random() < 0.8 else self._charges)

    def _request(self, seller_id: str) -> str:
        return self._id(seller_id, self._requests)

    def _id(self, seller_id: str, known: list[tuple[str, str]]) -> str:
        """Of a recent one of the seller; seldom one of another seller, or of nothing at all."""
        random = self._random
        own = [each for owner, each in known if owner == seller_id]
        if own and random.random() < 0.95:
            return own[-min(int(random.expovariate(0.5)) + 1, len(own))]
        if known and random.random() < 0.5:
            return random.choice(known)[1]
        return f"0192f0c1-0000-7000-8000-00{random.randrange(1, 5):02x}{seller_id[-8:]}"

    def _available(self, seller_id: str) -> int:
        return self._balances.get(seller_id, 0)
