"""A shop in memory for the checker's tests: the real rules and the real answers, in virtual time.

It lets one request happen at one moment and gives the answer that the service would give. Since rules, hashes
and answers are the service's own, a history that it makes is correct by what the service means by that; the
checker, which shares none of this code, must agree. Its methods are small so that a lie can replace one.
"""

from copy import deepcopy
from typing import Any

import msgspec

from actors.account import Account, Rules, apply, decide, expire, missing
from actors.commands import (
    Adjust,
    Caller,
    Capture,
    ChangeAccount,
    Charge,
    Command,
    DecideCredit,
    Done,
    Open,
    Refund,
    Refusal,
    RequestCredit,
    Void,
)
from actors.envelope import KEY_REUSED
from journal.entry import CHARGE_FOLLOWERS, CHARGE_OPENERS, Entry
from journal.money import format_minor
from journal.projections import OpenedCharge, unwritten_charge
from loadtest.checker import Closing
from loadtest.entries import JournalEntry, entry_of
from loadtest.history import LIST_LIMIT, Kind, Request
from service import answers
from service.handlers.outcomes import declined, refused
from service.meaning import canonical_metadata
from service.problems import Problem

ADMIN = "0195f3a2-0000-7000-8000-00000000ad01"
Answer = tuple[int, bytes, bool]
"""Status, body, whether it is a replay."""


class Shop:
    def __init__(self, currencies: dict[str, str], now_us: int) -> None:
        """`currencies`: by seller id."""
        self.now_us = now_us
        self.accounts = {seller_id: Account(seller_id) for seller_id in currencies}
        self.entries: dict[str, list[tuple[Entry, int]]] = {seller_id: [] for seller_id in currencies}
        """With their positions."""
        self.remembered: dict[tuple[str, str, str], tuple[Request, Done]] = {}
        self.position = 0
        self.request_number = 0
        for seller_id, currency in currencies.items():
            self.write(seller_id, (decide(self.accounts[seller_id], Open(currency), now_us, Rules()),))

    # --- what it does -----------------------------------------------------------------------------------

    def ask(self, request: Request) -> Answer:
        """Lets the request happen now."""
        self.settle(request.seller_id)
        if request.kind is Kind.READ_BALANCE:
            return 200, encode(self.balance(request.seller_id)), False
        if request.kind is Kind.READ_CHARGE:
            assert request.target is not None
            return 200, encode(self.charge(request.seller_id, request.target)), False
        if request.kind is Kind.LIST_CHARGES:
            return 200, encode(self.newest_charges(request.seller_id)), False
        if request.key is not None:
            known = self.remembered.get((request.seller_id, request.side, request.key))
            if known is not None:
                return self.again(request, *known)
        return self.first_time(request)

    def first_time(self, request: Request) -> Answer:
        account = self.accounts[request.seller_id]
        command = command_of(request)
        self.load(account, missing(account, command))
        decision = decide(account, command, self.now_us, Rules())
        if isinstance(decision, Refusal):
            return self.refuse(refused(decision, request.currency))
        if request.kind is Kind.SET_LIMIT:
            self.write(request.seller_id, (decision,))
            return 200, b"{}", False
        done = self.done(request, *self.write(request.seller_id, (decision,)))
        if request.key is not None:
            self.remembered[request.seller_id, request.side, request.key] = (request, done)
        return (*self.answer(request, done), False)

    def again(self, request: Request, first: Request, done: Done) -> Answer:
        if first != request:
            return self.refuse(refused(KEY_REUSED, request.currency))
        return (*self.answer(request, done), True)

    def balance(self, seller_id: str) -> Any:
        return answers.balance(self.accounts[seller_id].view(self.now_us))

    def charge(self, seller_id: str, charge_id: str) -> Any:
        opening, last = self.charge_entries(seller_id, charge_id)
        return answers.charge_as_of(opening, last, self.accounts[seller_id].currency)

    def newest_charges(self, seller_id: str) -> Any:
        ids = [entry.id for entry, _ in reversed(self.entries[seller_id]) if entry.type in CHARGE_OPENERS]
        newest = [self.charge(seller_id, charge_id) for charge_id in ids[:LIST_LIMIT]]
        return {"data": newest, "has_more": len(ids) > LIST_LIMIT, "next_cursor": None}

    # --- what it is made of -----------------------------------------------------------------------------

    def settle(self, seller_id: str) -> None:
        account = self.accounts[seller_id]
        while entry := expire(account, self.now_us):
            self.write(seller_id, ((entry,),))

    def write(self, seller_id: str, decisions: tuple[Any, ...]) -> tuple[Entry | None, int]:
        """The last entry, and its position."""
        entry = None
        for entries in decisions:
            assert isinstance(entries, tuple)
            for entry in entries:
                self.position += 1
                apply(self.accounts[seller_id], entry)
                self.entries[seller_id].append((entry, self.position))
        return entry, self.position

    def load(self, account: Account, charge_id: str | None) -> None:
        """A charge that was completed at once is not kept in the account until a command needs it."""
        for entry, _ in self.entries[account.seller_id]:
            row = unwritten_charge(entry)
            if row is not None and row.id == charge_id:
                account.charges[row.id] = OpenedCharge(row, entry)

    def done(self, request: Request, entry: Entry | None, position: int) -> Done:
        assert entry is not None
        opening = None
        if entry.subject_id is not None:
            opening = next(each for each, _ in self.entries[request.seller_id] if each.id == entry.subject_id)
        return Done(entry, position, self.accounts[request.seller_id].currency, opening)

    def answer(self, request: Request, done: Done) -> tuple[int, bytes]:
        match request.kind:
            case Kind.CHARGE if done.entry.type == "declined":
                return self.refuse(declined(done))[:2]
            case Kind.CHARGE:
                return 201, encode(answers.charge(done))
            case Kind.CAPTURE | Kind.VOID | Kind.REFUND:
                return 200, encode(answers.charge(done))
            case Kind.ADJUST:
                return 201, encode(answers.transaction(done.entry, done.position, done.currency))
            case _:
                return 201 if request.kind is Kind.REQUEST_CREDIT else 200, encode(answers.credit_request(done))

    def refuse(self, problem: Problem) -> Answer:
        self.request_number += 1
        return problem.status, problem.body(f"request-{self.request_number}"), False

    def charge_entries(self, seller_id: str, charge_id: str) -> tuple[Entry, Entry]:
        """The entry that opened the charge, and the last one about it."""
        own = [
            entry
            for entry, _ in self.entries[seller_id]
            if (entry.type in CHARGE_OPENERS and entry.id == charge_id)
            or (entry.type in CHARGE_FOLLOWERS and entry.subject_id == charge_id)
        ]
        return own[0], own[-1]

    def account_state(self, seller_id: str) -> Any:
        """To be put back by `put_back`: what a shop that loses something still has."""
        return deepcopy((self.accounts[seller_id], self.entries[seller_id], self.remembered, self.position))

    def put_back(self, seller_id: str, state: Any) -> None:
        self.accounts[seller_id], self.entries[seller_id], self.remembered, self.position = state

    # --- what an auditor sees ---------------------------------------------------------------------------

    def journals(self) -> dict[str, list[JournalEntry]]:
        return {
            seller_id: [
                entry_of(shown(answers.transaction(entry, position, self.accounts[seller_id].currency)))
                for entry, position in entries
            ]
            for seller_id, entries in self.entries.items()
        }

    def closing(self) -> Closing:
        """Balances, and a trial balance that is summed here once more."""
        ledgers: dict[str, dict[str, list[int]]] = {}
        for seller_id, entries in self.journals().items():
            accounts = ledgers.setdefault(self.accounts[seller_id].currency, {})
            for entry in entries:
                if entry.debit_account is not None and entry.credit_account is not None:
                    moved = max(abs(entry.amount), abs(entry.held_change))
                    accounts.setdefault(entry.debit_account, [0, 0])[0] += moved
                    accounts.setdefault(entry.credit_account, [0, 0])[1] += moved
        return Closing(
            {seller_id: shown(self.balance(seller_id)) for seller_id in self.accounts},
            {"currencies": [_line(currency, accounts) for currency, accounts in ledgers.items()]},
        )


def _line(currency: str, accounts: dict[str, list[int]]) -> dict[str, Any]:
    def text(minor: int) -> str:
        return format_minor(minor, currency)

    total = sum(debits for debits, _ in accounts.values())
    return {
        "currency": currency,
        "accounts": [
            {"account": name, "debits": text(debits), "credits": text(credits_)}
            for name, (debits, credits_) in accounts.items()
        ],
        "total_debits": text(total),
        "total_credits": text(total),
        "balanced": True,
    }


def encode(answer: Any) -> bytes:
    return msgspec.json.encode(answer)


def shown(answer: Any) -> dict[str, Any]:
    decoded = msgspec.json.decode(encode(answer))
    assert isinstance(decoded, dict)
    return decoded


def command_of(request: Request) -> Command:
    by_admin = request.side == "admin"
    caller = Caller(request.made_by, by_admin, request.key, bytes(16) if request.key is not None else None)
    target, amount, note = request.target or "", request.amount or 0, request.note
    match request.kind:
        case Kind.CHARGE:
            assert request.phone_number is not None
            return Charge(
                caller,
                request.phone_number,
                amount,
                request.reference,
                canonical_metadata(request.metadata),
                (request.expires_in_s or 900) if request.is_hold else None,
            )
        case Kind.CAPTURE:
            return Capture(caller, target, request.amount)
        case Kind.VOID:
            return Void(caller, target)
        case Kind.REFUND:
            return Refund(caller, target, request.amount, note or "")
        case Kind.REQUEST_CREDIT:
            return RequestCredit(caller, amount, note)
        case Kind.ADJUST:
            return Adjust(caller, abs(amount), "debit" if amount < 0 else "credit", note or "")
        case Kind.SET_LIMIT:
            return ChangeAccount(caller, credit_limit=amount)
        case Kind.APPROVE:
            return DecideCredit(caller, target, "approve", note)
        case Kind.REJECT:
            return DecideCredit(caller, target, "reject", note)
        case _:
            return DecideCredit(caller, target, "cancel", note)
