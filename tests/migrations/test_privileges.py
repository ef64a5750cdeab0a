"""Migrations without a superuser: an owner with CREATEROLE needs no help; another gets the statements to ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit
from uuid import uuid4

import pytest

from app.db import migrate
from app.db.engine import connect
from app.errors import ConfigurationError
from app.services.verification import verify
from app.settings import Settings
from tests.servers import Servers, fetch_value, with_database

MakeOwner = Callable[[str], "Owner"]


@dataclass(frozen=True)
class Owner:
    """A database user who owns an empty database, and the name of the service's role there."""

    user: str
    role: str
    url: str


@pytest.fixture
def make_owner(servers: Servers) -> Iterator[MakeOwner]:
    """A function that creates a user with the given attributes and a database of theirs."""
    if not fetch_value(servers.database_url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
        pytest.skip("needs a superuser, to make users who are none")
    number = uuid4().hex[:12]
    user, role, database = f"paycore_owner_{number}", f"paycore_role_{number}", f"paycore_owned_{number}"

    def make(attributes: str) -> Owner:
        servers.execute(f"CREATE ROLE {user} LOGIN PASSWORD 'secret' {attributes}")
        servers.execute(f"CREATE DATABASE {database} OWNER {user}")
        return Owner(user, role, _as_user(with_database(servers.database_url, database), user))

    yield make
    servers.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
    servers.execute(f"DROP ROLE IF EXISTS {role}")
    servers.execute(f"DROP ROLE IF EXISTS {user}")


def _as_user(url: str, user: str) -> str:
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return urlunsplit(parts._replace(netloc=f"{user}:secret@{address}", query=urlencode(query)))


def test_an_owner_who_may_create_roles_needs_no_superuser(make_owner: MakeOwner, settings_for: Callable[..., Settings]) -> None:
    owner = make_owner("CREATEROLE")
    settings = settings_for(owner.url, database_role=owner.role)
    asyncio.run(migrate.upgrade(settings))
    asyncio.run(_assert_serves(settings, owner))
    asyncio.run(migrate.downgrade(settings, "base"))
    asyncio.run(migrate.upgrade(settings))
    asyncio.run(_assert_serves(settings, owner))


def test_an_owner_who_may_not_create_roles_gets_the_statements_for_an_administrator(
    make_owner: MakeOwner, settings_for: Callable[..., Settings], servers: Servers
) -> None:
    owner = make_owner("NOCREATEROLE")
    settings = settings_for(owner.url, database_role=owner.role)
    with pytest.raises(ConfigurationError) as refused:
        asyncio.run(migrate.upgrade(settings))
    message = str(refused.value)
    statements = [f"CREATE ROLE {owner.role} NOLOGIN", f"GRANT {owner.role} TO {owner.user}"]
    assert f"`{statements[0]}; {statements[1]};`" in message
    assert "\n" not in message
    servers.execute(statements[0])
    with pytest.raises(ConfigurationError):
        asyncio.run(migrate.upgrade(settings))
    servers.execute(statements[1])
    asyncio.run(migrate.upgrade(settings))
    asyncio.run(_assert_serves(settings, owner))


def test_a_login_with_only_the_services_role_can_serve(
    make_owner: MakeOwner, settings_for: Callable[..., Settings], servers: Servers
) -> None:
    owner = make_owner("CREATEROLE")
    asyncio.run(migrate.upgrade(settings_for(owner.url, database_role=owner.role)))
    login = f"{owner.user}_login"
    servers.execute(f"CREATE ROLE {login} LOGIN PASSWORD 'secret' IN ROLE {owner.role}")
    try:
        asyncio.run(_assert_serves(settings_for(_as_user(owner.url, login), database_role=owner.role), owner))
    finally:
        servers.execute(f"DROP ROLE {login}")


async def _assert_serves(settings: Settings, owner: Owner) -> None:
    """Assert that the service connects and works as the role that owns nothing."""
    connection = await connect(settings)
    try:
        assert await connection.fetchval("SELECT current_user") == owner.role
        assert await connection.fetchval("SELECT count(*) FROM currencies") > 100
        assert await connection.fetchval("SELECT count(*) FROM pg_class WHERE relowner = current_user::regrole") == 0
    finally:
        await connection.close()
    assert await verify(settings) == []
