"""Who is asking: bearer tokens (JWT) and the viewer that they stand for.

A token is signed with this installation's secret (HS256), or with a key that an identity provider publishes (see
`app/access/jwks.py`): never either. Which algorithm verifies it is the key's to say; a token's own header never chooses.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from app.access.jwks import SigningKey, SigningKeys
from app.access.policy import rights_of
from app.access.viewer import Right, Role
from app.errors import ConfigurationError, TokenExpired, Unauthenticated
from app.settings import Settings

ALGORITHM = "HS256"
"""Of tokens that are signed with the installation's own secret."""

MAX_TOKEN_LENGTH = 8192
MAX_SUBJECT_LENGTH = 255
_INVALID = "The bearer token is invalid."
_SCOPE_CLAIMS = ("scope", "scp")
"""What identity providers call it: RFC 8693, and Entra and Okta."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says."""

    subject: str
    rights: frozenset[Right]
    expires_at: datetime
    """With the leeway for clocks that differ."""
    key: SigningKey | None = None
    """The published key that it was verified with; None where it was the installation's secret."""


def mint_token(
    subject: str,
    settings: Settings,
    *,
    role: str | None = None,
    scope: str | None = None,
    lifetime: timedelta = timedelta(days=30),
) -> str:
    """A token that this installation accepts. Raises ConfigurationError where an identity provider issues them."""
    if settings.uses_jwks:
        raise ConfigurationError("Tokens come from your identity provider: PAYCORE_JWKS_URL or PAYCORE_JWKS_FILE is set.")
    now = datetime.now(UTC)
    claims: dict[str, object] = {"sub": subject, "iat": now, "exp": now + lifetime}
    if settings.jwt_issuer is not None:
        claims["iss"] = settings.jwt_issuer
    if settings.jwt_audience is not None:
        claims["aud"] = settings.jwt_audience
    if role is not None:
        claims[settings.jwt_role_claim] = role
    if scope is not None:
        claims[settings.jwt_scope_claim] = scope
    return jwt.encode(claims, settings.jwt_secret.get_secret_value(), algorithm=ALGORITHM)


def verify_token(token: str, settings: Settings) -> Claims:
    """The claims of a valid token that is signed with the installation's secret.

    Raises Unauthenticated, which tells expired from invalid and nothing else.
    """
    assert not settings.uses_jwks, "exactly one way to verify tokens is in force"
    return _claims(token, settings.jwt_secret.get_secret_value(), ALGORITHM, settings)


async def verify_published(token: str, keys: SigningKeys, settings: Settings) -> Claims:
    """The claims of a valid token that is signed with a published key.

    Raises Unauthenticated as `verify_token` does, and Unavailable where no keys are known that are fresh enough.
    """
    if len(token) > MAX_TOKEN_LENGTH:
        raise Unauthenticated(_INVALID)
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise Unauthenticated(_INVALID) from None
    kid, algorithm = header.get("kid"), header.get("alg")
    if not isinstance(kid, str) or not isinstance(algorithm, str):
        raise Unauthenticated(_INVALID)
    key = await keys.find(kid)
    # Said by the key, and only compared with the token: what is asked for by name is never what verifies.
    if key is None or key.algorithm != algorithm:
        raise Unauthenticated(_INVALID)
    return _claims(token, key.public_key, key.algorithm, settings, key)


def _claims(token: str, secret_or_key: Any, algorithm: str, settings: Settings, key: SigningKey | None = None) -> Claims:
    if len(token) > MAX_TOKEN_LENGTH:
        raise Unauthenticated(_INVALID)
    required = ["sub", "exp"]
    if settings.jwt_issuer is not None:
        required.append("iss")
    if settings.jwt_audience is not None:
        required.append("aud")
    try:
        claims = jwt.decode(
            token,
            secret_or_key,
            algorithms=[algorithm],
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
            leeway=settings.jwt_clock_skew_seconds,
            # Without an audience of our own there is nothing to compare a token's with: a symmetric secret is shared by
            # one installation alone.
            options={"require": required, "verify_aud": settings.jwt_audience is not None},
        )
        expires_at = datetime.fromtimestamp(claims["exp"] + settings.jwt_clock_skew_seconds, UTC)
        role, scopes = _role(claims.get(settings.jwt_role_claim)), _scopes(claims, settings.jwt_scope_claim)
    except jwt.ExpiredSignatureError:
        raise TokenExpired from None
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, OSError, RecursionError):
        raise Unauthenticated(_INVALID) from None
    subject = claims["sub"]
    if not 1 <= len(subject) <= MAX_SUBJECT_LENGTH or not _is_storable(subject):
        raise Unauthenticated("The bearer token's subject is not usable.")
    return Claims(subject, rights_of(role, scopes), expires_at, key)


def _role(claim: object) -> Role | None:
    """The most that a claim of one name, or of several, makes of its bearer. Raises TypeError for any other shape."""
    names = [claim] if isinstance(claim, str) else [] if claim is None else claim
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError(claim)
    if not names:
        return None
    return next((role for role in (Role.ADMIN, Role.SUPPORT) if role in names), Role.USER)


def _scopes(claims: dict[str, Any], configured: str) -> frozenset[str] | None:
    """The scopes that a token is limited to: names separated by spaces (RFC 8693, section 4.2), or a list of names.

    None for a token without any. One that carries them under a name that was not expected is limited all the same: what was
    issued for little must never pass for what was issued for everything. Raises TypeError for any other shape.
    """
    claim = next((claims[name] for name in (configured, *_SCOPE_CLAIMS) if claims.get(name) is not None), None)
    if claim is None:
        return None
    names = claim.split() if isinstance(claim, str) else claim
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError(claim)
    return frozenset(names)


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
