"""The keys that an identity provider publishes (JWKS, RFC 7517): read in the background, believed while they are fresh.

They are read when the process starts, again every few minutes, and at once when a token names a key that is not known,
which nobody can make happen more often than the settings allow. While the provider cannot be reached, the keys last read
stay good up to a maximum age; past that no token is believed, those seen before included.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from app import tasks
from app.backoff import Backoff
from app.clock import monotonic
from app.errors import Unavailable
from app.settings import Settings

logger = logging.getLogger(__name__)

_MAX_BYTES = 262_144
_MAX_KEYS = 100
_MAX_KID_LENGTH = 255
_MIN_RSA_BITS = 2048
_FETCH_SECONDS = 3.0
"""All of a fetch: below the request timeout, since a token with a new key waits for it."""

_WATCH_SECONDS = 2.0
"""How often what is open is asked whether its keys still are believed: all of it in one go."""


class JwksError(Exception):
    """What was read holds no usable keys. Its text quotes nothing of it."""


@dataclass(frozen=True)
class SigningKey:
    """One public key, and the one algorithm that it verifies."""

    kid: str
    algorithm: str
    public_key: Any
    thumbprint: str
    """What makes it this key: another key under the same kid is another."""


class SigningKeys:
    """The published keys, as this process knows them."""

    def __init__(self, settings: Settings, *, now: Callable[[], float] = monotonic) -> None:
        self._url = settings.jwks_url
        self._file = settings.jwks_file
        self._refresh_seconds = settings.jwks_refresh_seconds
        self._max_age_seconds = settings.jwks_max_age_seconds
        self._pause_seconds = settings.jwks_unknown_key_seconds
        self._now = now
        self._keys: dict[str, SigningKey] = {}
        self._read_at: float | None = None
        self._tried_at: float | None = None
        self._reading: asyncio.Task[None] | None = None
        self._refresher: asyncio.Task[None] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._watched: dict[asyncio.Future[None], SigningKey] = {}
        """By what waits for its end: a key that is in use."""
        self._failing = False

    async def start(self) -> None:
        """Read the keys, and go on reading them. Where they cannot be read, no token is believed until they can."""
        await self._read_once()
        self._refresher = asyncio.create_task(self._refresh(), name="jwks")
        self._watcher = asyncio.create_task(self._watch(), name="jwks-watch")

    async def stop(self) -> None:
        """Stop reading."""
        await tasks.end(self._refresher, self._watcher, self._reading)

    async def find(self, kid: str) -> SigningKey | None:
        """The key with this id; None where the provider publishes none. Raises Unavailable where the keys are too old."""
        key = self._keys.get(kid)
        if (key is None or not self.are_fresh) and self._may_look_again():
            await self._read_once()
            key = self._keys.get(kid)
        if not self.are_fresh:
            raise Unavailable("Tokens cannot be verified now. Try again shortly.")
        return key

    def trusts(self, key: SigningKey) -> bool:
        """Whether a key that verified a token before is still published, as far as is known freshly enough."""
        known = self._keys.get(key.kid)
        return known is not None and known.thumbprint == key.thumbprint and self.are_fresh

    async def distrusted(self, key: SigningKey) -> None:
        """Wait until this key is not trusted any more."""
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watched[end] = key
        try:
            await end
        finally:
            del self._watched[end]

    @property
    def are_fresh(self) -> bool:
        """Whether the keys were read recently enough to be believed."""
        return self._read_at is not None and self._now() - self._read_at <= self._max_age_seconds

    def _may_look_again(self) -> bool:
        """Strangers can make up key ids as fast as they like; the provider is asked no faster than this."""
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
        """Read the keys; whoever asks meanwhile waits for the same reading. Never raises: what was known stays known."""
        if self._reading is None:
            self._reading = asyncio.create_task(self._read(), name="jwks-read")
            self._reading.add_done_callback(self._done_reading)
        # Shielded: a client that goes away takes nobody else's keys with it.
        await asyncio.shield(self._reading)

    def _done_reading(self, _task: asyncio.Task[None]) -> None:
        self._reading = None

    async def _read(self) -> None:
        self._tried_at = self._now()
        try:
            async with asyncio.timeout(_FETCH_SECONDS):
                keys = parse_jwks(await self._fetch())
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError, JwksError) as error:
            if not self._failing:
                logger.warning("the signing keys cannot be read, those known stay in use while they are fresh: %s", _why(error))
            self._failing = True
            return
        if {kid: key.thumbprint for kid, key in keys.items()} != {kid: key.thumbprint for kid, key in self._keys.items()}:
            logger.info("the signing keys are now: %s", ", ".join(sorted(keys)))
        self._keys, self._read_at, self._failing = keys, self._now(), False

    async def _fetch(self) -> bytes:
        if self._file is not None:
            return await asyncio.to_thread(_read_file, self._file)
        assert self._url is not None
        received = bytearray()
        # No redirects: the address that was configured is the one that is believed. No compression: nothing that grows.
        async with (
            httpx.AsyncClient(timeout=_FETCH_SECONDS, follow_redirects=False) as client,
            client.stream("GET", self._url, headers={"accept": "application/json", "accept-encoding": "identity"}) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise JwksError(f"the answer was {response.status_code}")
            async for chunk in response.aiter_raw():
                received += chunk
                if len(received) > _MAX_BYTES:
                    raise JwksError(f"the answer is longer than {_MAX_BYTES} bytes")
        return bytes(received)


def _read_file(path: Path) -> bytes:
    with path.open("rb") as file:
        text = file.read(_MAX_BYTES + 1)
    if len(text) > _MAX_BYTES:
        raise JwksError(f"the file is longer than {_MAX_BYTES} bytes")
    return text


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, JwksError) else type(error).__name__


def parse_jwks(text: bytes) -> dict[str, SigningKey]:
    """The usable keys by their ids. Others, such as keys for encryption, are left out.

    Raises JwksError where it is no JWKS or holds none that is usable, or two with one id.
    """
    try:
        listed = orjson.loads(text)["keys"]
    except (ValueError, TypeError, KeyError):
        raise JwksError("it is not a JSON Web Key Set") from None
    if not isinstance(listed, list) or len(listed) > _MAX_KEYS:
        raise JwksError(f"it is not a JSON Web Key Set of at most {_MAX_KEYS} keys")
    keys: dict[str, SigningKey] = {}
    for entry in listed:
        key = _signing_key(entry) if isinstance(entry, dict) else None
        if key is not None and key.kid in keys:
            raise JwksError("two keys have one id")
        if key is not None:
            keys[key.kid] = key
    if not keys:
        raise JwksError("it holds no key that tokens could be signed with")
    return keys


def _signing_key(entry: Mapping[str, Any]) -> SigningKey | None:
    """The key, where it is a public one for signatures, strong enough, with an id; a symmetric one never is."""
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
    """RSA of 2048 bits, P-256, Ed25519: one curve or kind for each algorithm."""
    if isinstance(public_key, RSAPublicKey):
        return public_key.key_size >= _MIN_RSA_BITS
    if isinstance(public_key, EllipticCurvePublicKey):
        return isinstance(public_key.curve, SECP256R1)
    return isinstance(public_key, Ed25519PublicKey)
