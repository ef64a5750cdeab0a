"""Every way to say no, in one place.

A Refusal is data: an answer that the client can act on, and no money moved. A RequestError is the rest: who you are,
what you may ask, how the service is. GraphQL, REST and WebSocket each map the two in exactly one place.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from app.money import Money


class RefusalCode(StrEnum):
    """UserErrorCode of the GraphQL contract."""

    INVALID_AMOUNT = "INVALID_AMOUNT"
    INVALID_INPUT = "INVALID_INPUT"
    IDEMPOTENCY_KEY_INVALID = "IDEMPOTENCY_KEY_INVALID"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    SAME_WALLET = "SAME_WALLET"
    WALLET_NOT_FOUND = "WALLET_NOT_FOUND"
    WALLET_NOT_ACTIVE = "WALLET_NOT_ACTIVE"
    CURRENCY_MISMATCH = "CURRENCY_MISMATCH"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    BATCH_ABORTED = "BATCH_ABORTED"


RECORDED_REFUSALS = frozenset(
    {
        RefusalCode.WALLET_NOT_ACTIVE,
        RefusalCode.CURRENCY_MISMATCH,
        RefusalCode.INSUFFICIENT_FUNDS,
        RefusalCode.QUOTA_EXCEEDED,
        RefusalCode.BATCH_ABORTED,
    }
)
"""Refusals by the ledger: recorded as FAILED, and replayed. All others leave no trace and do not use the key."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refusal. `path` leads to the input field at fault, by its GraphQL names, such as ("input", "amount")."""

    code: RefusalCode
    message: str
    path: tuple[str, ...]
    available: Money | None = None
    """INSUFFICIENT_FUNDS: what the wallet could spend when it was refused. None, as `required`, for those who may not see it."""
    required: Money | None = None
    """INSUFFICIENT_FUNDS: what was asked."""
    left_no_trace: bool = False
    """QUOTA_EXCEEDED of what is no transfer: its key is free for another try."""
    transaction_id: UUID | None = None
    """IDEMPOTENCY_KEY_REUSED: the transaction that the key belongs to."""

    @property
    def is_recorded(self) -> bool:
        """Whether it is the ledger's, recorded as FAILED."""
        return self.code in RECORDED_REFUSALS and not self.left_no_trace


class RequestError(Exception):
    """A request that got no answer of its own. `str(error)` is safe to show to anyone."""

    code = "INTERNAL"
    http_status = 500
    retryable: bool | None = None
    """Set for the codes that promise it: whether sending the same request again can help."""
    default_message = "Something went wrong on our side."

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.default_message)

    @property
    def extensions(self) -> dict[str, object]:
        """`extensions` of the GraphQL error."""
        facts: dict[str, object] = {"code": self.code}
        if self.retryable is not None:
            facts["retryable"] = self.retryable
        return facts


class Unauthenticated(RequestError):
    """There is no valid token."""

    code = "UNAUTHENTICATED"
    http_status = 401
    default_message = "A valid bearer token is needed: Authorization: Bearer <token>."


class TokenExpired(Unauthenticated):
    """There was a valid token."""

    default_message = "The bearer token has expired."


class Forbidden(RequestError):
    """The token is valid, but its role may not do this."""

    code = "FORBIDDEN"
    http_status = 403
    default_message = "This is for administrators only."


class NotFound(RequestError):
    """It does not exist, or the viewer may not see it: the two look the same."""

    code = "NOT_FOUND"
    http_status = 404
    default_message = "There is no such thing, or it is not yours to see."


class BadUserInput(RequestError):
    """The request is malformed in a way that no business rule describes."""

    code = "BAD_USER_INPUT"
    http_status = 400
    default_message = "The request is malformed."


class QueryTooComplex(RequestError):
    """One operation asks for more than it may."""

    code = "QUERY_TOO_COMPLEX"
    http_status = 400
    default_message = "The operation asks for too much at once."


class PersistedQueryNotFound(RequestError):
    """There is no operation of this hash on the list."""

    code = "PERSISTED_QUERY_NOT_FOUND"
    http_status = 404
    # Client libraries know these two words, and then send the text.
    default_message = "PersistedQueryNotFound"


class PersistedQueryNotSupported(RequestError):
    """The service keeps no list of operations."""

    code = "PERSISTED_QUERY_NOT_SUPPORTED"
    http_status = 400
    # See PersistedQueryNotFound.
    default_message = "PersistedQueryNotSupported"


class OperationNotAllowed(RequestError):
    """Only listed operations may run, and this is none of them."""

    code = "OPERATION_NOT_ALLOWED"
    http_status = 403
    default_message = "This service runs only the operations on its list, and this is none of them."


class RateLimited(RequestError):
    """Too many requests. `retry_after_seconds` tells when to come back."""

    code = "RATE_LIMITED"
    http_status = 429
    default_message = "Too many requests."

    def __init__(self, retry_after_seconds: int, message: str | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds

    @property
    def extensions(self) -> dict[str, object]:
        """`extensions` of the GraphQL error."""
        return {"code": self.code, "retryAfterSeconds": self.retry_after_seconds}


class RequestTimeout(RequestError):
    """The outcome is not known in time. The same key can be sent again: it pays at most once."""

    code = "TIMEOUT"
    http_status = 504
    retryable = True
    default_message = (
        "The outcome is not known yet. Send the same request with the same idempotency key again: it moves money at most once."
    )


class Unavailable(RequestError):
    """The service cannot take this now, and nothing moved."""

    code = "UNAVAILABLE"
    http_status = 503
    retryable = True
    default_message = "The service cannot take this request now and nothing moved. Try again shortly."


class Internal(RequestError):
    """A fault of ours. Nothing of it is told but a request to report it."""

    retryable = False


VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
"""A document that is none, or not of this schema."""
MORE_ERRORS = "MORE_ERRORS"
"""Stands for those that an answer left out."""
METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
BODY_TOO_LARGE = "BODY_TOO_LARGE"


def http_status(code: object) -> int:
    """The HTTP status of a request error's code; 400 for codes of the request itself, which have no class here."""
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
        RateLimited,
        RequestTimeout,
        Unavailable,
        Internal,
    )
}


CODES = frozenset({*map(str, _STATUSES), VALIDATION_FAILED, MORE_ERRORS, METHOD_NOT_ALLOWED, BODY_TOO_LARGE})
"""Every code that an answer may carry, but for those of refusals."""


class ConfigurationError(Exception):
    """The service cannot start as configured. Its text is one line that says what to do."""
