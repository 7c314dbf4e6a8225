"""The exact checker: six rules that tell a correct history of the shop from any other.

Answers carry `seq` and the balance after it, so nothing has to be searched or guessed: the journal proposes one
order of all that happened, and everything that was seen from outside is held against it, seller by seller:

1. arithmetic        `seq` is 1..n; available_after[i] = available_after[i-1] + amount[i], never under the floor;
                     debits = credits; the chain verifies.
2. acknowledgements  Acknowledged: in the journal exactly once, the same fields. Refused: moved nothing
   and refusals      (and not without cause). Unknown: at most once. Retries agree.
3. real_time         If one acknowledgement came before another request was sent, its `seq` is lower.
4. reads             A read (seq, balance) equals the journal at that `seq`; it is at least every `seq`
                     acknowledged before the read was sent.
5. declines          A decline for lack of credit is true of the balance at its `seq`.
6. totals            Over all: approved credit + adjustments + refunds - charges = sum of balances.

Pure: no clock, no network, nothing of the service's code.
"""

from loadtest.checker.check import Checking, by_seller, check
from loadtest.checker.totals import Closing
from loadtest.checker.violation import RULES, Findings, Name, Violation

__all__ = ["RULES", "Checking", "Closing", "Findings", "Name", "Violation", "by_seller", "check"]
