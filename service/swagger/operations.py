"""What each operation is for: what its documentation says that no type can say.

Schemas, the errors that all operations of a kind have, and who may call are added by `service.swagger.document`, which
makes `/swagger.json` of all of it: the API's contract.
"""

from functools import partial
from typing import Final

from service.problems import ProblemCode as _P
from service.swagger.document import Operation
from service.swagger.parts import LAST_EVENT_ID
from service.wire import answers, queries, requests

_of_signing_in = partial(Operation, tag="Signing in")

SIGN_IN: Final = _of_signing_in(
    summary="Sign in",
    description="A token for the right password; it lives 12 hours.",
    request=requests.SignIn,
    answers={200: answers.Token},
    codes=(_P.UNAUTHENTICATED, _P.TOO_MANY_ATTEMPTS, _P.OVERLOADED),
)
SIGN_OUT: Final = _of_signing_in(summary="Sign out", description="The token of this request ends.", answers={204: None})
ME: Final = _of_signing_in(summary="Who am I", answers={200: answers.Me})
CHANGE_PASSWORD: Final = _of_signing_in(
    summary="Change my password",
    description="All other tokens of the user end.",
    request=requests.ChangePassword,
    answers={204: None},
    codes=(_P.TOO_MANY_ATTEMPTS, _P.OVERLOADED, _P.SELLER_SUSPENDED),
    is_command=True,
)

_of_api_keys = partial(Operation, tag="API keys")

CREATE_API_KEY: Final = _of_api_keys(
    summary="Make an API key",
    description="`key` is shown this once.",
    request=requests.CreateApiKey,
    answers={201: answers.NewApiKey},
    codes=(_P.SELLER_SUSPENDED,),
    is_command=True,
)
LIST_API_KEYS: Final = _of_api_keys(
    summary="List API keys in force", query=queries.PageQuery, answers={200: answers.Page[answers.ApiKey]}
)
REVOKE_API_KEY: Final = _of_api_keys(
    summary="Revoke an API key",
    description="It is refused within a second. A suspended seller may do this too: a key that leaked still reads.",
    answers={204: None},
)

_of_admins = partial(Operation, tag="Admins")

LIST_ADMINS: Final = _of_admins(
    summary="List admins", query=queries.PageQuery, answers={200: answers.Page[answers.Admin]}
)
CREATE_ADMIN: Final = _of_admins(
    summary="Make an admin",
    request=requests.CreateAdmin,
    answers={201: answers.Admin},
    codes=(_P.USERNAME_TAKEN, _P.OVERLOADED),
)
CHANGE_ADMIN: Final = _of_admins(
    summary="Disable or enable an admin",
    description="Disabling ends their tokens. One active admin always remains.",
    request=requests.ChangeAdmin,
    answers={200: answers.Admin},
    codes=(_P.LAST_ADMIN,),
)

_of_sellers = partial(Operation, tag="Sellers")

CREATE_SELLER: Final = _of_sellers(
    summary="Make a seller",
    description="Its currency is fixed for ever.",
    request=requests.CreateSeller,
    answers={201: answers.Seller},
    codes=(_P.USERNAME_TAKEN, _P.OVERLOADED),
)
LIST_SELLERS: Final = _of_sellers(
    summary="List sellers", query=queries.Sellers, answers={200: answers.Page[answers.Seller]}
)
SHOW_SELLER: Final = _of_sellers(
    summary="Show a seller", description="Admins any, a seller itself.", answers={200: answers.Seller}, is_command=True
)
CHANGE_SELLER: Final = _of_sellers(
    summary="Rename, suspend or reinstate a seller, change its credit limit",
    description="A suspended seller signs in, reads, and ends what it began.",
    request=requests.ChangeSeller,
    answers={200: answers.Seller},
    codes=(_P.LIMIT_IN_USE, _P.SECOND_ADMIN_NEEDED),
    is_command=True,
)
RESET_PASSWORD: Final = _of_sellers(
    summary="Set a seller's password",
    description="All its tokens end.",
    request=requests.SetPassword,
    answers={204: None},
    codes=(_P.OVERLOADED,),
)
ADJUST: Final = _of_sellers(
    summary="Adjust a seller's credit",
    description="A debit past the floor is refused.",
    request=requests.CreateAdjustment,
    answers={201: answers.Transaction},
    codes=(_P.INSUFFICIENT_CREDIT, _P.SECOND_ADMIN_NEEDED),
    is_command=True,
    is_idempotent=True,
)

_of_credit_requests = partial(Operation, tag="Credit requests")

CREATE_CREDIT_REQUEST: Final = _of_credit_requests(
    summary="Ask for credit",
    request=requests.CreateCreditRequest,
    answers={201: answers.CreditRequest},
    codes=(_P.SELLER_SUSPENDED, _P.TOO_MANY_PENDING),
    is_command=True,
    is_idempotent=True,
)
LIST_CREDIT_REQUESTS: Final = _of_credit_requests(
    summary="List credit requests",
    query=queries.CreditRequests,
    answers={200: answers.Page[answers.CreditRequest]},
    codes=(_P.NOT_FOUND,),
    is_command=True,
)
SHOW_CREDIT_REQUEST: Final = _of_credit_requests(
    summary="Show a credit request", query=queries.OfSeller, answers={200: answers.CreditRequest}, is_command=True
)
APPROVE: Final = _of_credit_requests(
    summary="Approve a credit request",
    description="Above a limit that the operator may set, two admins have to: after the first it stays pending.",
    request=requests.DecideCreditRequest,
    is_body_optional=True,
    answers={200: answers.CreditRequest},
    codes=(_P.ALREADY_DECIDED, _P.SECOND_ADMIN_NEEDED),
    is_command=True,
    is_idempotent=True,
)
REJECT: Final = _of_credit_requests(
    summary="Reject a credit request",
    request=requests.DecideCreditRequest,
    is_body_optional=True,
    answers={200: answers.CreditRequest},
    codes=(_P.ALREADY_DECIDED,),
    is_command=True,
    is_idempotent=True,
)
CANCEL: Final = _of_credit_requests(
    summary="Cancel a credit request",
    request=requests.Nothing,
    is_body_optional=True,
    answers={200: answers.CreditRequest},
    codes=(_P.ALREADY_DECIDED,),
    is_command=True,
    is_idempotent=True,
)

_of_balance = partial(Operation, tag="Balance")

SHOW_BALANCE: Final = _of_balance(
    summary="Show a balance, now or as of a time",
    description="Admins have to name the seller: `seller_id`.",
    query=queries.Balance,
    answers={200: answers.Balance},
    codes=(_P.NOT_FOUND,),
    is_command=True,
)

_of_charges = partial(Operation, tag="Charges")

CREATE_CHARGE: Final = _of_charges(
    summary="Sell, or hold credit for a sale",
    description="With `capture: false` the amount is held until it is captured, voided, or expires. "
    "A charge declined for lack of credit is kept, `failed`.",
    request=requests.CreateCharge,
    answers={201: answers.Charge},
    codes=(_P.INSUFFICIENT_CREDIT, _P.SELLER_SUSPENDED),
    is_command=True,
    is_idempotent=True,
    remembered=frozenset({_P.INSUFFICIENT_CREDIT}),
)
CREATE_BATCH: Final = _of_charges(
    summary="Sell many charges at once",
    description="Independent: each as if sent alone; 403 where all are refused since the seller is suspended. "
    "Atomic: when credit does not suffice for all, none is sold and all are kept, `failed`: `insufficient_credit` "
    "where it struck, `batch_aborted` elsewhere. In both modes a charge that is not valid is 422 for the whole batch, "
    "and none is sold. An `Idempotency-Key` header is refused; each charge has its own.",
    request=requests.CreateBatch,
    answers={200: answers.Batch},
    codes=(_P.SELLER_SUSPENDED, _P.IDEMPOTENCY_KEY_REUSED),
    is_command=True,
)
LIST_CHARGES: Final = _of_charges(
    summary="List charges",
    query=queries.Charges,
    answers={200: answers.Page[answers.Charge]},
    codes=(_P.NOT_FOUND,),
    is_command=True,
)
SHOW_CHARGE: Final = _of_charges(
    summary="Show a charge", query=queries.OfSeller, answers={200: answers.Charge}, is_command=True
)
CAPTURE_CHARGE: Final = _of_charges(
    summary="Capture a hold",
    description="All of it, or a part; the rest is given back.",
    request=requests.CaptureCharge,
    is_body_optional=True,
    answers={200: answers.Charge},
    codes=(_P.NOT_PENDING,),
    is_command=True,
    is_idempotent=True,
)
VOID_CHARGE: Final = _of_charges(
    summary="Void a hold",
    request=requests.Nothing,
    is_body_optional=True,
    answers={200: answers.Charge},
    codes=(_P.NOT_PENDING,),
    is_command=True,
    is_idempotent=True,
)
REFUND_CHARGE: Final = _of_charges(
    summary="Refund a charge",
    description="Without an amount: all that is left.",
    request=requests.RefundCharge,
    answers={200: answers.Charge},
    codes=(_P.REFUND_EXCEEDS_CHARGE,),
    is_command=True,
    is_idempotent=True,
)

_of_journal = partial(Operation, tag="Journal")

LIST_TRANSACTIONS: Final = _of_journal(
    summary="List transactions",
    description="The journal, entry by entry.",
    query=queries.Transactions,
    answers={200: answers.Page[answers.Transaction]},
    codes=(_P.NOT_FOUND,),
    is_command=True,
)
EXPORT_TRANSACTIONS: Final = _of_journal(
    summary="Export transactions",
    description="Oldest first, with a header line, streamed. "
    "Free text gets an apostrophe before what begins like a formula, at its start or where spreadsheets may split it.",
    query=queries.TransactionsCsv,
    answers={200: None},
    codes=(_P.NOT_FOUND,),
    is_command=True,
    produces="text/csv",
)
SHOW_TRANSACTION: Final = _of_journal(
    summary="Show a transaction", query=queries.OfSeller, answers={200: answers.Transaction}, is_command=True
)
SHOW_STATEMENT: Final = _of_journal(
    summary="Show a statement of available credit",
    description="Admins have to name the seller: `seller_id`. "
    "Without `from` it begins when the seller was made, without `to` it ends now.",
    query=queries.Statement,
    answers={200: answers.Statement},
    codes=(_P.NOT_FOUND,),
    is_command=True,
)
SHOW_SUMMARY: Final = _of_journal(
    summary="Show what all sellers did",
    description="Together, by currency, since `from` (without it: ever), and the credit that they have now.",
    query=queries.Summary,
    answers={200: answers.Summary},
)
STREAM_EVENTS: Final = _of_journal(
    summary="Follow the journal as it grows",
    description="Server-Sent Events: every entry of the seller, of all sellers for an admin, each once and in its "
    "order. `event` is the type of the entry, `data` its Transaction in one line of JSON, `id` what to send as "
    "`Last-Event-ID` to go on after it, without loss or repetition, whatever happened meanwhile. Without that header "
    "the stream begins with what happens from now on. An id is opaque: keep it and send it back (it is a number in "
    "decimal, the entry's `position`). The first block has an id and no data, so that nothing is lost either when the "
    "connection breaks before the first event. A comment comes every 15 seconds. The stream ends when its "
    "credential does, or when the instance stops: then come again, after the `retry` time.",
    answers={200: None},
    codes=(_P.OVERLOADED, _P.DRAINING),
    headers=(LAST_EVENT_ID,),
    produces="text/event-stream",
)
SHOW_TRIAL_BALANCE: Final = _of_journal(
    summary="Show the trial balance", description="Over all sellers, by currency.", answers={200: answers.TrialBalance}
)
START_VERIFICATION: Final = _of_journal(
    summary="Verify the whole journal",
    description="In the background, one at a time: while one runs, that one is answered.",
    request=requests.Nothing,
    is_body_optional=True,
    answers={202: answers.Verification},
)
SHOW_VERIFICATION: Final = _of_journal(
    summary="Show a verification",
    description="`failed` without `first_bad`: it was interrupted.",
    answers={200: answers.Verification},
    codes=(_P.NOT_APPLIED, _P.OUTCOME_UNKNOWN),  # Who asks first for one that was interrupted writes down its end.
)

_of_health = partial(Operation, tag="Health")

LIVE: Final = _of_health(summary="Is the process alive", answers={200: answers.Health})
READY: Final = _of_health(
    summary="Should it get requests",
    description="503 while starting, standby, draining or without the journal.",
    answers={200: answers.Health, 503: answers.Health},
)
METRICS: Final = _of_health(summary="Metrics for Prometheus", answers={200: None}, produces="text/plain")
