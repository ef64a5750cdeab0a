"""What logs may hold: never a token, a secret or text that users wrote; of an idempotency key only its fingerprint."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

_FINGERPRINT_LENGTH = 12

# Where PostgreSQL, asyncpg and SQLAlchemy quote the values of rows and parameters.
_QUOTED_VALUES = (
    re.compile(r"\nDETAIL:.*", re.DOTALL),
    re.compile(r"(?<=invalid input for query argument )(\$\d+).*", re.DOTALL),
    re.compile(r'(?<=invalid input syntax for type )(\w+)(?: \w+)*: ".*', re.DOTALL),
)


def fingerprint(key: str) -> str:
    """Enough of the SHA-256 of an idempotency key to find it in the logs: `printf %s KEY | sha256sum | cut -c1-12`."""
    return hashlib.sha256(key.encode()).hexdigest()[:_FINGERPRINT_LENGTH]


def withhold_values(error: BaseException) -> None:
    """Remove the values of rows and parameters from an exception and its causes. Call it before logging the exception."""
    for current in with_causes(error):
        current.args = tuple(_without_values(part) if isinstance(part, str) else part for part in current.args)
        # asyncpg's exceptions also keep the server's detail in an attribute.
        if getattr(current, "detail", None) is not None and hasattr(current, "sqlstate"):
            current.detail = None  # type: ignore[attr-defined]


def with_causes(*errors: BaseException) -> Iterator[BaseException]:
    """Yields these exceptions and all their causes, each once. SQLAlchemy and graphql-core keep a cause in own attributes."""
    pending: list[BaseException | None] = [*errors]
    seen: set[int] = set()
    while pending:
        current = pending.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        pending += [current.__cause__, current.__context__]
        pending += [getattr(current, name, None) for name in ("orig", "original_error")]


def _without_values(text: str) -> str:
    for quoted in _QUOTED_VALUES:
        text = quoted.sub(lambda found: found.group(1) if found.groups() else "", text)
    return text
