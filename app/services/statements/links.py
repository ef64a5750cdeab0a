"""Links to files of statements: anyone who has one may download that file for some minutes, without a token.

A link names a statement, a format and the second at which it ends, and is signed over all three.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from app import ids
from app.clock import Clock
from app.errors import Forbidden, NotFound
from app.records import StatementFormat
from app.services.statements.reading import EXTENSIONS
from app.settings import Settings

_LONGEST_SECOND = 12
"""Digits of a time in seconds: enough for 30,000 years."""


class Link(NamedTuple):
    """A link, relative to the address of the API, and when it ends."""

    url: str
    expires_at: datetime


def link_to(settings: Settings, statement_id: UUID, format_: StatementFormat, clock: Clock) -> Link | None:
    """Return a link to a file, or None if this process has no key for links. The caller checks that the viewer may see it."""
    keys = settings.link_keys
    if not keys:
        return None
    expires = int((clock() + timedelta(seconds=settings.statement_link_seconds)).timestamp())
    name = f"{ids.encode('stm', statement_id)}.{EXTENSIONS[format_]}"
    signature = _signature(keys[0], name, str(expires))
    return Link(f"/statements/{name}?expires={expires}&signature={signature}", datetime.fromtimestamp(expires, UTC))


def statement_of_link(settings: Settings, statement: str, extension: str, *, expires: str, signature: str, clock: Clock) -> UUID:
    """Return the statement of a link. Raises NotFound if it was not signed so, Forbidden if its time is over."""
    expected = [_signature(key, f"{statement}.{extension}", expires) for key in settings.link_keys]
    given = signature.encode("utf-8", "replace")
    # All are compared, so that the time does not tell which key it was.
    is_signed = sum(hmac.compare_digest(one.encode(), given) for one in expected) > 0
    statement_id = ids.decode("stm", statement)
    if not is_signed or statement_id is None or not expires.isdecimal() or len(expires) > _LONGEST_SECOND:
        raise NotFound
    if clock().timestamp() >= int(expires):
        raise Forbidden("The time of this link is over. Ask for a new one.")
    return statement_id


def _signature(key: str, name: str, expires: str) -> str:
    message = f"paycore statement\n{name}\n{expires}".encode("utf-8", "replace")
    digest = hmac.digest(key.encode(), message, hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
