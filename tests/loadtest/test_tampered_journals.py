"""Whatever is changed in the journal behind the shop's back, or in its closing balances, is found and named."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from loadtest.checker import Closing, Name
from loadtest.entries import JournalEntry
from loadtest.receipt import receipt
from tests.loadtest.plays import SELLERS, Play, Record

SELLER = next(iter(SELLERS))
Tamper = Callable[[Record, Random], None]


def played(seed: int) -> Record:
    play = Play(Random(seed))
    play.run(60)
    record = play.record()
    assert record.check().violations == []
    return record


def journal(record: Record) -> list[JournalEntry]:
    return record.journals[SELLER]


def change(record: Record, index: int, **members: Any) -> None:
    journal(record)[index] = replace(journal(record)[index], **members)


def some(record: Record, random: Random) -> int:
    """The index of an entry in the middle."""
    return random.randrange(1, len(journal(record)) - 1)


def moving(record: Record, random: Random) -> int:
    """The index of an entry that moves money."""
    return random.choice([index for index, entry in enumerate(journal(record)) if entry.amount])


def sealed_again(record: Record) -> None:
    """What somebody with all rights would do to hide it: the whole chain is made anew."""
    previous = "0" * 64
    for index in range(len(journal(record))):
        change(record, index, previous_hash=previous)
        previous = receipt(journal(record)[index])
        change(record, index, hash=previous)


def deletes_an_entry(record: Record, random: Random) -> None:
    del journal(record)[some(record, random)]


def deletes_the_last(record: Record, random: Random) -> None:
    del journal(record)[-1]


def deletes_everything(record: Record, random: Random) -> None:
    journal(record).clear()


def repeats_an_entry(record: Record, random: Random) -> None:
    index = some(record, random)
    journal(record).insert(index, journal(record)[index])


def swaps_two(record: Record, random: Random) -> None:
    index = some(record, random)
    entries = journal(record)
    entries[index], entries[index + 1] = entries[index + 1], entries[index]


def changes_an_amount(record: Record, random: Random) -> None:
    index = moving(record, random)
    change(record, index, amount=journal(record)[index].amount + 1)


def changes_an_amount_and_the_chain(record: Record, random: Random) -> None:
    changes_an_amount(record, random)
    sealed_again(record)


def changes_an_amount_with_all_balances_and_the_chain(record: Record, random: Random) -> None:
    index = moving(record, random)
    change(record, index, amount=journal(record)[index].amount + 1)
    for later in range(index, len(journal(record))):
        change(record, later, available_after=journal(record)[later].available_after + 1)
    sealed_again(record)


def changes_a_balance(record: Record, random: Random) -> None:
    index = some(record, random)
    change(record, index, available_after=journal(record)[index].available_after - 1)


def changes_what_is_held(record: Record, random: Random) -> None:
    index = some(record, random)
    change(record, index, held_after=journal(record)[index].held_after + 1)


def changes_a_hash(record: Record, random: Random) -> None:
    change(record, some(record, random), hash="f" * 64)


def changes_a_previous_hash(record: Record, random: Random) -> None:
    change(record, some(record, random), previous_hash="f" * 64)


def changes_who_did_it(record: Record, random: Random) -> None:
    change(record, some(record, random), made_by="0195f3a2-0000-7000-8000-00000000dead")


def changes_a_reason(record: Record, random: Random) -> None:
    change(record, some(record, random), reason="another")


def changes_the_details(record: Record, random: Random) -> None:
    index = some(record, random)
    change(record, index, details=journal(record)[index].details | {"phone_number": "+989120000002"})


def changes_the_order_of_details(record: Record, random: Random) -> None:
    index = next(index for index, entry in enumerate(journal(record)) if len(entry.details) > 1)
    change(record, index, details=dict(reversed(journal(record)[index].details.items())))


def changes_a_subject(record: Record, random: Random) -> None:
    indexes = [index for index, entry in enumerate(journal(record)) if entry.credit_request_id]
    change(record, random.choice(indexes), credit_request_id="0195f3a2-0000-7000-8000-00000000dead")


def goes_back_in_time(record: Record, random: Random) -> None:
    change(record, some(record, random), created_at="2020-01-01T00:00:00.000000Z")


def turns_an_account_round(record: Record, random: Random) -> None:
    index = moving(record, random)
    entry = journal(record)[index]
    change(record, index, debit_account=entry.credit_account, credit_account=entry.debit_account)


def takes_from_nowhere(record: Record, random: Random) -> None:
    change(record, moving(record, random), debit_account=None, credit_account=None)


def takes_from_another_account(record: Record, random: Random) -> None:
    index = next(index for index, entry in enumerate(journal(record)) if entry.type == "credit")
    change(record, index, debit_account="adjustments")


def uses_a_position_twice(record: Record, random: Random) -> None:
    other = list(record.journals)[1]
    change(record, -1, position=record.journals[other][-1].position)


def leaves_a_position_out(record: Record, random: Random) -> None:
    for seller_id, entries in record.journals.items():
        record.journals[seller_id] = [
            replace(entry, position=entry.position + (entry.position > 5)) for entry in entries
        ]


def turns_positions_round(record: Record, random: Random) -> None:
    index = some(record, random)
    first, second = journal(record)[index], journal(record)[index + 1]
    change(record, index, position=second.position)
    change(record, index + 1, position=first.position)


def invents_a_type(record: Record, random: Random) -> None:
    index = next(index for index, entry in enumerate(journal(record)) if not entry.amount and index)
    change(record, index, type="gift")


def opens_again(record: Record, random: Random) -> None:
    index = next(index for index, entry in enumerate(journal(record)) if not entry.amount and index)
    change(record, index, type="opened")


def begins_with_something_else(record: Record, random: Random) -> None:
    change(record, 0, type="reinstated")


def gives_a_charge_another_id(record: Record, random: Random) -> None:
    index = next(index for index, entry in enumerate(journal(record)) if entry.charge_id == entry.id)
    change(record, index, charge_id="0195f3a2-0000-7000-8000-00000000dead")
    sealed_again(record)


def charges_nothing(record: Record, random: Random) -> None:
    index = next(index for index, entry in enumerate(journal(record)) if not entry.amount and index)
    entry = journal(record)[index]
    details = {"phone_number": "+989120000002", "amount": "0.00"}
    change(record, index, type="declined", charge_id=entry.id, credit_request_id=None, details=details)
    sealed_again(record)


def closes(record: Record, **members: Any) -> None:
    balances = dict(record.closing.balances)
    balances[SELLER] = balances[SELLER] | members
    record.closing = Closing(balances, record.closing.trial_balance)


def closes_with_another_balance(record: Record, random: Random) -> None:
    closes(record, available="1.23")


def closes_with_more_held(record: Record, random: Random) -> None:
    closes(record, held="1.23")


def closes_with_another_seq(record: Record, random: Random) -> None:
    closes(record, seq=1)


def closes_without_a_balance(record: Record, random: Random) -> None:
    record.closing = Closing({}, record.closing.trial_balance)


def states(record: Record, **members: Any) -> None:
    assert record.closing.trial_balance is not None
    lines = [dict(line) for line in record.closing.trial_balance["currencies"]]
    lines[0].update(members)
    record.closing = Closing(record.closing.balances, {"currencies": lines})


def states_that_it_does_not_balance(record: Record, random: Random) -> None:
    states(record, balanced=False)
    record.is_whole_journal = False


def states_other_totals(record: Record, random: Random) -> None:
    states(record, total_debits="0.00")
    record.is_whole_journal = False


def states_other_sums(record: Record, random: Random) -> None:
    assert record.closing.trial_balance is not None
    accounts = [dict(each) for each in record.closing.trial_balance["currencies"][0]["accounts"]]
    accounts[0]["debits"] = "999999.00"
    states(record, accounts=accounts)


def leaves_a_currency_out(record: Record, random: Random) -> None:
    assert record.closing.trial_balance is not None
    lines = record.closing.trial_balance["currencies"][1:]
    record.closing = Closing(record.closing.balances, {"currencies": lines})


EXPECTED: list[tuple[Tamper, set[Name]]] = [
    (deletes_an_entry, {Name.SEQ_GAP, Name.BROKEN_CHAIN}),
    (deletes_the_last, {Name.TOTALS_OFF}),
    (deletes_everything, {Name.TOTALS_OFF, Name.LOST}),
    (repeats_an_entry, {Name.SEQ_GAP, Name.BROKEN_CHAIN, Name.POSITION_OUT_OF_ORDER}),
    (swaps_two, {Name.SEQ_GAP, Name.BROKEN_CHAIN, Name.POSITION_OUT_OF_ORDER}),
    (changes_an_amount, {Name.WRONG_BALANCE, Name.BROKEN_CHAIN}),
    (changes_an_amount_and_the_chain, {Name.WRONG_BALANCE}),
    (changes_an_amount_with_all_balances_and_the_chain, {Name.TOTALS_OFF}),
    (changes_a_balance, {Name.WRONG_BALANCE, Name.BROKEN_CHAIN}),
    (changes_what_is_held, {Name.WRONG_BALANCE, Name.BROKEN_CHAIN}),
    (changes_a_hash, {Name.BROKEN_CHAIN}),
    (changes_a_previous_hash, {Name.BROKEN_CHAIN}),
    (changes_who_did_it, {Name.BROKEN_CHAIN}),
    (changes_a_reason, {Name.BROKEN_CHAIN}),
    (changes_the_details, {Name.BROKEN_CHAIN}),
    (changes_the_order_of_details, {Name.BROKEN_CHAIN}),
    (changes_a_subject, {Name.BROKEN_CHAIN, Name.IMPOSSIBLE_STEP}),
    (goes_back_in_time, {Name.TIME_BACKWARDS, Name.BROKEN_CHAIN}),
    (turns_an_account_round, {Name.UNBALANCED, Name.TOTALS_OFF}),
    (takes_from_nowhere, {Name.UNBALANCED, Name.TOTALS_OFF}),
    (takes_from_another_account, {Name.UNBALANCED, Name.TOTALS_OFF}),
    (uses_a_position_twice, {Name.POSITION_OUT_OF_ORDER}),
    (leaves_a_position_out, {Name.POSITION_OUT_OF_ORDER}),
    (turns_positions_round, {Name.POSITION_OUT_OF_ORDER}),
    (invents_a_type, {Name.IMPOSSIBLE_STEP, Name.BROKEN_CHAIN}),
    (opens_again, {Name.IMPOSSIBLE_STEP, Name.BROKEN_CHAIN}),
    (begins_with_something_else, {Name.IMPOSSIBLE_STEP, Name.BROKEN_CHAIN}),
    (gives_a_charge_another_id, {Name.IMPOSSIBLE_STEP}),
    (charges_nothing, {Name.IMPOSSIBLE_STEP}),
    (closes_with_another_balance, {Name.TOTALS_OFF}),
    (closes_with_more_held, {Name.TOTALS_OFF}),
    (closes_with_another_seq, {Name.TOTALS_OFF}),
    (closes_without_a_balance, {Name.TOTALS_OFF}),
    (states_that_it_does_not_balance, {Name.TOTALS_OFF}),
    (states_other_totals, {Name.TOTALS_OFF}),
    (states_other_sums, {Name.TOTALS_OFF}),
    (leaves_a_currency_out, {Name.TOTALS_OFF}),
]


@pytest.mark.parametrize(("tamper", "names"), [pytest.param(*each, id=each[0].__name__) for each in EXPECTED])
@given(seed=st.integers(0, 2**32))
@settings(max_examples=6, deadline=None)
def test_tampering_is_found_and_named(tamper: Tamper, names: set[Name], seed: int):
    record = played(seed)
    tamper(record, Random(seed))
    assert names <= {violation.name for violation in record.check().violations}
