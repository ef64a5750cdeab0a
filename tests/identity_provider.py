"""An identity provider for tests: keys, tokens, and an HTTP server that publishes the keys."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from app.settings import Settings

ISSUER, AUDIENCE = "https://id.example.com/", "paycore"


@dataclass(frozen=True)
class KeyPair:
    """One signing key, private half included."""

    kid: str
    algorithm: str
    private: Any

    def published(self, **changes: Any) -> dict[str, Any]:
        """The public half as a member of a JWKS."""
        turn: Any = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}[self.algorithm]
        entry: dict[str, Any] = json.loads(turn.to_jwk(self.private.public_key()))
        entry.pop("key_ops", None)
        return {**entry, "kid": self.kid, "use": "sig", "alg": self.algorithm, **changes}

    def sign(self, header: Mapping[str, Any] | None = None, /, **claims: Any) -> str:
        """Sign a token that is valid for an hour. `claims` replaces claims; None omits one."""
        body = {"sub": "alice", "iss": ISSUER, "aud": AUDIENCE, "exp": datetime.now(UTC) + timedelta(hours=1), **claims}
        body = {name: value for name, value in body.items() if value is not None}
        return jwt.encode(body, self.private, algorithm=self.algorithm, headers={"kid": self.kid, **(header or {})})


def rsa_key(kid: str, bits: int = 2048) -> KeyPair:
    return KeyPair(kid, "RS256", rsa.generate_private_key(65537, bits))


def ec_key(kid: str) -> KeyPair:
    return KeyPair(kid, "ES256", ec.generate_private_key(ec.SECP256R1()))


def ed_key(kid: str) -> KeyPair:
    return KeyPair(kid, "EdDSA", ed25519.Ed25519PrivateKey.generate())


def jwks(*keys: KeyPair | dict[str, Any]) -> bytes:
    """A JWKS of these keys."""
    return json.dumps({"keys": [key.published() if isinstance(key, KeyPair) else key for key in keys]}).encode()


def with_jwks(settings: Settings, **changes: Any) -> Settings:
    """The settings with an identity provider in place of the secret."""
    given = {"jwt_issuer": ISSUER, "jwt_audience": AUDIENCE, **changes}
    return Settings(**{**settings.model_dump(exclude={"jwt_secret"}, exclude_unset=True), **given})


@dataclass
class Provider:
    """Publishes `body` at `url` and counts the requests."""

    url: str
    body: bytes
    status: int = 200
    headers: list[str] = field(default_factory=list)
    hangs: bool = False
    requests: int = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the one request of a connection."""
        with contextlib.closing(writer):
            await reader.readuntil(b"\r\n\r\n")
            self.requests += 1
            if self.hangs:
                await reader.read()
                return
            lines = [f"HTTP/1.1 {self.status} X", f"content-length: {len(self.body)}", "connection: close", *self.headers]
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + self.body)
            await writer.drain()


@asynccontextmanager
async def provider(*keys: KeyPair) -> AsyncIterator[Provider]:
    """A provider that publishes these keys."""
    running = Provider("", jwks(*keys))
    server = await asyncio.start_server(running.answer, "127.0.0.1", 0)
    running.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json"
    async with server:
        yield running
