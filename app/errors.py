"""Every way to say no, in one place.

A Refusal is data: an answer that the client can act on, and no money moved. A RequestError is the rest: who you are,
what you may ask, how the service is. GraphQL, REST and WebSocket each map the two in exactly one place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self
from uuid import UUID

from app.money import Money

_RECORDED = "recorded"


class RefusalCode(StrEnum):
    """UserErrorCode of the GraphQL contract.

    Each code has its HTTP status over REST, its message where no rule writes a more exact one, and whether the ledger
    records it: a recorded refusal is a FAILED transaction that is replayed; any other leaves the key free.
    """

    http_status: int
    message: str
    is_recorded: bool

    def __new__(cls, code: str, http_status: int = 0, message: str = "", recorded: str = "") -> Self:
        """Make a member whose value is its code. The defaults are for type checkers, which take a look-up for this call."""
        assert http_status, f"{code} has no HTTP status"
        assert message, f"{code} has no message"
        member = str.__new__(cls, code)
        member._value_ = code
        member.http_status, member.message, member.is_recorded = http_status, message, recorded == _RECORDED
        return member

    INVALID_AMOUNT = "INVALID_AMOUNT", 400, "A balance cannot hold this amount."
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
    WALLET_NOT_FOUND = "WALLET_NOT_FOUND", 404, "There is no such wallet, or it is not yours to use."
    WALLET_NOT_ACTIVE = "WALLET_NOT_ACTIVE", 422, "This wallet can neither pay nor receive now.", _RECORDED
    CURRENCY_MISMATCH = "CURRENCY_MISMATCH", 422, "The amount and both wallets must have the same currency.", _RECORDED
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS", 422, "The wallet has too little available to pay this.", _RECORDED
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED", 429, "This would exceed what the user may move in this period.", _RECORDED
    BATCH_ABORTED = (
        "BATCH_ABORTED",
        422,
        "Another transfer of this atomic batch was refused, so none of it settled.",
        _RECORDED,
    )


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
        return self.code.is_recorded and not self.left_no_trace


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


class AnswerIncomplete(RequestError):
    """A part of a mutation's answer is missing. The outcome stands; `reason` is the code of what went wrong."""

    code = "ANSWER_INCOMPLETE"
    # Only GraphQL answers so, and then there is data.
    http_status = 200

    def __init__(self, message: str, facts: Mapping[str, object]) -> None:
        super().__init__(message)
        self._facts = {**facts, "code": self.code}

    @property
    def extensions(self) -> dict[str, object]:
        """`extensions` of the GraphQL error."""
        return dict(self._facts)


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
        AnswerIncomplete,
    )
}


CODES = frozenset({*map(str, _STATUSES), VALIDATION_FAILED, MORE_ERRORS, METHOD_NOT_ALLOWED, BODY_TOO_LARGE})
"""Every code that an answer may carry, but for those of refusals."""


class ConfigurationError(Exception):
    """The service cannot start as configured. Its text is one line that says what to do."""
