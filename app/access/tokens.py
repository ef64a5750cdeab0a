"""Bearer tokens (JWT): minting, verifying, and the claims they carry.

An installation verifies tokens either with its own secret (HS256) or with the keys that an identity provider publishes
(`app/access/jwks.py`), never with both. The key determines the algorithm; the token's header never chooses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from app.access.jwks import SigningKey, SigningKeys
from app.access.policy import rights_of, role_sees_all
from app.access.viewer import Right, Role
from app.errors import ConfigurationError, TokenExpired, Unauthenticated
from app.settings import Settings

ALGORITHM = "HS256"
"""For tokens signed with the installation's own secret."""

MAX_TOKEN_LENGTH = 8192
MAX_SUBJECT_LENGTH = 255
_INVALID = "The bearer token is invalid."
_SCOPE_CLAIMS = ("scope", "scp")
"""Names that identity providers use: `scope` in RFC 8693, `scp` in Entra and Okta."""


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a verified token."""

    subject: str
    rights: frozenset[Right]
    expires_at: datetime
    """Includes the leeway for clock skew."""
    key: SigningKey | None = None
    """The published key that verified the token; None if it was the installation's secret."""
    sees_all: bool | None = None
    """Whether the user's role sees everything, also where this token is for less. None: the token does not say it."""


def mint_token(
    subject: str,
    settings: Settings,
    *,
    role: str | None = None,
    scope: str | None = None,
    lifetime: timedelta = timedelta(days=30),
) -> str:
    """Returns a token that this installation accepts. Raises ConfigurationError if an identity provider issues the tokens."""
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
    """Returns the claims of a valid token signed with the installation's secret.

    Raises TokenExpired if it has expired, and Unauthenticated for any other fault, without details.
    """
    assert not settings.uses_jwks, "tokens are verified with the secret or with published keys, never both"
    return _claims(token, settings.jwt_secret.get_secret_value(), ALGORITHM, settings)


async def verify_published(token: str, keys: SigningKeys, settings: Settings) -> Claims:
    """Returns the claims of a valid token signed with a published key.

    Raises the errors of `verify_token`, and Unavailable if the known keys are too old.
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
    # The key determines the algorithm. The token's header is only compared: a forged header must not choose a weaker one.
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
            # Without a configured audience there is nothing to compare. That is safe: only one installation has the secret.
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
    return Claims(subject, rights_of(role, scopes), expires_at, key, role_sees_all(role, scopes))


def _role(claim: object) -> Role | None:
    """Returns the most powerful role in a claim that is a name or a list of names. Raises TypeError for any other shape."""
    names = [claim] if isinstance(claim, str) else [] if claim is None else claim
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError(claim)
    if not names:
        return None
    return next((role for role in (Role.ADMIN, Role.SUPPORT, Role.SERVICE) if role in names), Role.USER)


def _scopes(claims: dict[str, Any], configured: str) -> frozenset[str] | None:
    """Returns the token's scopes: names separated by spaces (RFC 8693, section 4.2) or a list of names. None if it has none.

    The usual claim names are read besides the configured one. Else a token issued for a narrow scope, under another name,
    would count as one without limits. Raises TypeError for any other shape.
    """
    claim = next((claims[name] for name in (configured, *_SCOPE_CLAIMS) if claims.get(name) is not None), None)
    if claim is None:
        return None
    names = claim.split() if isinstance(claim, str) else claim
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError(claim)
    return frozenset(names)


def bearer_token(header: str | None) -> str | None:
    """Returns the token of an `Authorization: Bearer …` value, or None if the header is missing or empty.

    Raises Unauthenticated if the value has another scheme.
    """
    if header is None or not header.strip():
        return None
    scheme, _, token = header.strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("Authorization must be: Bearer <token>.")
    return token.strip()


def _is_storable(text: str) -> bool:
    """PostgreSQL's text accepts neither NUL nor lone surrogates."""
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
