"""What an actor, or identity, has answered: the value that the handler goes on with, or the problem to raise."""

from typing import Final, TypeVar

from actors.actor import InternalError, UnknownSeller
from actors.commands import AccountView, Done, Outcome, Refusal, RefusalCode
from actors.directory import Draining, Overloaded, RateLimited
from journal.entry import EntryType
from journal.money import format_minor
from journal.store import JournalFault
from service.http.headers import IDEMPOTENT_REPLAYED
from service.identity.refusals import IdentityCode, IdentityRefusal
from service.problems import KEY_FIELD, FieldError, Problem, ProblemCode, not_found

T = TypeVar("T")

FAULTS: Final = (JournalFault, RateLimited, Overloaded, Draining, UnknownSeller, InternalError)
"""Everything that `Directory.ask`, or the future that it returns, may raise. Caught by handlers that have applied
something already: none of these may be their answer then."""


def done(outcome: Outcome, currency: str) -> Done:
    """The command's entry. Raises what was refused, and what was declined for lack of credit."""
    if type(outcome) is not Done:
        assert isinstance(outcome, Refusal)
        raise refused(outcome, currency)
    if outcome.entry.type is EntryType.DECLINED:
        raise declined(outcome)
    return outcome


def view(outcome: Outcome, currency: str) -> AccountView:
    """The account, after a command that has written nothing. Raises what was refused."""
    if isinstance(outcome, AccountView):
        return outcome
    assert isinstance(outcome, Refusal)
    raise refused(outcome, currency)


def allowed(result: T | IdentityRefusal) -> T:
    """What identity did. Raises what it refused."""
    if not isinstance(result, IdentityRefusal):
        return result
    if result.code is IdentityCode.NOT_FOUND:
        raise not_found()  # As `refused`.
    raise Problem(
        ProblemCode(result.code.value),
        result.detail,
        errors=(FieldError(result.field, result.detail),) if result.field is not None else (),
        retry_after_s=result.retry_after_s,
    )


def refused(refusal: Refusal, currency: str, *, key_field: str = KEY_FIELD) -> Problem:
    """What the account refused. `key_field` is where the request had its idempotency key, of which an account only
    knows that it had one."""
    if refusal.code is RefusalCode.NOT_FOUND:
        return not_found()  # With the one body for all that is not there.
    field = key_field if refusal.code is RefusalCode.IDEMPOTENCY_KEY_REUSED else refusal.field
    return Problem(
        ProblemCode(refusal.code.value),
        refusal.detail,
        errors=(FieldError(field, refusal.detail),) if field is not None else (),
        available=format_minor(refusal.available, currency) if refusal.available is not None else None,
    )


def declined(charge: Done) -> Problem:
    """A charge that was declined, and is kept. A function of its entry alone, as all answers that may be repeated."""
    return Problem(
        ProblemCode.INSUFFICIENT_CREDIT,
        available=format_minor(charge.entry.available_after, charge.currency),
        charge_id=charge.entry.id,
        headers={IDEMPOTENT_REPLAYED: "true"} if charge.is_replay else None,
    )
