"""All errors that clients see.

A Refusal is data in the answer: a business rule refused the request and no money moved. A RequestError is any other error:
authentication, authorization, input, limits, or the state of the service. GraphQL, REST and WebSocket each map both in one
place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from app.money import Money

_RECORDED = "recorded"


class RefusalCode(StrEnum):
    """UserErrorCode of the GraphQL contract.

    Each code has its HTTP status over REST, a default message, and whether the ledger records it. A recorded refusal is a FAILED
    transaction and is replayed for its key. Any other leaves the key free.
    """

    http_status: int
    message: str
    is_recorded: bool

    def __new__(cls, code: str, http_status: int = 0, message: str = "", recorded: str = "") -> Self:
        """Create a member whose value is its code. Type checkers take `RefusalCode(value)` for this call: hence the defaults."""
        assert http_status, f"{code} has no HTTP status"
        assert message, f"{code} has no message"
        member = str.__new__(cls, code)
        member._value_ = code
        member.http_status, member.message, member.is_recorded = http_status, message, recorded == _RECORDED
        return member

    INVALID_AMOUNT = "INVALID_AMOUNT", 400, "This amount would exceed the largest balance."
    INVALID_INPUT = "INVALID_INPUT", 400, "This input is not valid."
    IDEMPOTENCY_KEY_INVALID = (
        "IDEMPOTENCY_KEY_INVALID",
        400,
        "An idempotency key is 1 to 255 visible ASCII characters, such as a UUID.",
    )
    IDEMPOTENCY_KEY_REUSED = (
        "IDEMPOTENCY_KEY_REUSED",
        409,
        "This idempotency key was used with other input. A new operation needs a new key.",
    )
    SAME_WALLET = "SAME_WALLET", 400, "A wallet cannot pay itself: sender and receiver are the same."
    WALLET_NOT_FOUND = "WALLET_NOT_FOUND", 404, "The wallet does not exist, or you may not use it."
    UNBALANCED = "UNBALANCED", 400, "The debits and credits of each currency must be equal."
    TOO_MANY_ENTRIES = "TOO_MANY_ENTRIES", 400, "A transaction has at most 100 legs."
    CONDITION_FAILED = "CONDITION_FAILED", 409, "A condition does not hold, so nothing moved. The key is still unused."
    FEE_EXCEEDS_LIMIT = "FEE_EXCEEDS_LIMIT", 422, "The fee is more than maxFee allows, so nothing moved. The key is still unused."
    FEE_EXCEEDS_AMOUNT = (
        "FEE_EXCEEDS_AMOUNT",
        422,
        "The fee would take the whole amount, so nothing moved. The key is still unused.",
    )
    NOT_REVERSIBLE = (
        "NOT_REVERSIBLE",
        404,
        "There is no completed transfer, capture, conversion or deposit with this id that you may reverse.",
    )
    REVERSAL_EXCEEDS_REMAINING = (
        "REVERSAL_EXCEEDS_REMAINING",
        422,
        "More than has not gone back yet, so nothing moved. The key is still unused.",
    )
    HOLD_NOT_OPEN = "HOLD_NOT_OPEN", 409, "There is no open hold with this id that you may use."
    HOLD_EXPIRED = "HOLD_EXPIRED", 409, "The time of this hold is over, so nothing moved. The key is still unused."
    HOLD_EXCEEDED = "HOLD_EXCEEDED", 422, "This is more than remains of the hold, so nothing moved. The key is still unused."
    RATE_UNAVAILABLE = (
        "RATE_UNAVAILABLE",
        422,
        "There is no rate between these currencies that is recent enough. Try again later.",
    )
    AMOUNT_TOO_SMALL = "AMOUNT_TOO_SMALL", 422, "This amount is too small: nothing would arrive."
    QUOTE_MISMATCH = (
        "QUOTE_MISMATCH",
        422,
        "There is no quote with this id for you, or it is for other wallets or another amount. The key is still unused.",
    )
    PERIOD_NOT_NEXT = (
        "PERIOD_NOT_NEXT",
        409,
        "A statement begins where the one before it ended: no gap and no overlap.",
    )
    PERIOD_OPEN = "PERIOD_OPEN", 409, "This period is not over, so entries may still come into it."
    WALLET_NOT_ACTIVE = "WALLET_NOT_ACTIVE", 422, "This wallet is frozen or closed: it can neither pay nor receive.", _RECORDED
    CURRENCY_MISMATCH = "CURRENCY_MISMATCH", 422, "The amount and both wallets must have the same currency.", _RECORDED
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS", 422, "The available balance of the wallet is too low.", _RECORDED
    QUOTE_USED = "QUOTE_USED", 409, "This quote has been used. A further conversion needs a new quote.", _RECORDED
    QUOTE_EXPIRED = "QUOTE_EXPIRED", 409, "The time of this quote is over, so nothing moved. Ask for a new one.", _RECORDED
    LIQUIDITY_EXHAUSTED = (
        "LIQUIDITY_EXHAUSTED",
        422,
        "The limit on what may be exchanged in one of these currencies is reached for now.",
        _RECORDED,
    )
    ARCHIVED = (
        "ARCHIVED",
        409,
        "The entries of this transaction are archived. It can be reversed once an operator has restored them.",
    )
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED", 429, "This would exceed the user's limits for this period.", _RECORDED
    BATCH_ABORTED = (
        "BATCH_ABORTED",
        422,
        "Another transfer of this atomic batch was refused, so none of it settled.",
        _RECORDED,
    )


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refusal. `path` is the path of the input field at fault in GraphQL names, such as ("input", "amount")."""

    code: RefusalCode
    message: str
    path: tuple[str, ...]
    available: Money | None = None
    """INSUFFICIENT_FUNDS: the available balance at the time of the refusal. `available` and `required` are None if the viewer
    may not see the wallet."""
    required: Money | None = None
    """INSUFFICIENT_FUNDS: the amount requested, with its fee."""
    not_recorded: bool = False
    """Set for a code that is recorded otherwise: QUOTA_EXCEEDED of openWallet, CURRENCY_MISMATCH of a condition."""
    transaction_id: UUID | None = None
    """IDEMPOTENCY_KEY_REUSED: the transaction that the key belongs to."""
    wallet_id: UUID | None = None
    """CONDITION_FAILED: the wallet that the condition is about."""
    fee: Money | None = None
    """FEE_EXCEEDS_LIMIT and FEE_EXCEEDS_AMOUNT: the fee."""
    expected_from: datetime | None = None
    """PERIOD_NOT_NEXT: where the next statement begins."""
    limit: Money | None = None
    """FEE_EXCEEDS_LIMIT: the most that the request accepts."""

    @property
    def is_recorded(self) -> bool:
        """Whether the ledger recorded it as a FAILED transaction."""
        return self.code.is_recorded and not self.not_recorded


class RequestError(Exception):
    """A request that failed without a result. `str(error)` is safe to show to any client."""

    code = "INTERNAL"
    http_status = 500
    retryable: bool | None = None
    """Whether sending the same request again can help. None if the code makes no promise."""
    default_message = "Something went wrong on our side."

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.default_message)

    @property
    def extensions(self) -> dict[str, object]:
        """The `extensions` of the GraphQL error."""
        facts: dict[str, object] = {"code": self.code}
        if self.retryable is not None:
            facts["retryable"] = self.retryable
        return facts


class Unauthenticated(RequestError):
    """The token is missing, invalid or expired."""

    code = "UNAUTHENTICATED"
    http_status = 401
    default_message = "A valid bearer token is needed: Authorization: Bearer <token>."


class TokenExpired(Unauthenticated):
    """The token has expired."""

    default_message = "The bearer token has expired."


class Forbidden(RequestError):
    """The token is valid, but its role or scopes do not allow this."""

    code = "FORBIDDEN"
    http_status = 403
    default_message = "This is for administrators only."


class NotFound(RequestError):
    """The object does not exist, or the viewer may not see it. The answer is the same for both."""

    code = "NOT_FOUND"
    http_status = 404
    default_message = "This does not exist, or you may not see it."


class BadUserInput(RequestError):
    """The request is malformed."""

    code = "BAD_USER_INPUT"
    http_status = 400
    default_message = "The request is malformed."


class QueryTooComplex(RequestError):
    """The operation exceeds a limit on its cost or size."""

    code = "QUERY_TOO_COMPLEX"
    http_status = 400
    default_message = "The operation is too large or too expensive."


class PersistedQueryNotFound(RequestError):
    """The list has no operation with this hash."""

    code = "PERSISTED_QUERY_NOT_FOUND"
    http_status = 404
    # Client libraries recognise this exact text, and then send the document.
    default_message = "PersistedQueryNotFound"


class PersistedQueryNotSupported(RequestError):
    """The service has no list of operations."""

    code = "PERSISTED_QUERY_NOT_SUPPORTED"
    http_status = 400
    # See PersistedQueryNotFound.
    default_message = "PersistedQueryNotSupported"


class OperationNotAllowed(RequestError):
    """The service runs only listed operations, and this one is not listed."""

    code = "OPERATION_NOT_ALLOWED"
    http_status = 403
    default_message = "This service runs only the operations on its list, and this one is not listed."


class Archived(RequestError):
    """The entries are in files, after a month was archived. They can be read once an operator has restored the month."""

    code = "ARCHIVED"
    http_status = 409
    default_message = "These entries are archived. They can be read once an operator has restored them."


class RateLimited(RequestError):
    """Too many requests. Retry after `retry_after_seconds`."""

    code = "RATE_LIMITED"
    http_status = 429
    default_message = "Too many requests."

    def __init__(self, retry_after_seconds: int, message: str | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds

    @property
    def extensions(self) -> dict[str, object]:
        """The `extensions` of the GraphQL error."""
        return {"code": self.code, "retryAfterSeconds": self.retry_after_seconds}


class RequestTimeout(RequestError):
    """The outcome was not known in time. The request can be sent again with the same key: it pays at most once."""

    code = "TIMEOUT"
    http_status = 504
    retryable = True
    default_message = (
        "The outcome is not known yet. Send the same request with the same idempotency key again: it moves money at most once."
    )


class Unavailable(RequestError):
    """The service cannot take the request now. No money moved."""

    code = "UNAVAILABLE"
    http_status = 503
    retryable = True
    default_message = "The service cannot take this request now. No money moved. Try again shortly."


class Internal(RequestError):
    """A bug in the service. The answer says nothing about it. Report it with the `X-Request-Id` header of the answer."""

    retryable = False


class AnswerIncomplete(RequestError):
    """A part of a mutation's answer is missing. The outcome is not affected. `reason` is the code of the error."""

    code = "ANSWER_INCOMPLETE"
    # Only GraphQL uses it, in answers that have data.
    http_status = 200

    def __init__(self, message: str, facts: Mapping[str, object]) -> None:
        super().__init__(message)
        self._facts = {**facts, "code": self.code}

    @property
    def extensions(self) -> dict[str, object]:
        """The `extensions` of the GraphQL error."""
        return dict(self._facts)


VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
"""The document is not valid GraphQL or does not match the schema."""
MORE_ERRORS = "MORE_ERRORS"
"""Replaces the errors that an answer leaves out."""
METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
BODY_TOO_LARGE = "BODY_TOO_LARGE"


def http_status(code: object) -> int:
    """Returns the HTTP status of a request error's code; 400 for codes without a class here, which are the client's faults."""
    return _STATUSES.get(code, 400)


_STATUSES: dict[object, int] = {
    kind.code: kind.http_status
    for kind in (
        Unauthenticated,
        Forbidden,
        NotFound,
        BadUserInput,
        QueryTooComplex,
        PersistedQueryNotFound,
        PersistedQueryNotSupported,
        OperationNotAllowed,
        Archived,
        RateLimited,
        RequestTimeout,
        Unavailable,
        Internal,
        AnswerIncomplete,
    )
}


CODES = frozenset({*map(str, _STATUSES), VALIDATION_FAILED, MORE_ERRORS, METHOD_NOT_ALLOWED, BODY_TOO_LARGE})
"""Every code that an answer may have, except the codes of refusals."""


class ConfigurationError(Exception):
    """The service cannot start as configured. The message is one line that says what to do."""
