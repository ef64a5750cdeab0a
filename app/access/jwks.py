"""An identity provider's signing keys (JWKS, RFC 7517): read in the background and trusted up to a maximum age.

The keys are read when the process starts, then every few minutes. A token that names an unknown key triggers another read, but
not too often. While the provider is unreachable, the last keys stay valid up to the maximum age. After that every
token is refused, including tokens that were accepted before.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from app import tasks
from app.backoff import Backoff
from app.clock import monotonic
from app.errors import Unavailable
from app.fetching import FetchError, fetch
from app.settings import JWKS_REFRESH_SECONDS, Settings

logger = logging.getLogger(__name__)

_MAX_BYTES = 262_144
_MAX_KEYS = 100
_MAX_KID_LENGTH = 255
_MIN_RSA_BITS = 2048
_FETCH_SECONDS = 3.0
"""For the whole fetch. Below the request timeout, because a request whose token has a new key waits for the fetch."""

_UNKNOWN_KEY_SECONDS = 10.0
"""Least time between two reads for tokens with unknown keys."""
_WATCH_SECONDS = 2.0
"""How often the keys of open connections are checked, all in one pass."""


class JwksError(Exception):
    """The document holds no usable keys. The message never quotes the document."""


@dataclass(frozen=True)
class SigningKey:
    """A public key and the one algorithm that it may verify."""

    kid: str
    algorithm: str
    public_key: Any
    thumbprint: str
    """The key's parameters as JSON, which distinguish a new key with the same kid from the old one."""


class SigningKeys:
    """The published keys, as this process last read them."""

    def __init__(
        self,
        settings: Settings,
        *,
        refresh_seconds: float = JWKS_REFRESH_SECONDS,
        unknown_key_seconds: float = _UNKNOWN_KEY_SECONDS,
        now: Callable[[], float] = monotonic,
    ) -> None:
        source = settings.jwks_file or settings.jwks_url
        assert source is not None
        self._source = source
        self._refresh_seconds = refresh_seconds
        self._max_age_seconds = settings.jwks_max_age_seconds
        self._pause_seconds = unknown_key_seconds
        self._now = now
        self._keys: dict[str, SigningKey] = {}
        self._read_at: float | None = None
        self._tried_at: float | None = None
        self._reading: asyncio.Task[None] | None = None
        self._refresher: asyncio.Task[None] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._watched: dict[asyncio.Future[None], SigningKey] = {}
        """The keys of open connections, each by the future that ends the connection."""
        self._failing = False

    async def start(self) -> None:
        """Read the keys and start the background reads. Does not raise; until a read succeeds every token is refused."""
        await self._read_once()
        self._refresher = asyncio.create_task(self._refresh(), name="jwks")
        self._watcher = asyncio.create_task(self._watch(), name="jwks-watch")

    async def stop(self) -> None:
        await tasks.end(self._refresher, self._watcher, self._reading)

    async def find(self, kid: str) -> SigningKey | None:
        """Returns the key, or None if the provider does not publish it. Raises Unavailable if the keys are too old."""
        key = self._keys.get(kid)
        if (key is None or not self.are_fresh) and self._may_read_again():
            await self._read_once()
            key = self._keys.get(kid)
        if not self.are_fresh:
            raise Unavailable("Tokens cannot be verified now. Try again shortly.")
        return key

    def trusts(self, key: SigningKey) -> bool:
        """Whether a key that verified a token is still published. False if the last read is too old to know."""
        known = self._keys.get(key.kid)
        return known is not None and known.thumbprint == key.thumbprint and self.are_fresh

    async def wait_until_untrusted(self, key: SigningKey) -> None:
        """Returns within seconds after `trusts(key)` becomes false."""
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watched[end] = key
        try:
            await end
        finally:
            del self._watched[end]

    @property
    def are_fresh(self) -> bool:
        """Whether the keys were read within the maximum age."""
        return self._read_at is not None and self._now() - self._read_at <= self._max_age_seconds

    def _may_read_again(self) -> bool:
        """Limits the calls to the provider: anyone can send tokens with made-up key ids, at any rate."""
        return self._reading is not None or self._tried_at is None or self._now() - self._tried_at >= self._pause_seconds

    async def _refresh(self) -> None:
        backoff = Backoff(1.0, self._refresh_seconds)
        while True:
            if self._failing:
                await asyncio.sleep(backoff.next())
            else:
                backoff = Backoff(1.0, self._refresh_seconds)
                await asyncio.sleep(self._refresh_seconds)
            await self._read_once()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            for end, key in self._watched.items():
                if not end.done() and not self.trusts(key):
                    end.set_result(None)

    async def _read_once(self) -> None:
        """Read the keys. Concurrent callers share one read. Never raises: if the read fails, the known keys stay."""
        if self._reading is None:
            self._reading = asyncio.create_task(self._read(), name="jwks-read")
            self._reading.add_done_callback(self._done_reading)
        # Shielded: a caller that is cancelled must not cancel the read that others wait for.
        await asyncio.shield(self._reading)

    def _done_reading(self, _task: asyncio.Task[None]) -> None:
        self._reading = None

    async def _read(self) -> None:
        self._tried_at = self._now()
        try:
            keys = parse_jwks((await fetch(self._source, most_bytes=_MAX_BYTES, seconds=_FETCH_SECONDS)).text)
        except (FetchError, JwksError) as error:
            if not self._failing:
                logger.warning("cannot read the signing keys; the known keys stay valid up to their maximum age: %s", error)
            self._failing = True
            return
        if {kid: key.thumbprint for kid, key in keys.items()} != {kid: key.thumbprint for kid, key in self._keys.items()}:
            logger.info("signing keys changed: %s", ", ".join(sorted(keys)))
        self._keys, self._read_at, self._failing = keys, self._now(), False


def parse_jwks(text: bytes) -> dict[str, SigningKey]:
    """Returns the usable keys by id. Other keys, such as encryption keys, are skipped.

    Raises JwksError if `text` is not a JWKS, has no usable key, or has two keys with the same id.
    """
    try:
        listed = orjson.loads(text)["keys"]
    except (ValueError, TypeError, KeyError):
        raise JwksError("not a JSON Web Key Set") from None
    if not isinstance(listed, list) or len(listed) > _MAX_KEYS:
        raise JwksError(f"not a JSON Web Key Set of at most {_MAX_KEYS} keys")
    keys: dict[str, SigningKey] = {}
    for entry in listed:
        key = _signing_key(entry) if isinstance(entry, dict) else None
        if key is not None and key.kid in keys:
            raise JwksError("two keys have the same id")
        if key is not None:
            keys[key.kid] = key
    if not keys:
        raise JwksError("the set has no usable signing key")
    return keys


def _signing_key(entry: Mapping[str, Any]) -> SigningKey | None:
    """Returns the key if it is a strong enough public signing key with an id, else None. Symmetric keys are never usable."""
    kid, operations = entry.get("kid"), entry.get("key_ops")
    if not isinstance(kid, str) or not 1 <= len(kid) <= _MAX_KID_LENGTH or entry.get("use", "sig") != "sig":
        return None
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        return None
    algorithm = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}.get(str(entry.get("kty")))
    if algorithm is None or entry.get("alg", algorithm) != algorithm or "d" in entry:
        return None
    try:
        public_key = jwt.PyJWK(dict(entry), algorithm=algorithm).key
        thumbprint = orjson.dumps({name: entry.get(name) for name in ("kty", "crv", "n", "e", "x", "y")}).decode()
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    return SigningKey(kid, algorithm, public_key, thumbprint) if _is_strong(public_key) else None


def _is_strong(public_key: object) -> bool:
    """RSA with at least 2048 bits, P-256 or Ed25519: one kind of key per algorithm."""
    if isinstance(public_key, RSAPublicKey):
        return public_key.key_size >= _MIN_RSA_BITS
    if isinstance(public_key, EllipticCurvePublicKey):
        return isinstance(public_key.curve, SECP256R1)
    return isinstance(public_key, Ed25519PublicKey)
