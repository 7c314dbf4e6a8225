"""Rule 5: who was declined for lack of credit did lack it."""

from loadtest.checker.case import Case
from loadtest.checker.violation import Findings, Name


def check_declines(case: Case, findings: Findings) -> None:
    """A decline for lack of credit is true of the balance at its `seq`."""
    for entry, limit in zip(case.entries, case.lifecycles.limit_after, strict=True):
        if entry.type != "declined":
            continue
        findings.looked_at[5] += 1
        amount = entry.detail_amount("amount")
        if amount <= entry.available_after + limit:
            findings.add(
                5,
                Name.FALSE_DECLINE,
                f"{amount} was declined with {entry.available_after} available and a limit of {limit}",
                seller_id=case.seller_id,
                seq=entry.seq,
                key=entry.key,
            )
