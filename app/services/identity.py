"""Maps a token's subject to a user of the ledger. The first call creates the user."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from app import ids
from app.access.jwks import SigningKeys
from app.access.tokens import Claims, verify_published, verify_token
from app.access.viewer import Viewer
from app.clock import Clock
from app.db.pool import Database
from app.db.user_sql import find_user, insert_user
from app.errors import TokenExpired, Unauthenticated
from app.services.webhooks import rights
from app.settings import Settings
from app.telemetry import logs

K = TypeVar("K")
T = TypeVar("T")

_CACHE_LIMIT = 50_000
"""Most users, and most tokens, in the caches of one process."""
_KEY_GONE = "The key of the bearer token is no longer in use."


class Identities:
    """Finds the user of a token's subject. A user's id never changes, so cached ids stay valid."""

    def __init__(self, engine: Database, settings: Settings, clock: Clock, keys: SigningKeys | None = None) -> None:
        """`keys` are the identity provider's published keys. Without them tokens are signed with the installation's secret.

        A process whose settings verify no tokens only confirms viewers.
        """
        assert not settings.verifies_tokens or settings.uses_jwks == (keys is not None)
        self._engine = engine
        self._settings = settings
        self._clock = clock
        self._keys = keys
        self._user_ids: dict[str, UUID] = {}
        self._renew_at: dict[UUID, datetime] = {}
        """Of users who see everything: when that is to be noted again for their webhooks."""
        self._viewers: dict[str, Viewer] = {}
        """By token. A verified signature stays valid until the token expires or its key is no longer published."""

    async def viewer(self, token: str) -> Viewer:
        """The viewer of a bearer token. Raises Unauthenticated, and Unavailable without fresh keys."""
        viewer = await self._known_viewer(token)
        logs.bind(user=ids.encode("usr", viewer.user_id))
        return viewer

    async def _known_viewer(self, token: str) -> Viewer:
        viewer = self._viewers.get(token)
        if viewer is not None:
            try:
                self.confirm(viewer)
            except TokenExpired:
                del self._viewers[token]
                raise
            except Unauthenticated:
                # Its key is gone or was not refreshed in time. The verification below finds out which.
                del self._viewers[token]
            else:
                renew_at = self._renew_at.get(viewer.user_id)
                if renew_at is not None and renew_at <= self._clock():
                    await self._note_rights(viewer.user_id, sees_all=True)
                return viewer
        claims = await self._verify(token)
        viewer = await self.viewer_for(claims)
        if claims.sees_all is None or await self._note_rights(viewer.user_id, sees_all=claims.sees_all):
            _cache(self._viewers, token, viewer)
        return viewer

    async def _note_rights(self, user_id: UUID, *, sees_all: bool) -> bool:
        now = self._clock()
        if not await rights.note(self._engine, self._settings, user_id, now, sees_all=sees_all):
            return False
        if sees_all:
            _cache(self._renew_at, user_id, now + rights.RENEWED_AFTER)
        else:
            self._renew_at.pop(user_id, None)
        return True

    def confirm(self, viewer: Viewer) -> None:
        """Check that the token of an earlier identified viewer is still valid, for work that outlasts one request.

        Raises TokenExpired, and Unauthenticated if the token's key is no longer published.
        """
        if viewer.expires_at <= self._clock():
            raise TokenExpired
        if viewer.key is not None and (self._keys is None or not self._keys.trusts(viewer.key)):
            raise Unauthenticated(_KEY_GONE)

    async def end_of(self, viewer: Viewer, *, ahead: timedelta = timedelta()) -> Unauthenticated:
        """Wait until a viewer's token expires (minus `ahead`) or its key is withdrawn. Returns the error for that."""
        seconds = (viewer.expires_at - self._clock() - ahead).total_seconds()
        if viewer.key is None or self._keys is None:
            await asyncio.sleep(seconds)
            return TokenExpired()
        try:
            async with asyncio.timeout(seconds):
                await self._keys.wait_until_untrusted(viewer.key)
        except TimeoutError:
            return TokenExpired()
        return Unauthenticated(_KEY_GONE)

    async def viewer_for(self, claims: Claims) -> Viewer:
        """The viewer with these verified claims."""
        user_id = self._user_ids.get(claims.subject)
        if user_id is None:
            user_id = await find_or_create_user(self._engine, claims.subject, self._clock)
            _cache(self._user_ids, claims.subject, user_id)
        return Viewer(user_id=user_id, subject=claims.subject, rights=claims.rights, expires_at=claims.expires_at, key=claims.key)

    async def _verify(self, token: str) -> Claims:
        assert self._settings.verifies_tokens
        if self._keys is None:
            return verify_token(token, self._settings)
        return await verify_published(token, self._keys, self._settings)


def _cache(cache: dict[K, T], key: K, value: T) -> None:
    """Add a value. Drops the oldest one if the cache is full."""
    if len(cache) >= _CACHE_LIMIT:
        cache.pop(next(iter(cache)))
    cache[key] = value


async def find_or_create_user(engine: Database, subject: str, clock: Clock) -> UUID:
    """The id of the subject's user. Simultaneous first calls agree on one user."""
    found = await find_user(engine, subject)
    if found is not None:
        return found
    now = clock()
    user_id = ids.new_id(now)
    await insert_user(engine, user_id, subject, _first_display_name(user_id), now)
    # A concurrent call may have inserted the user first. Its row is visible now.
    winner = await find_user(engine, subject)
    assert winner is not None
    return winner


def _first_display_name(user_id: UUID) -> str:
    """A neutral name until the user chooses one. Never the subject, which may be an e-mail address."""
    return f"Member {ids.encode('usr', user_id)[-6:]}"
