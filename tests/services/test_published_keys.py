"""Tokens of an identity provider: which are accepted, which attacks are refused, and what happens without the provider."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from app.access import jwks as published
from app.access import policy
from app.access.jwks import JwksError, SigningKeys, parse_jwks
from app.access.policy import rights_of
from app.access.tokens import mint_token, verify_published
from app.access.viewer import Right, Role
from app.clock import monotonic
from app.db.pool import Database
from app.errors import ConfigurationError, TokenExpired, Unauthenticated, Unavailable
from app.services.identity import Identities
from app.settings import Settings, load_settings
from tests.identity_provider import AUDIENCE, ISSUER, KeyPair, Provider, ec_key, ed_key, jwks, provider, rsa_key, with_jwks

RSA, EC, ED = rsa_key("rsa"), ec_key("ec"), ed_key("ed")
STRANGER = rsa_key("rsa")
"""Another issuer's key with the id of our RSA key."""


@asynccontextmanager
async def known(
    settings: Settings, now: Callable[[], float] = monotonic, unknown_key_seconds: float = 0
) -> AsyncIterator[SigningKeys]:
    """Signing keys that are loaded once. They are loaded again only if a test causes it."""
    keys = SigningKeys(settings, now=now, unknown_key_seconds=unknown_key_seconds)
    await keys.start()
    try:
        yield keys
    finally:
        await keys.stop()


@pytest.fixture
async def idp() -> AsyncIterator[Provider]:
    async with provider(RSA, EC, ED) as running:
        yield running


@pytest.fixture
def bare() -> Settings:
    """Settings without a database or Redis. Verifying a token needs neither."""
    return load_settings(environment="test")


@pytest.fixture
def published_settings(bare: Settings, idp: Provider) -> Settings:
    return with_jwks(bare, jwks_url=idp.url)


@pytest.mark.parametrize("key", [RSA, EC, ED], ids=lambda key: key.algorithm)
async def test_a_token_of_each_algorithm_is_accepted(published_settings: Settings, key: KeyPair) -> None:
    async with known(published_settings) as keys:
        claims = await verify_published(key.sign(), keys, published_settings)
    assert (claims.subject, claims.rights) == ("alice", rights_of(None, None))
    assert claims.key is not None
    assert claims.key.algorithm == key.algorithm


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def by_hand(header: Any, claims: Any, sign: Callable[[bytes], bytes] = lambda _: b"") -> str:
    """A token assembled by hand, because a library would refuse to make it."""
    signed = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"
    return f"{signed}.{b64(sign(signed.encode()))}"


def pem() -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415 - only one attack needs it

    key: bytes = RSA.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return key


HOUR = timedelta(hours=1)
GOOD = {"sub": "alice", "iss": ISSUER, "aud": AUDIENCE, "exp": 4_102_444_800}


def hmac_with(key: bytes) -> Callable[[bytes], bytes]:
    return lambda signed: hmac.new(key, signed, hashlib.sha256).digest()


def flipped(token: str) -> str:
    """The token with another subject and the old signature."""
    header, _, signature = token.split(".")
    return f"{header}.{b64(json.dumps({**GOOD, 'sub': 'mallory'}).encode())}.{signature}"


ATTACKS: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "no token": lambda: "nonsense",
    "three empty parts": lambda: "..",
    "a huge token": lambda: RSA.sign(padding="x" * 9000),
    "a forged subject": lambda: flipped(RSA.sign()),
    "another issuer's signature": STRANGER.sign,
    "not yet valid": lambda: RSA.sign(nbf=datetime.now(UTC) + HOUR),
    "issued in the future": lambda: RSA.sign(iat=datetime.now(UTC) + HOUR),
    "alg none": lambda: by_hand({"alg": "none", "kid": "rsa"}, GOOD),
    "alg None": lambda: by_hand({"alg": "None", "kid": "rsa"}, GOOD),
    "alg a number": lambda: by_hand({"alg": 5, "kid": "rsa"}, GOOD),
    "no alg": lambda: by_hand({"kid": "rsa"}, GOOD),
    "HS256 with the public key": lambda: by_hand({"alg": "HS256", "kid": "rsa"}, GOOD, hmac_with(pem())),
    "HS256 declared as RS256": lambda: by_hand({"alg": "RS256", "kid": "rsa"}, GOOD, hmac_with(pem())),
    "HS256 with the demo secret": lambda: by_hand(
        {"alg": "HS256", "kid": "rsa"}, GOOD, hmac_with(b"paycore-demo-secret-for-development-only")
    ),
    "the algorithm of one key and the id of another": lambda: EC.sign({"kid": "rsa"}),
    "another algorithm of the same key": lambda: by_hand({"alg": "RS512", "kid": "rsa"}, GOOD),
    "no kid": lambda: by_hand({"alg": "RS256"}, GOOD),
    "kid a list": lambda: by_hand({"alg": "RS256", "kid": ["rsa"]}, GOOD),
    "an unknown kid": lambda: RSA.sign({"kid": "../../etc/passwd"}),
    "a key of its own in the header": lambda: STRANGER.sign({"jwk": STRANGER.published(), "kid": "mine"}),
    "an address of its own in the header": lambda: STRANGER.sign({"jku": "http://127.0.0.1:1/", "kid": "mine"}),
    "an extension that must be understood": lambda: RSA.sign({"crit": ["exp"]}),
    "wrong issuer": lambda: RSA.sign(iss="https://evil.example.com/"),
    "no issuer": lambda: RSA.sign(iss=None),
    "wrong audience": lambda: RSA.sign(aud="another service"),
    "wrong audiences": lambda: RSA.sign(aud=["another service", "a third"]),
    "no audience": lambda: RSA.sign(aud=None),
    "no subject": lambda: RSA.sign(sub=None),
    "an empty subject": lambda: RSA.sign(sub=""),
    "a subject too long": lambda: RSA.sign(sub="x" * 256),
    "a subject with NUL": lambda: RSA.sign(sub="a\x00b"),
    "no expiry": lambda: RSA.sign(exp=None),
    "an expiry as text": lambda: RSA.sign(exp="4102444800"),
    "an expiry past all dates": lambda: RSA.sign(exp=10**30),
    "an endless expiry": lambda: RSA.sign(exp=float("inf")),
    "an expiry that is not a number": lambda: RSA.sign(exp=float("nan")),
    "a role as number": lambda: RSA.sign(role=1),
    "a role as object": lambda: RSA.sign(role={"admin": True}),
    "a role true": lambda: RSA.sign(role=True),
    "roles with a number among them": lambda: RSA.sign(role=["admin", 1]),
    "scopes in an object": lambda: RSA.sign(scope={"admin": True}),
    "scopes that are not names": lambda: RSA.sign(scp=[["admin"]]),
    "scopes true": lambda: RSA.sign(scope=True),
    "claims that are a list": lambda: by_hand({"alg": "RS256", "kid": "rsa"}, [1], sign_rsa),
    "a subject as number": lambda: by_hand({"alg": "RS256", "kid": "rsa"}, {**GOOD, "sub": 5}, sign_rsa),
    "an issuer as list": lambda: by_hand({"alg": "RS256", "kid": "rsa"}, {**GOOD, "iss": [ISSUER, 1]}, sign_rsa),
    "an audience as object": lambda: by_hand({"alg": "RS256", "kid": "rsa"}, {**GOOD, "aud": {}}, sign_rsa),
    "deeply nested JSON": lambda: f"{b64(b'[' * 5000)}.{b64(b'{}')}.x",
}


def sign_rsa(signed: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415 - see pem
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - see pem

    signature: bytes = RSA.private.sign(signed, PKCS1v15(), SHA256())
    return signature


async def test_the_attack_helper_also_makes_valid_tokens(published_settings: Settings) -> None:
    async with known(published_settings) as keys:
        token = by_hand({"alg": "RS256", "kid": "rsa"}, GOOD, sign_rsa)
        assert (await verify_published(token, keys, published_settings)).subject == "alice"


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_forged_or_invalid_token_is_refused_without_details(published_settings: Settings, attack: str) -> None:
    async with known(published_settings) as keys:
        with pytest.raises(Unauthenticated) as refused:
            await verify_published(ATTACKS[attack](), keys, published_settings)
    assert not isinstance(refused.value, TokenExpired)
    assert "alice" not in str(refused.value)


async def test_an_expired_token_is_reported_as_expired_after_the_allowed_clock_skew(published_settings: Settings) -> None:
    async with known(published_settings) as keys:
        with pytest.raises(TokenExpired):
            await verify_published(RSA.sign(exp=datetime.now(UTC) - timedelta(minutes=5)), keys, published_settings)
        # Clocks differ, so a token is accepted shortly before its start and shortly after its end.
        skew = timedelta(seconds=published_settings.jwt_clock_skew_seconds - 10)
        for claims in ({"exp": datetime.now(UTC) - skew}, {"nbf": datetime.now(UTC) + skew}):
            await verify_published(RSA.sign(None, **claims), keys, published_settings)


@pytest.mark.parametrize(
    ("claims", "rights"),
    [
        ({}, rights_of(Role.USER, None)),
        ({"role": "teller"}, rights_of(Role.USER, None)),
        ({"role": "Admin"}, rights_of(Role.USER, None)),
        ({"role": []}, rights_of(Role.USER, None)),
        ({"role": "support"}, rights_of(Role.SUPPORT, None)),
        ({"role": ["staff", "support"]}, rights_of(Role.SUPPORT, None)),
        ({"role": ["support", "admin"]}, frozenset(Right)),
        ({"scope": ""}, frozenset()),
        ({"scope": "openid profile"}, frozenset()),
        ({"scope": "wallets:read"}, frozenset({Right.SEE_OWN})),
        ({"scope": "transfers:write wallets:read"}, frozenset({Right.SEE_OWN, Right.TRANSFER})),
        ({"scope": "admin"}, frozenset(Right)),
        ({"scope": "ADMIN"}, frozenset()),
        ({"scope": ["wallets:read", "transfers:write"]}, frozenset({Right.SEE_OWN, Right.TRANSFER})),
        ({"scope": []}, frozenset()),
        ({"scp": "wallets:read openid"}, frozenset({Right.SEE_OWN})),
        ({"scp": ["wallets:read", "openid"]}, frozenset({Right.SEE_OWN})),
        ({"scp": ""}, frozenset()),
        ({"role": "admin", "scp": ["openid"]}, frozenset()),
        ({"scope": None, "scp": "openid"}, frozenset()),
        ({"scope": "wallets:read", "scp": "admin"}, frozenset({Right.SEE_OWN})),
        ({"role": "admin", "scope": "wallets:read"}, frozenset({Right.SEE_OWN, Right.SEE_ALL})),
        ({"role": "support", "scope": "admin"}, rights_of(Role.SUPPORT, None)),
        ({"role": "teller", "scope": "admin"}, rights_of(Role.USER, None)),
        ({"role": "support", "scope": "transfers:write"}, frozenset()),
    ],
    # A set's repr would differ between processes.
    ids=lambda value: "" if isinstance(value, frozenset) else str(value),
)
async def test_role_and_scopes_determine_the_rights(
    published_settings: Settings, claims: dict[str, Any], rights: frozenset[Right]
) -> None:
    async with known(published_settings) as keys:
        assert (await verify_published(ED.sign(None, **claims), keys, published_settings)).rights == rights


async def test_the_role_is_read_from_the_configured_claim(bare: Settings, idp: Provider) -> None:
    other = with_jwks(bare, jwks_url=idp.url, jwt_role_claim="https://example.com/roles")
    async with known(other) as keys:
        assert (await verify_published(ED.sign(role="admin"), keys, other)).rights == rights_of(None, None)
        named = ED.sign(None, **{"https://example.com/roles": ["admin"]})
        assert (await verify_published(named, keys, other)).rights == frozenset(Right)


async def test_scopes_are_read_from_the_configured_claim_and_otherwise_from_the_usual_ones(bare: Settings, idp: Provider) -> None:
    other = with_jwks(bare, jwks_url=idp.url, jwt_scope_claim="permissions")

    async def rights(**claims: Any) -> frozenset[Right]:
        return (await verify_published(ED.sign(None, **claims), keys, other)).rights

    async with known(other) as keys:
        assert await rights(permissions=["wallets:read"], scope="admin", scp="admin") == {Right.SEE_OWN}
        assert await rights(scope="wallets:read", scp="admin") == {Right.SEE_OWN}
        assert await rights(scp="wallets:read") == {Right.SEE_OWN}
        assert await rights() == rights_of(Role.USER, None)


async def test_keys_rotate_without_a_restart_and_the_tokens_of_a_removed_key_are_refused(
    published_settings: Settings, idp: Provider, engine: Database
) -> None:
    new = rsa_key("new")
    async with known(published_settings) as keys:
        identities = Identities(engine, published_settings, lambda: datetime.now(UTC), keys)
        old_token, new_token = RSA.sign(), new.sign()
        viewer = await identities.viewer(old_token)
        with pytest.raises(Unauthenticated):
            await identities.viewer(new_token)
        idp.body = jwks(RSA, new)
        assert (await identities.viewer(new_token)).user_id == viewer.user_id
        assert await identities.viewer(old_token) == viewer
        idp.body = jwks(new)
        await keys._read_once()
        with pytest.raises(Unauthenticated):
            identities.confirm(viewer)
        with pytest.raises(Unauthenticated):
            await identities.viewer(old_token)
        # A new key with the id of an old one does not make the old key's tokens valid.
        idp.body = jwks(STRANGER, new)
        await keys._read_once()
        with pytest.raises(Unauthenticated):
            await identities.viewer(old_token)
        await identities.viewer(STRANGER.sign())


async def test_unknown_key_ids_load_the_keys_once_per_interval(bare: Settings, idp: Provider) -> None:
    moment = [1000.0]
    async with known(with_jwks(bare, jwks_url=idp.url), now=lambda: moment[0], unknown_key_seconds=10) as keys:
        assert idp.requests == 1
        for _ in range(50):
            assert await keys.find("made up") is None
        assert idp.requests == 1
        moment[0] += 10
        assert await asyncio.gather(*(keys.find(f"made up {number}") for number in range(50))) == [None] * 50
        assert idp.requests == 2
        assert await keys.find("rsa") is not None
        assert idp.requests == 2


async def test_while_the_provider_is_down_tokens_are_accepted_until_the_keys_reach_their_maximum_age(
    settings: Settings, idp: Provider, engine: Database
) -> None:
    moment = [1000.0]
    aged = with_jwks(settings, jwks_url=idp.url, jwks_max_age_seconds=600)
    async with known(aged, now=lambda: moment[0]) as keys:
        identities = Identities(engine, aged, lambda: datetime.now(UTC), keys)
        seen, unseen = RSA.sign(), EC.sign()
        await identities.viewer(seen)
        good, idp.status = idp.body, 503
        moment[0] += 599
        await identities.viewer(seen)
        await identities.viewer(unseen)
        moment[0] += 2
        for token in (seen, unseen, STRANGER.sign({"kid": "made up"})):
            with pytest.raises(Unavailable):
                await identities.viewer(token)
        # Once the provider answers again, tokens are accepted again.
        idp.body, idp.status = good, 200
        await identities.viewer(seen)


async def test_a_service_that_starts_while_the_provider_is_down_accepts_no_token_until_it_answers(
    bare: Settings, idp: Provider
) -> None:
    good, idp.body = idp.body, b"<html>not found</html>"
    started = with_jwks(bare, jwks_url=idp.url)
    async with known(started) as keys:
        with pytest.raises(Unavailable):
            await verify_published(RSA.sign(), keys, started)
        idp.body = good
        assert (await verify_published(RSA.sign(), keys, started)).subject == "alice"


@pytest.mark.parametrize("fault", ["hangs", "is huge", "redirects", "is refused", "is garbage", "has no keys"])
async def test_an_invalid_answer_of_the_provider_does_not_replace_the_known_keys(
    bare: Settings, idp: Provider, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty = with_jwks(bare, jwks_url=idp.url)
    async with known(faulty) as keys:
        match fault:
            case "hangs":
                idp.hangs = True
                monkeypatch.setattr(published, "_FETCH_SECONDS", 2.0)
            case "is huge":
                idp.body = b" " * 1_000_000
            case "redirects":
                idp.status, idp.headers = 302, [f"location: {idp.url}?other"]
            case "is refused":
                idp.status = 403
            case "is garbage":
                idp.body = b'{"keys": 5}'
            case _:
                idp.body = b'{"keys": []}'
        before = idp.requests
        assert await keys.find("made up") is None
        assert idp.requests == before + 1
        assert await keys.find("rsa") is not None


async def test_keys_from_a_file_are_loaded_again_if_the_file_changes(bare: Settings, tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(jwks(RSA))
    filed = with_jwks(bare, jwks_file=path)
    async with known(filed) as keys:
        assert (await verify_published(RSA.sign(), keys, filed)).subject == "alice"
        path.write_bytes(jwks(EC))
        assert (await verify_published(EC.sign(), keys, filed)).subject == "alice"
        with pytest.raises(Unauthenticated):
            await verify_published(RSA.sign(), keys, filed)


@pytest.mark.parametrize(
    "entry",
    [
        {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA", "kid": "x", "alg": "HS256"},
        RSA.published(use="enc"),
        RSA.published(alg="HS256"),
        RSA.published(alg="RS512"),
        RSA.published(alg=None),
        RSA.published(key_ops=["encrypt"]),
        RSA.published(kid=5),
        RSA.published(kid=""),
        RSA.published(n="AQAB"),
        RSA.published(n=5),
        rsa_key("weak", 1024).published(),
        EC.published(crv="P-384"),
        ED.published(crv="Ed448"),
        {},
    ],
    ids=lambda entry: str({name: entry.get(name) for name in ("kty", "kid", "alg", "use", "crv")}),
)
def test_a_key_that_is_not_a_strong_public_signing_key_with_an_id_is_ignored(entry: dict[str, Any]) -> None:
    assert set(parse_jwks(jwks(EC, entry))) <= {"ec"} if entry.get("kid") == "ec" else set(parse_jwks(jwks(EC, entry))) == {"ec"}
    with pytest.raises(JwksError):
        parse_jwks(jwks(entry))


def test_two_keys_with_the_same_id_are_refused() -> None:
    with pytest.raises(JwksError, match="same id"):
        parse_jwks(jwks(RSA, STRANGER))


def test_the_service_mints_no_token_if_an_identity_provider_is_configured(published_settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="identity provider"):
        mint_token("alice", published_settings)


PRODUCTION: dict[str, Any] = {
    "environment": "production",
    "database_url": "postgresql://db/x",
    "redis_url": "redis://r",
    "jwks_url": "https://id.example.com/jwks",
    "jwt_issuer": ISSUER,
    "jwt_audience": AUDIENCE,
}


def test_production_with_published_keys_needs_no_secret() -> None:
    assert Settings(**PRODUCTION).uses_jwks


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"jwt_secret": SecretStr("s" * 32)}, "not both"),
        ({"jwks_url": "http://id.example.com/jwks"}, "https"),
        ({"jwks_url": "file:///etc/passwd"}, "https"),
        ({"jwks_file": Path("x")}, "one of"),
        ({"jwt_issuer": None}, "ISSUER"),
        ({"jwt_audience": None}, "AUDIENCE"),
        ({"jwks_url": None}, "demo secret"),
        ({"jwks_max_age_seconds": 100}, "jwks_max_age_seconds"),
    ],
    ids=str,
)
def test_production_refuses_insecure_identity_settings(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Settings(**{**PRODUCTION, **changes})


async def test_tokens_signed_with_the_secret_must_match_the_issuer_and_audience_if_they_are_set(
    settings: Settings, engine: Database
) -> None:
    strict = settings.model_copy(update={"jwt_issuer": ISSUER, "jwt_audience": AUDIENCE})
    identities = Identities(engine, strict, lambda: datetime.now(UTC))
    viewer = await identities.viewer(mint_token("alice", strict, scope="wallets:read"))
    assert policy.may_view(viewer)
    with pytest.raises(Unauthenticated):
        await identities.viewer(mint_token("alice", settings))
