"""Objects of the contract: made from entries alone, so that they can be repeated and checked by others."""

import json
import re
import textwrap
from typing import Any, Literal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from actors.account import Account, Rules, apply, decide, expire, has_due
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
from journal import chain
from journal.entry import CHARGE_FOLLOWERS, CHARGE_OPENERS, REQUEST_FOLLOWERS, Entry, EntryType
from journal.money import format_minor
from journal.projections import ChargeRow, ChargeStatus, CreditRequestRow, OpenedCharge, Row, unwritten_charge
from journal.rows import entry_of
from journal.times import format_time
from service import answers

SELLER = "0195f3a2-c4b0-7000-8000-002a5d3e9c41"
ONE_ADMIN = Rules()
ADMINS = ("0195f3a2-c4b0-7000-8000-00000000000a", "0195f3a2-c4b0-7000-8000-00000000000b")

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
maybe_text = st.none() | texts
metadata = st.none() | st.dictionaries(texts, texts, min_size=1, max_size=3).map(
    lambda each: msgspec.json.encode(each, order="sorted").decode()
)
keys = st.none() | st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=12)
amounts = st.integers(1, 12_000)
STEPS = ("adjust", "charge", "hold", "capture", "void", "refund", "ask", "decide", "limit", "status")
directions: st.SearchStrategy[Literal["credit", "debit"]] = st.sampled_from(["credit", "credit", "debit"])
decisions: st.SearchStrategy[Literal["approve", "reject", "cancel"]] = st.sampled_from(
    ["approve", "approve", "reject", "cancel"]
)


class Play:
    """A seller's account that commands happen to, with all its entries and rows."""

    def __init__(self, currency: str, rules: Rules = ONE_ADMIN) -> None:
        self.rules = rules
        self.account = Account(SELLER)
        self.entries: list[Entry] = []
        self.rows: dict[str, Row] = {}
        self.now_us = 1_790_000_000_000_000
        self.does(Open(currency))

    def does(self, command: Command) -> list[Done]:
        """The outcome of the command, preceded by those of the holds that expired before it."""
        first = len(self.entries)
        while has_due(self.account, self.now_us):
            expiry = expire(self.account, self.now_us)
            if expiry is not None:
                self._write(expiry)
        decision = decide(self.account, command, self.now_us, self.rules)
        if not isinstance(decision, Refusal):
            for entry in decision:
                self._write(entry)
        # The rest of a partial capture is no answer: it is followed by the capture.
        return [
            self.done(index + 1)
            for index in range(first, len(self.entries))
            if not (
                index + 1 < len(self.entries)
                and self.entries[index].type is EntryType.VOID
                and self.entries[index + 1].type is EntryType.CAPTURE
            )
        ]

    def _write(self, entry: Entry) -> None:
        row = apply(self.account, entry)
        self.entries.append(entry)
        if isinstance(row, ChargeRow | CreditRequestRow):
            self.rows[row.id] = row
        elif (charge := unwritten_charge(entry)) is not None:
            self.rows[charge.id] = charge

    def done(self, seq: int) -> Done:
        entry = self.entries[seq - 1]
        opening = next((each for each in self.entries if each.id == entry.subject_id), None)
        return Done(entry, seq + 1000, self.account.currency, opening)

    def subjects(self, is_charge: bool) -> list[str]:
        types = CHARGE_OPENERS if is_charge else {EntryType.CREDIT_REQUESTED}
        return [entry.id for entry in self.entries if entry.type in types]


@st.composite
def plays(draw: st.DrawFn) -> tuple[Play, list[tuple[Done, Row | None]]]:
    """A history with every kind of entry, and each answered entry with the row as it was after it."""
    play = Play(draw(st.sampled_from(["USD", "JPY", "KWD"])), Rules(second_admin_above="50"))
    answered: list[tuple[Done, Row | None]] = []
    used: set[tuple[bool, str]] = set()

    def caller(by_admin: bool) -> Caller:
        key = draw(keys)
        if key is None or (by_admin, key) in used:
            key = None
        else:
            used.add((by_admin, key))
        made_by = draw(st.sampled_from(ADMINS)) if by_admin else SELLER
        return Caller(made_by, by_admin, key, draw(st.binary(min_size=16, max_size=16)) if key else None)

    steps = draw(st.lists(st.sampled_from(STEPS)))
    for step in ["adjust", *steps]:
        play.now_us += draw(st.sampled_from([0, 1, 999_999, 5_000_000]))
        charges, requests = play.subjects(is_charge=True), play.subjects(is_charge=False)
        command: Command
        match step:
            case "adjust":
                direction = draw(directions)
                command = Adjust(caller(True), draw(amounts) % 5_000 + 1, direction, draw(texts))
            case "charge" | "hold":
                expires_in_s = draw(st.integers(1, 60)) if step == "hold" else None
                command = Charge(
                    caller(False), "+15550100001", draw(amounts), draw(maybe_text), draw(metadata), expires_in_s
                )
            case "capture" if charges:
                command = Capture(caller(False), draw(st.sampled_from(charges)), draw(st.none() | amounts))
            case "void" if charges:
                command = Void(caller(False), draw(st.sampled_from(charges)))
            case "refund" if charges:
                charge_id = draw(st.sampled_from(charges))
                if charge_id not in play.account.charges:
                    opening = next(entry for entry in play.entries if entry.id == charge_id)
                    row = play.rows[charge_id]
                    assert isinstance(row, ChargeRow)
                    play.account.charges[charge_id] = OpenedCharge(row, opening)
                command = Refund(caller(True), charge_id, draw(st.none() | amounts), draw(texts))
            case "ask":
                command = RequestCredit(caller(False), draw(amounts), draw(maybe_text))
            case "decide" if requests:
                verb = draw(decisions)
                request_id = draw(st.sampled_from(requests))
                command = DecideCredit(caller(verb != "cancel"), request_id, verb, draw(maybe_text))
            case "limit":
                command = ChangeAccount(caller(True), credit_limit=draw(st.integers(0, 4_000)))
            case "status":
                command = ChangeAccount(caller(True), is_suspended=draw(st.booleans()))
            case _:
                continue
        for done in play.does(command):
            subject = done.entry.charge_id or done.entry.credit_request_id
            answered.append((done, play.rows.get(subject) if subject else None))
    return play, answered


def from_journal(entry: Entry | None) -> Entry | None:
    """The entry as it comes back from the journal, where ids and times have columns and the rest is derived."""
    if entry is None:
        return None
    columns = [getattr(entry, name) for name in Entry.__struct_fields__ if name != "previous_hash"]
    columns[3] = str(columns[3])
    return entry_of(columns, entry.previous_hash)


def objects(done: Done) -> list[bytes]:
    """Everything that may be answered about an entry, encoded."""
    encoded = [msgspec.json.encode(answers.transaction(done.entry, done.position, done.currency))]
    if done.entry.type in CHARGE_OPENERS | CHARGE_FOLLOWERS:
        encoded.append(msgspec.json.encode(answers.charge(done)))
    if done.entry.type in REQUEST_FOLLOWERS | {EntryType.CREDIT_REQUESTED}:
        encoded.append(msgspec.json.encode(answers.credit_request(done)))
    return encoded


@given(plays())
def test_what_was_rebuilt_from_the_journal_answers_the_same_bytes(played: tuple[Play, list[Any]]) -> None:
    for done, _ in played[1]:
        entry = from_journal(done.entry)
        assert entry is not None
        again = Done(entry, done.position, done.currency, from_journal(done.opening), is_replay=True)
        assert objects(again) == objects(done)


@given(plays())
def test_a_charge_is_what_its_projection_says(played: tuple[Play, list[tuple[Done, Row | None]]]) -> None:
    """Two ways to the same facts: the entries that an answer is made of, and the row that lists filter by."""
    for done, row in played[1]:
        if done.entry.charge_id is None:
            continue
        assert isinstance(row, ChargeRow)
        charge = answers.charge(done)
        opening = done.opening or done.entry
        assert (charge.id, charge.status) == (row.id, row.status)
        assert charge.refunded_amount == format_minor(row.refunded, done.currency)
        assert charge.expires_at == (format_time(row.expires_at_us) if row.expires_at_us else None)
        if row.status is ChargeStatus.FAILED:
            assert charge.failure_code == "insufficient_credit"
        else:
            assert charge.amount == format_minor(row.amount, done.currency)
            assert charge.failure_code is None
        assert charge.phone_number == opening.phone_number
        assert charge.reference == opening.reference
        assert charge.created_at == format_time(opening.at_us)
        assert charge.seq == done.entry.seq
        assert charge.receipt == answers.transaction(done.entry, 1, done.currency).hash
        assert charge.balance.available == format_minor(done.entry.available_after, done.currency)


@given(plays())
def test_a_credit_request_is_what_its_projection_says(played: tuple[Play, list[tuple[Done, Row | None]]]) -> None:
    for done, row in played[1]:
        if done.entry.credit_request_id is None:
            continue
        assert isinstance(row, CreditRequestRow)
        request = answers.credit_request(done)
        assert (request.id, request.status, request.note) == (row.id, row.status, row.note)
        assert request.amount == format_minor(row.amount, done.currency)
        assert [(each.by, each.at) for each in request.approvals] == [
            (each.by, format_time(each.at_us)) for each in row.approvals
        ]
        assert (request.decision_note, request.decided_by) == (row.decision_note, row.decided_by)
        assert request.decided_at == (format_time(row.decided_at_us) if row.decided_at_us else None)
        assert request.created_at == format_time(row.requested_at_us)


def documented_recipe() -> Any:
    """The function that the documentation of the chain gives to auditors, run as it stands there."""
    assert chain.__doc__ is not None
    code = re.search(r"^    import hashlib.*?^\n?(?=\S)", chain.__doc__, re.DOTALL | re.MULTILINE)
    assert code is not None
    names: dict[str, Any] = {}
    exec(textwrap.dedent(code[0]), names)
    return names["receipt"]


@given(plays())
def test_an_auditor_recomputes_every_hash_from_what_was_answered(played: tuple[Play, list[Any]]) -> None:
    receipt = documented_recipe()
    play, answered = played
    previous = "0" * 64
    for position, entry in enumerate(play.entries, 1):
        document = json.loads(
            msgspec.json.encode(answers.transaction(entry, position, play.account.currency)), parse_float=None
        )
        assert document["previous_hash"] == previous
        assert receipt(document) == document["hash"]
        previous = document["hash"]
    for done, _ in answered:
        if done.entry.charge_id is not None:
            assert answers.charge(done).receipt == done.entry.hash.hex()


@given(plays())
def test_debits_and_credits_of_transactions_give_the_balance(played: tuple[Play, list[Any]]) -> None:
    """`available_after` is the sum of `amount`; the named accounts tell the same story as the signs."""
    play, _ = played
    available = held = 0
    for entry in play.entries:
        shown = answers.transaction(entry, 1, play.account.currency)
        available += entry.amount
        held += entry.held_change
        assert shown.available_after == format_minor(available, play.account.currency)
        assert shown.held_after == format_minor(held, play.account.currency)
        assert (
            (shown.debit_account is None)
            == (shown.credit_account is None)
            == (not entry.amount and not entry.held_change)
        )
        if entry.amount:
            assert (shown.credit_account == "available") == (entry.amount > 0)
            assert (shown.debit_account == "available") == (entry.amount < 0)


def test_details_are_spliced_to_the_byte() -> None:
    """The order of members is what the hash covers; a decoder between journal and answer would lose it."""
    play = Play("USD")
    play.does(Adjust(Caller(ADMINS[0], True), 10_000, "credit", "start"))
    caller = Caller(SELLER, False, 'key "1"', bytes(range(16)))
    (done,) = play.does(Charge(caller, "+15550100001", 5_000, 'a"b', '{"z":"1","a":"\\u0001é"}'))
    encoded = msgspec.json.encode(answers.transaction(done.entry, 7, "USD"))
    assert (
        '"details":{"phone_number":"+15550100001","reference":"a\\"b","metadata":{"z":"1","a":"\\u0001é"},'
        '"idempotency_key":"key \\"1\\"","request_hash":"000102030405060708090a0b0c0d0e0f"},'
    ).encode() in encoded
    assert b'"metadata":{"z":"1","a":"\\u0001\xc3\xa9"},"failure_code":null' in msgspec.json.encode(
        answers.charge(done)
    )


def test_a_partial_capture_answers_what_was_captured() -> None:
    play = Play("USD")
    play.does(Adjust(Caller(ADMINS[0], True), 10_000, "credit", "start"))
    (held,) = play.does(Charge(Caller(SELLER, False), "+15550100001", 5_000, expires_in_s=60))
    (captured,) = play.does(Capture(Caller(SELLER, False), held.entry.id, 2_000))
    charge = answers.charge(captured)
    assert (charge.status, charge.amount, charge.seq) == ("completed", "20.00", 5)
    assert (charge.balance.available, charge.balance.held) == ("80.00", "0.00")
    (refunded,) = play.does(Refund(Caller(ADMINS[0], True), held.entry.id, 500, "because"))
    charge = answers.charge(refunded)
    assert (charge.status, charge.amount, charge.refunded_amount) == ("partially_refunded", "20.00", "5.00")


def test_what_the_service_does_by_itself_is_made_by_the_system() -> None:
    play = Play("JPY")
    play.does(Adjust(Caller(ADMINS[0], True), 4_000, "credit", "start"))
    (held,) = play.does(Charge(Caller(SELLER, False), "+15550100001", 500, expires_in_s=60))
    play.now_us += 61_000_000
    (expired,) = play.does(Void(Caller(SELLER, False), held.entry.id))
    assert answers.transaction(expired.entry, 4, "JPY").made_by == "system"
    charge = answers.charge(expired)
    assert (charge.status, charge.amount, charge.balance.available) == ("expired", "500", "4000")
