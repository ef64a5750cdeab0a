"""Turns errors into what a client may see: each gets a code, and internal details are removed."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from graphql import GraphQLError
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from app.db.failures import is_unavailable
from app.errors import MORE_ERRORS, VALIDATION_FAILED, BadUserInput, Internal, QueryTooComplex, RequestError, Unavailable
from app.schema.outcomes import Outcome, incomplete
from app.telemetry.privacy import with_causes, withhold_values

logger = logging.getLogger(__name__)

TOO_COMPLEX = QueryTooComplex.code
MAX_ERRORS = 20
"""Errors in one answer. One more says how many were left out."""
_LONGEST_MESSAGE = 500
_MOST_PLACES = 10

_NO_OPERATION = (MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError)
"""What Strawberry raises if a request names no operation that can run."""


def present_all(
    errors: list[GraphQLError], limit: int = MAX_ERRORS, *, is_validated: bool, outcomes: Mapping[str | int, Outcome]
) -> list[GraphQLError]:
    """Return the errors as a client may see them: at most `limit`, then one with the number of those left out.

    `outcomes` has the outcome of each mutation by its response key. An error below one says that the outcome is final.
    Removes the tracebacks of the given errors, after unexpected ones are logged.
    """
    shown = [_with_outcome(outcomes, present(error, is_validated=is_validated)) for error in errors[:limit]]
    _drop_tracebacks(errors)
    omitted = len(errors) - limit
    if omitted > 0:
        logger.warning("%d errors of one operation were neither shown nor logged", omitted)
        extensions = {"code": MORE_ERRORS, "omitted": omitted}
        shown.append(GraphQLError(f"There are {omitted} more errors.", extensions=extensions))
    return shown


def present(error: GraphQLError, *, is_validated: bool) -> GraphQLError:
    """Return the error as a client may see it.

    `is_validated` says that the document is valid, so that an error without a cause is about the variables.
    An unexpected error is logged here, once, and shown as INTERNAL, or as UNAVAILABLE if the database cannot be reached.
    """
    cause = _cause(error)
    if cause is None:
        if "code" in (error.extensions or {}):
            return _copy(error, error.message, error.extensions or {})
        code = BadUserInput.code if is_validated else VALIDATION_FAILED
        return _copy(error, error.message, {**(error.extensions or {}), "code": code})
    if isinstance(cause, RecursionError) and not is_validated:
        return _copy(error, "The document is nested too deeply.", {"code": TOO_COMPLEX})
    if isinstance(cause, _NO_OPERATION):
        return _copy(error, error.message, BadUserInput().extensions)
    if isinstance(cause, RequestError):
        return _copy(error, str(cause), cause.extensions)
    if is_unavailable(cause):
        logger.warning("a request failed because the database is not available: %s", type(cause).__name__)
        shown: RequestError = Unavailable()
    else:
        withhold_values(cause)
        logger.error("a resolver failed at %s", error.path, exc_info=cause)
        shown = Internal()
    return _copy(error, str(shown), shown.extensions)


def _with_outcome(outcomes: Mapping[str | int, Outcome], shown: GraphQLError) -> GraphQLError:
    """Add the mutation's outcome to its error, if there is one."""
    if not shown.path or shown.path[0] not in outcomes:
        return shown
    error = incomplete(shown.message, shown.extensions or {}, outcomes[shown.path[0]], shown.path)
    return _copy(shown, str(error), error.extensions)


def _drop_tracebacks(errors: Iterable[BaseException]) -> None:
    """Break the reference cycles between errors, their tracebacks, and the frames that hold the error or a list with it.

    Only the garbage collector would free them, late. Until then each keeps what its frames held, up to a megabyte of
    variables, for hundreds of requests.
    """
    for error in with_causes(*errors):
        error.__traceback__ = None


def _cause(error: GraphQLError) -> Exception | None:
    """The first exception in the chain that is not a GraphQLError, or None."""
    original = error.original_error
    while isinstance(original, GraphQLError):
        original = original.original_error
    return original


def _copy(error: GraphQLError, message: str, extensions: dict[str, object]) -> GraphQLError:
    """Return the error with this message. The message and positions come from the client's input, so both are cut short."""
    return GraphQLError(
        message if len(message) <= _LONGEST_MESSAGE else message[:_LONGEST_MESSAGE] + "…",
        nodes=error.nodes and error.nodes[:_MOST_PLACES],
        source=error.source,
        positions=list(error.positions or ())[:_MOST_PLACES] or None,
        path=error.path,
        extensions=extensions,
    )
