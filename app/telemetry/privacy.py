"""What logs may hold. Never a token, a secret, or what people wrote; of an idempotency key its fingerprint."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

_SHOWN = 12

# What PostgreSQL, its driver and SQLAlchemy quote of rows and parameters.
_QUOTED = (
    re.compile(r"\nDETAIL:.*", re.DOTALL),
    re.compile(r"(?<=invalid input for query argument )(\$\d+).*", re.DOTALL),
    re.compile(r'(?<=invalid input syntax for type )(\w+)(?: \w+)*: ".*', re.DOTALL),
)


def fingerprint(key: str) -> str:
    """Enough of the SHA-256 of an idempotency key to find it in the logs: `printf %s KEY | sha256sum | cut -c1-12`."""
    return hashlib.sha256(key.encode()).hexdigest()[:_SHOWN]


def withhold_values(error: BaseException) -> None:
    """Take the values of rows and parameters out of an exception and all that caused it, before it is logged."""
    for current in with_causes(error):
        current.args = tuple(_without_values(part) if isinstance(part, str) else part for part in current.args)
        # asyncpg's exceptions keep what the server said beside their text.
        if getattr(current, "detail", None) is not None and hasattr(current, "sqlstate"):
            current.detail = None  # type: ignore[attr-defined]


def with_causes(*errors: BaseException) -> Iterator[BaseException]:
    """These exceptions and all that led to them, each once; SQLAlchemy and graphql-core have attributes of their own for it."""
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
    for quoted in _QUOTED:
        text = quoted.sub(lambda found: found.group(1) if found.groups() else "", text)
    return text
