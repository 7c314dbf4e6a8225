"""Rule 3: the journal's order is an order that real time allows."""

from loadtest.checker.case import Case
from loadtest.checker.violation import Findings, Name


def check_real_time(case: Case, findings: Findings) -> None:
    """If one acknowledgement came before another request was sent, its `seq` is lower.

    An answered read acknowledges what it shows: the other's `seq` is above that too.
    """
    for operation in case.operations:
        if operation.entry is None:
            continue
        findings.looked_at[3] += 1
        seen = case.timeline.seen_before(operation.made_from_ns)
        if seen >= operation.first_seq:
            findings.add(
                3,
                Name.ORDER_VIOLATED,
                f"{operation.request.kind} was sent after seq {seen} had been shown",
                seller_id=case.seller_id,
                seq=operation.entry.seq,
                key=operation.request.key,
            )
