"""The rules of webhooks, each broken in plain SQL. As in `test_database_rules.py`."""

from __future__ import annotations

from typing import Any

from tests.invariants.small_ledger import ALICE, AT, BOB, UNKNOWN, A, uid

ENDPOINT, DELIVERY = uid(0x400), uid(0x401)


def endpoint(place: int = 0x400, **columns: str) -> str:
    """An INSERT of Alice's endpoint for her wallet."""
    values = {
        "id": uid(place),
        "owner_id": ALICE,
        "subject_id": A,
        "created_at": AT,
        "source": "'WALLET'",
        "sees_all": "false",
        "ordered": "true",
        "public_key": "decode(repeat('00', 32), 'hex')",
        "keys": "'sealed'",
        "request_hash": "sha256('x')",
        "url": "'https://example.com/'",
        "document": "'subscription'",
        "idempotency_key": f"'endpoint-{place}'",
        **columns,
    }
    return f"INSERT INTO webhook_endpoints ({', '.join(values)}) VALUES ({', '.join(values.values())});"


def delivery(place: int = 0x401, **columns: str) -> str:
    """An INSERT of a delivery of the wallet's first entry, which waits."""
    values = {
        "id": uid(place),
        "endpoint_id": ENDPOINT,
        "subject_id": A,
        "number": "1",
        "position": "1",
        "created_at": AT,
        "next_attempt_at": AT,
        "lanes": f"ARRAY[{A}]::uuid[]",
        **columns,
    }
    return f"INSERT INTO webhook_deliveries ({', '.join(values)}) VALUES ({', '.join(values.values())});"


def attempt(**columns: str) -> str:
    """An INSERT of the delivery's first attempt."""
    values = {"delivery_id": DELIVERY, "number": "1", "at": AT, "duration_ms": "5", "status": "200", "error": "NULL", **columns}
    return f"INSERT INTO webhook_attempts ({', '.join(values)}) VALUES ({', '.join(values.values())});"


def duty(**columns: str) -> str:
    """An INSERT of a duty of the worker."""
    values = {"name": "'count'", "next_at": AT, **columns}
    return f"INSERT INTO worker_duties ({', '.join(values)}) VALUES ({', '.join(values.values())});"


READY = endpoint() + delivery()
DELIVERED: dict[str, Any] = {"delivered_at": AT, "next_attempt_at": "NULL", "attempts": "1"}

RULES: list[tuple[str, str, str]] = [
    ("an endpoint's id that is taken", endpoint() + endpoint(idempotency_key="'other'"), "webhook_endpoints_pkey"),
    (
        "an endpoint's key that is used",
        endpoint() + endpoint(0x402, idempotency_key="'endpoint-1024'"),
        "webhook_endpoints_idempotency_key",
    ),
    ("an endpoint with a key with a space", endpoint(idempotency_key="'a b'"), "webhook_endpoints_key_is_visible_ascii"),
    ("an endpoint of an unknown user", endpoint(owner_id=UNKNOWN), "webhook_endpoints_owner_fkey"),
    ("an endpoint's hash that is none", endpoint(request_hash="'x'"), "webhook_endpoints_hash_is_sha256"),
    ("an endpoint for a wallet without one", endpoint(subject_id="NULL"), "webhook_endpoints_subject_iff_of_one"),
    ("an endpoint for all, of one wallet", endpoint(source="'SETTLED'"), "webhook_endpoints_subject_iff_of_one"),
    ("an endpoint without a URL", endpoint(url="''"), "webhook_endpoints_url_length"),
    ("an endpoint without a document", endpoint(document="''"), "webhook_endpoints_document_length"),
    ("variables that are a list", endpoint(variables="'[]'"), "webhook_endpoints_variables_is_object"),
    ("a public key that is none", endpoint(public_key="'x'"), "webhook_endpoints_public_key_length"),
    ("old keys for ever", endpoint(old_keys="'x'"), "webhook_endpoints_old_keys_end"),
    ("failing without a failure", endpoint(failing_since=AT), "webhook_endpoints_failing_since_a_failure"),
    ("behind without a look", endpoint(behind_after="0"), "webhook_endpoints_behind_is_looked_at"),
    ("behind the first position", endpoint(behind_after="-1", look_at=AT), "webhook_endpoints_behind_not_negative"),
    (
        "behind, and back",
        endpoint(behind_after="5", look_at=AT) + "UPDATE webhook_endpoints SET behind_after = 4",
        "webhook_endpoints_behind_rises",
    ),
    ("deleted and enabled", endpoint(deleted_at=AT), "webhook_endpoints_deleted_is_not_enabled"),
    (
        "a deleted endpoint, and back",
        endpoint(deleted_at=AT, status="'PAUSED'") + "UPDATE webhook_endpoints SET deleted_at = NULL",
        "webhook_endpoints_stay_deleted",
    ),
    (
        "remove an endpoint that is not deleted",
        endpoint() + "DELETE FROM webhook_endpoints",
        "webhook_endpoints_deleted_by_owner",
    ),
    (
        "remove an endpoint with deliveries",
        endpoint(deleted_at=AT, status="'PAUSED'") + delivery() + "DELETE FROM webhook_endpoints",
        "webhook_deliveries_endpoint_fkey",
    ),
    ("a duty's name that is taken", duty() + duty(), "worker_duties_pkey"),
    ("a duty without a name", duty(name="''"), "worker_duties_name"),
    ("a duty that failed without an error", duty(failures="1"), "worker_duties_failures_counted"),
    ("a long error", duty(last_error="repeat('x', 501)"), "worker_duties_error_short"),
    ("done in no time", duty(succeeded_at=AT), "worker_duties_succeeded_in_some_time"),
    ("a delivery's id that is taken", READY + delivery(number="2"), "webhook_deliveries_pkey"),
    ("an event delivered as two", READY + delivery(0x402), "webhook_deliveries_once"),
    ("a delivery to nowhere", delivery(endpoint_id=UNKNOWN), "webhook_deliveries_endpoint_fkey"),
    ("a delivery without a position", endpoint() + delivery(position="0"), "webhook_deliveries_position_positive"),
    ("more failures than attempts", endpoint() + delivery(failures="1"), "webhook_deliveries_attempts_counted"),
    ("delivered and due", endpoint() + delivery(delivered_at=AT, attempts="1"), "webhook_deliveries_done_or_waiting"),
    (
        "delivered without an attempt",
        endpoint() + delivery(delivered_at=AT, next_attempt_at="NULL"),
        "webhook_deliveries_done_or_waiting",
    ),
    (
        "a lease of what is parked",
        endpoint() + delivery(next_attempt_at="NULL", leased_until=AT),
        "webhook_deliveries_leased_while_waiting",
    ),
    (
        "forget an attempt",
        endpoint() + delivery(**DELIVERED) + "UPDATE webhook_deliveries SET attempts = 0, delivered_at = NULL",
        "webhook_deliveries_keep_their_event",
    ),
    ("an attempt's number that is taken", READY + attempt() + attempt(), "webhook_attempts_pkey"),
    ("an attempt of no delivery", attempt(), "webhook_attempts_delivery_fkey"),
    ("an attempt before the first", READY + attempt(number="0"), "webhook_attempts_number_positive"),
    ("an attempt that took less than no time", READY + attempt(duration_ms="-1"), "webhook_attempts_duration_not_negative"),
    ("an attempt without an outcome", READY + attempt(status="NULL"), "webhook_attempts_answer_or_error"),
    ("an attempt with two outcomes", READY + attempt(error="'x'"), "webhook_attempts_answer_or_error"),
    ("a long answer", READY + attempt(response_body="repeat('x', 1025)"), "webhook_attempts_texts_short"),
    ("go back", "UPDATE webhook_progress SET position = -1", "webhook_progress_rises"),
]

OWNER_RULES: list[tuple[str, str, str]] = [
    ("truncate endpoints", "TRUNCATE webhook_endpoints CASCADE", "webhook_endpoints_never_deleted"),
    ("change an attempt", "UPDATE webhook_attempts SET status = 200", "webhook_attempts_insert_only"),
    *(
        (
            f"change an endpoint's {column}",
            endpoint() + f"UPDATE webhook_endpoints SET {column} = {value}",
            "webhook_endpoints_keep_what_they_are",
        )
        for column, value in {
            "url": "'https://elsewhere.example/'",
            "document": "'other'",
            "owner_id": BOB,
            "sees_all": "true",
            "ordered": "false",
        }.items()
    ),
    *(
        (
            f"change a delivery's {column}",
            READY + f"UPDATE webhook_deliveries SET {column} = {value}",
            "webhook_deliveries_keep_their_event",
        )
        for column, value in {"id": uid(0x403), "number": "2", "position": "2", "lanes": "'{}'"}.items()
    ),
    ("a second position", "INSERT INTO webhook_progress (position) VALUES (0)", "webhook_progress_pkey"),
    ("a position beside the one", "INSERT INTO webhook_progress VALUES (false, 0)", "webhook_progress_one_row"),
]
