"""Errors on their way out: each with a code, none with anything internal in it."""

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
_LONGEST_MESSAGE = 500
_MOST_PLACES = 10

_NO_OPERATION = (MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError)
"""What Strawberry raises where a request names no operation that could run."""


def present_all(
    errors: list[GraphQLError], limit: int, *, is_validated: bool, outcomes: Mapping[str | int, Outcome]
) -> list[GraphQLError]:
    """The errors as a client may see them: so many at the most, and then how many more there are.

    `outcomes` is what each mutation came to, by its name in the answer: an error below one says that this stands.
    The errors themselves are used up: nothing can be traced any more.
    """
    shown = [_beside(outcomes, present(error, is_validated=is_validated)) for error in errors[:limit]]
    _untie(errors)
    omitted = len(errors) - limit
    if omitted > 0:
        logger.warning("%d errors of one operation were neither shown nor logged", omitted)
        extensions = {"code": MORE_ERRORS, "omitted": omitted}
        shown.append(GraphQLError(f"There are {omitted} more errors.", extensions=extensions))
    return shown


def present(error: GraphQLError, *, is_validated: bool) -> GraphQLError:
    """The error as a client may see it.

    `is_validated` tells whether the document itself was fine: then an error without a cause is about its variables.
    What nobody foresaw is logged here, once, and shown as INTERNAL or, where the database is away, UNAVAILABLE.
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


def _beside(outcomes: Mapping[str | int, Outcome], shown: GraphQLError) -> GraphQLError:
    """The error as it is shown, where its mutation has an outcome together with that."""
    if not shown.path or shown.path[0] not in outcomes:
        return shown
    error = incomplete(shown.message, shown.extensions or {}, outcomes[shown.path[0]], shown.path)
    return _copy(shown, str(error), error.extensions)


def _untie(errors: Iterable[BaseException]) -> None:
    """Break the rings of errors, their tracebacks, and the frames there that hold an error or a list with it.

    Only the garbage collector would find those, late, and till then each holds all that its frames had in hand: a megabyte of
    variables, in hundreds of requests.
    """
    for error in with_causes(*errors):
        error.__traceback__ = None


def _cause(error: GraphQLError) -> Exception | None:
    """The exception at the bottom; None where GraphQLErrors are all there is."""
    original = error.original_error
    while isinstance(original, GraphQLError):
        original = original.original_error
    return original


def _copy(error: GraphQLError, message: str, extensions: dict[str, object]) -> GraphQLError:
    """The error with these words. It quotes what came in, in words and places, so both are cut short."""
    return GraphQLError(
        message if len(message) <= _LONGEST_MESSAGE else message[:_LONGEST_MESSAGE] + "…",
        nodes=error.nodes and error.nodes[:_MOST_PLACES],
        source=error.source,
        positions=list(error.positions or ())[:_MOST_PLACES] or None,
        path=error.path,
        extensions=extensions,
    )
