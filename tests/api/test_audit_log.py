"""The audit log records what administrators and operators do: who, what, to what, before, after, why and when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from app import ids
from app.services.outbox import describe_outbox
from app.services.quotas import QuotaChange, set_quota
from app.settings import Settings
from tests.api.conftest import Api
from tests.bank import new_key, uuid_of
from tests.invariants.conftest import owner

__all__ = ["owner"]

DEPOSIT = "mutation($i: DepositInput!) { deposit(input: $i) { transaction { id } replayed userErrors { code } } }"
STATUS = "mutation($i: SetWalletStatusInput!) { setWalletStatus(input: $i) { wallet { status } userErrors { code } } }"


async def records(api: Api) -> list[Any]:
    """All records, oldest first."""
    async with api.bank.engine.connect() as connection:
        return list((await connection.execute(text("SELECT * FROM audit_log ORDER BY created_at"))).all())


async def ask(api: Api, query: str, request_id: str, values: dict[str, Any]) -> dict[str, Any]:
    """Run a mutation as an administrator with a request id of the client; return its payload."""
    headers = {**api.headers("admin"), "X-Request-Id": request_id}
    response = await api.http.post("/graphql", json={"query": query, "variables": {"i": values}}, headers=headers)
    assert response.headers["x-request-id"] == request_id
    (payload,) = response.json()["data"].values()
    assert isinstance(payload, dict)
    return payload


def facts(record: Any) -> dict[str, Any]:
    """A record without the columns that differ from run to run."""
    return {name: value for name, value in record._mapping.items() if name not in ("id", "created_at")}


async def test_a_deposit_is_recorded_with_the_balance_before_and_after(api: Api) -> None:
    wallet, admin = await api.wallet("bob"), await api.bank.viewer("admin", admin=True)
    began = datetime.now(UTC)
    money = {"amount": "12.50", "currency": "USD"}
    values = {"idempotencyKey": new_key(), "walletId": wallet, "amount": money, "description": "paid in at the counter"}
    payload = await ask(api, DEPOSIT, "deposit-1", values)
    assert (await ask(api, DEPOSIT, "deposit-2", values))["replayed"], "a replay does nothing, so it leaves no record"
    again = await ask(api, DEPOSIT, "deposit-3", {**values, "idempotencyKey": new_key(), "description": None})
    wrong = {**values, "idempotencyKey": new_key(), "amount": {"amount": "1.00", "currency": "EUR"}, "description": None}
    failed = await ask(api, DEPOSIT, "deposit-4", wrong)
    common = {"actor_id": admin.user_id, "operator": None, "action": "DEPOSIT", "subject_id": uuid_of(wallet)}

    def after(answer: dict[str, Any], **more: str) -> dict[str, str]:
        return {"transaction_id": answer["transaction"]["id"], "status": "COMPLETED", "amount": "1250", "currency": "USD", **more}

    mismatch = {"status": "FAILED", "amount": "100", "currency": "EUR", "failure_code": "CURRENCY_MISMATCH"}
    logged = await records(api)
    assert [facts(record) for record in logged] == [
        {**common, "before": {"balance": "0"}, "after": after(payload, balance="1250"), "reason": "paid in at the counter",
         "request_id": "deposit-1"},
        {**common, "before": {"balance": "1250"}, "after": after(again, balance="2500"), "reason": None,
         "request_id": "deposit-3"},
        {**common, "before": {}, "after": after(failed, **mismatch), "reason": None, "request_id": "deposit-4"},
    ]  # fmt: skip
    assert all(began <= record.created_at <= datetime.now(UTC) for record in logged)


async def test_a_change_of_status_is_recorded_with_its_reason_unless_it_changes_nothing(api: Api) -> None:
    wallet, admin = await api.wallet("bob"), await api.bank.viewer("admin", admin=True)
    steps = (
        ("FROZEN", "ordered by the court"),
        ("FROZEN", "once more"),
        ("ACTIVE", "the court let it go"),
        ("CLOSED", "as requested"),
    )
    for number, (status, reason) in enumerate(steps):
        values = {"walletId": wallet, "status": status, "reason": reason}
        assert (await ask(api, STATUS, f"status-{number}", values))["wallet"]["status"] == status
    common = {"actor_id": admin.user_id, "operator": None, "action": "SET_WALLET_STATUS", "subject_id": uuid_of(wallet)}

    def change(before: str, after: str, reason: str, number: int) -> dict[str, Any]:
        logged = {"before": {"status": before}, "after": {"status": after}, "reason": reason, "request_id": f"status-{number}"}
        return {**common, **logged}

    assert [facts(record) for record in await records(api)] == [
        change("ACTIVE", "FROZEN", "ordered by the court", 0),
        change("FROZEN", "ACTIVE", "the court let it go", 2),
        change("ACTIVE", "CLOSED", "as requested", 3),
    ]


async def test_a_changed_quota_is_recorded_with_all_limits_before_and_after(api: Api, owner: asyncpg.Connection) -> None:
    bob = await api.bank.viewer("bob")
    await set_quota(api.settings, "bob", QuotaChange(5, 50, ("USD=10.00",)), "a new customer")
    await set_quota(api.settings, "bob", QuotaChange(transfers_per_day=500, clear=True), "known by now")
    common = {"actor_id": None, "operator": await owner.fetchval("SELECT session_user"), "action": "SET_QUOTA",
              "subject_id": bob.user_id, "request_id": None}  # fmt: skip

    def limits(minute: int | None, day: int | None, **amounts: int) -> dict[str, Any]:
        return {"transfers_per_minute": minute, "transfers_per_day": day, "amounts_per_day": amounts}

    assert [facts(record) for record in await records(api)] == [
        {**common, "before": limits(None, None), "after": limits(5, 50, USD=1000), "reason": "a new customer"},
        {**common, "before": limits(5, 50, USD=1000), "after": limits(None, 500), "reason": "known by now"},
    ]


async def test_a_retry_of_parked_events_is_recorded_unless_nothing_is_parked(
    api: Api, owner: asyncpg.Connection, settings: Settings
) -> None:
    assert "put back into the outbox: 0." in (await describe_outbox(settings, retry=True))[0]
    assert await records(api) == []
    await owner.execute("INSERT INTO outbox_parked SELECT n, now(), '{}', now(), 'new' FROM generate_series(1, 3) n")
    assert "put back into the outbox: 3." in (await describe_outbox(settings, retry=True))[0]
    assert [facts(record) for record in await records(api)] == [
        {"actor_id": None, "operator": await owner.fetchval("SELECT session_user"), "action": "RETRY_PARKED",
         "subject_id": None, "before": {"parked": 3}, "after": {"parked": 0}, "reason": None, "request_id": None}
    ]  # fmt: skip


_FORGED = (
    "INSERT INTO audit_log (id, {who}, action, before, after, created_at) VALUES ($1, {name}, 'SET_QUOTA', '{{}}', '{{}}', $2)"
)


async def test_the_database_sets_the_operator_and_time_of_a_record_whatever_the_insert_says(
    api: Api, owner: asyncpg.Connection
) -> None:
    admin = await api.bank.viewer("admin", admin=True)
    began, long_ago = datetime.now(UTC), datetime(2001, 1, 1, tzinfo=UTC)
    for who, name in (("operator", "'somebody else'"), ("actor_id", f"'{admin.user_id}'")):
        await owner.execute(_FORGED.format(who=who, name=name), ids.new_id(began), long_ago)
    one, other = await records(api)
    assert one.operator == await owner.fetchval("SELECT session_user")
    assert (other.operator, other.actor_id) == (None, admin.user_id)
    assert min(one.created_at, other.created_at) >= began


@pytest.mark.parametrize("who", ["operator", "actor_id"])
async def test_the_service_cannot_write_a_record_of_an_operator(api: Api, who: str) -> None:
    statement = text(
        _FORGED.format(who=who, name="NULL" if who == "actor_id" else "'postgres'").replace("$1", ":i").replace("$2", ":t")
    )
    async with api.bank.engine.connect() as connection:
        with pytest.raises(Exception, match="permission denied" if who == "operator" else "audit_log_one_actor"):
            await connection.execute(statement, {"i": ids.new_id(datetime.now(UTC)), "t": datetime.now(UTC)})
