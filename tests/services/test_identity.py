"""Callers are identified by tokens, which are verified, cached, and refused once they expire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import jwt
import pytest
from pydantic import SecretStr

from app.access import policy
from app.access.tokens import bearer_token, mint_token, verify_token
from app.db.pool import Database
from app.errors import Unauthenticated
from app.services.identity import Identities
from app.settings import Settings


async def test_a_cached_token_is_refused_once_it_expires(engine: Database, settings: Settings) -> None:
    moment = [datetime.now(UTC)]
    identities = Identities(engine, settings, lambda: moment[0])
    token = mint_token("alice", settings, lifetime=timedelta(minutes=5))
    first = await identities.viewer(token)
    assert await identities.viewer(token) == first
    moment[0] += timedelta(minutes=5, seconds=settings.jwt_clock_skew_seconds + 1)
    with pytest.raises(Unauthenticated, match="expired"):
        await identities.viewer(token)


async def test_all_tokens_of_a_subject_are_one_user_and_only_the_role_claim_makes_an_administrator(
    engine: Database, settings: Settings
) -> None:
    identities = Identities(engine, settings, lambda: datetime.now(UTC))
    plain = await identities.viewer(mint_token("alice", settings))
    admin = await identities.viewer(mint_token("alice", settings, role="admin"))
    other = await identities.viewer(mint_token("alice", settings, role="Admin"))
    assert plain.user_id == admin.user_id == other.user_id
    assert (policy.sees_all(plain), policy.sees_all(admin), policy.sees_all(other)) == (False, True, False)


def forged(settings: Settings, algorithm: str = "HS256", secret: str | None = None, **claims: object) -> str:
    """A token with these claims, signed with this algorithm and secret."""
    body = {"sub": "alice", "exp": datetime.now(UTC) + timedelta(hours=1), **claims}
    body = {name: value for name, value in body.items() if value is not None}
    key = settings.jwt_secret.get_secret_value() if secret is None else secret
    return jwt.encode(body, "" if algorithm == "none" else key, algorithm=algorithm)


def test_an_invalid_token_is_refused_without_details_of_its_claims(settings: Settings) -> None:
    settings = settings.model_copy(update={"jwt_secret": SecretStr("s" * 64)})  # Long enough for every algorithm.
    tokens = [
        "",
        "nonsense",
        "a.b.c",
        "x" * 10_000,
        "ü.ü.ü",
        forged(settings, secret="another secret of at least 32 bytes!"),
        forged(settings, algorithm="none"),
        forged(settings, algorithm="HS512"),
        forged(settings, sub=None),
        forged(settings, exp=None),
        forged(settings, sub=""),
        forged(settings, sub="x" * 256),
        forged(settings, sub="a\x00b"),
        forged(settings, exp=10**30),
        forged(settings, nbf=datetime.now(UTC) + timedelta(hours=1)),
    ]
    for token in tokens:
        with pytest.raises(Unauthenticated) as refused:
            verify_token(token, settings)
        assert "alice" not in str(refused.value)
    with pytest.raises(Unauthenticated, match="expired"):
        verify_token(forged(settings, exp=datetime.now(UTC) - timedelta(minutes=5)), settings)


@pytest.mark.parametrize(("header", "token"), [(None, None), ("", None), ("Bearer abc", "abc"), ("bearer  abc ", "abc")])
def test_the_token_is_read_from_the_authorization_header(header: str | None, token: str | None) -> None:
    assert bearer_token(header) == token


@pytest.mark.parametrize("header", ["Basic abc", "Bearer", "abc"])
def test_an_authorization_header_without_a_bearer_token_is_refused(header: str) -> None:
    with pytest.raises(Unauthenticated):
        bearer_token(header)
