"""Who is asking: bearer tokens (JWT, HS256) and the viewer that they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt

from app.errors import TokenExpired, Unauthenticated
from app.settings import Settings

ALGORITHM = "HS256"
"""Pinned: a token's own header never chooses."""

MAX_TOKEN_LENGTH = 8192
MAX_SUBJECT_LENGTH = 255
_ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says."""

    subject: str
    is_admin: bool
    expires_at: datetime
    """With the leeway for clocks that differ."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """The user behind a request, and what their token lets them do."""

    user_id: UUID
    subject: str
    is_admin: bool
    expires_at: datetime
    """When the token ends; a long-lived connection ends with it."""


def mint_token(subject: str, settings: Settings, *, role: str | None = None, lifetime: timedelta = timedelta(days=30)) -> str:
    """A token that this installation accepts."""
    now = datetime.now(UTC)
    claims: dict[str, object] = {"sub": subject, "iat": now, "exp": now + lifetime}
    if role is not None:
        claims["role"] = role
    return jwt.encode(claims, settings.jwt_secret.get_secret_value(), algorithm=ALGORITHM)


def verify_token(token: str, settings: Settings) -> Claims:
    """The claims of a valid token. Raises Unauthenticated, which tells expired from invalid and nothing else."""
    if len(token) > MAX_TOKEN_LENGTH:
        raise Unauthenticated("The bearer token is invalid.")
    try:
        claims = jwt.decode(
            token,
            settings.jwt_secret.get_secret_value(),
            algorithms=[ALGORITHM],
            leeway=settings.jwt_clock_skew_seconds,
            # Issuer and audience come with JWKS; a symmetric secret is shared by one installation alone.
            options={"require": ["sub", "exp"], "verify_aud": False},
        )
    except jwt.ExpiredSignatureError:
        raise TokenExpired from None
    except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError):
        raise Unauthenticated("The bearer token is invalid.") from None
    subject = claims["sub"]
    if not 1 <= len(subject) <= MAX_SUBJECT_LENGTH or not _is_storable(subject):
        raise Unauthenticated("The bearer token's subject is not usable.")
    try:
        expires_at = datetime.fromtimestamp(claims["exp"] + settings.jwt_clock_skew_seconds, UTC)
    except (OverflowError, ValueError, OSError, TypeError):
        raise Unauthenticated("The bearer token is invalid.") from None
    return Claims(subject=subject, is_admin=claims.get("role") == _ADMIN, expires_at=expires_at)


def bearer_token(header: str | None) -> str | None:
    """The token of an `Authorization: Bearer …` value; None where there is no such value.

    Raises Unauthenticated for a value of another scheme.
    """
    if header is None or not header.strip():
        return None
    scheme, _, token = header.strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("Authorization must be: Bearer <token>.")
    return token.strip()


def _is_storable(text: str) -> bool:
    """PostgreSQL's text takes neither NUL nor lone surrogates."""
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
