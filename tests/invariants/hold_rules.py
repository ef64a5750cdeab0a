"""Statements in plain SQL that break the rules of holds, and the rules. `test_database_rules.py` runs them."""

from __future__ import annotations

from tests.invariants.small_ledger import (
    ALICE,
    AT,
    BOB,
    DEPOSITS_USD,
    FROZEN,
    HOLD,
    LAST,
    LATER,
    PAYMENT,
    REFUSED,
    UNKNOWN,
    A,
    B,
    G,
    capture,
    entries,
    hold,
    hold_event,
    posting,
    transaction,
    uid,
)

SOON, TOO_LATE = "'2030-01-03T00:00:00Z'", "'2030-01-04T00:00:00Z'"


def ending(amount: int = 100) -> str:
    """A hold whose time is over soon."""
    placed = hold_event(1, "PLACED", placed=amount)
    return hold(amount, expires_at=SOON).replace(placed, hold_event(1, "PLACED", placed=amount, expires_at=SOON))


CAPTURED = hold_event(2, "CAPTURED", captured=100)
RELEASED = hold_event(2, "RELEASED", released=100)
OVER = ending() + hold_event(2, "EXPIRED", released=100, at=TOO_LATE)
FOLLOWS, BY_TRANSACTION, REFERENCES = (
    "hold_events_follow_the_hold",
    "hold_events_capture_by_transaction",
    "holds_references_exist",
)
OF_KIND, ASKED = "hold_events_amounts_of_kind", "hold_events_input_iff_asked"

# Refused to the service and to the owner of the tables.
RULES: list[tuple[str, str, str]] = [
    ("spend what is held for a moment", hold(7000) + posting((A, 3, -100, 7000), (A, 4, 100, 6900)),
     "wallets_available_not_negative"),
    ("spend what is held", hold(6901) + transaction() + PAYMENT, "wallets_available_not_negative"),
    ("hold more than there is", hold(7001), "wallets_available_not_negative"),
    ("hold what is held", hold(7000) + hold(1, HOLD + 0x100), "wallets_available_not_negative"),
    ("extend by more than there is", hold(7000) + hold_event(2, "EXTENDED", placed=1), "wallets_available_not_negative"),
    ("a hold's id that is taken", hold() + hold(), "holds_pkey"),
    ("a hold in favour of its payer", hold(receiver_wallet_id=A), "holds_not_for_the_payer"),
    ("a long description", hold(description="repeat('d', 281)"), "holds_description_length"),
    ("a hold's metadata that is no object", hold(metadata="'[]'"), "holds_metadata_is_object"),
    ("a hold of an unknown wallet", hold(wallet_id=UNKNOWN), FOLLOWS),
    ("a hold of a frozen wallet", hold(wallet_id=FROZEN), FOLLOWS),
    ("a hold of a system wallet", hold(wallet_id=DEPOSITS_USD), REFERENCES),
    ("a hold for a system wallet", hold(receiver_wallet_id=DEPOSITS_USD), REFERENCES),
    ("a hold for an unknown wallet", hold(receiver_wallet_id=UNKNOWN), REFERENCES),
    ("a hold for a wallet in euros", hold(receiver_wallet_id=G), REFERENCES),
    ("a hold in another currency", hold(currency="'EUR'"), REFERENCES),
    ("a hold by an unknown user", hold(initiator_id=UNKNOWN), REFERENCES),
    ("a hold placed by another user than its event", hold(initiator_id=BOB), REFERENCES),
    ("a hold without an event", hold().split(";")[0], "holds_are_placed"),
    ("a hold of another amount than its event", hold(amount="99"), FOLLOWS),
    ("a hold with another end than its event", hold(expires_at=SOON), FOLLOWS),
    ("a hold born at another time than its event", hold(created_at=AT), FOLLOWS),
    ("an event of no hold", RELEASED, FOLLOWS),
    ("a hold placed twice", hold() + hold_event(2, "PLACED", placed=1), FOLLOWS),
    ("an event that leaves one out", hold() + hold_event(3, "RELEASED", released=1), FOLLOWS),
    ("an event that is there", hold() + RELEASED + hold_event(2, "RELEASED", released=1, id=uid(7)), "hold_events_pkey"),
    ("two events for one capture", hold() + hold(100, HOLD + 0x100) + capture() + CAPTURED
     + hold_event(2, "CAPTURED", HOLD + 0x100, captured=100), "hold_events_capture_key"),
    ("an event's key that is taken",
     hold() + hold_event(2, "RELEASED", released=1, idempotency_key=f"'hold-{HOLD}-1'"), "hold_events_idempotency_key"),
    ("an event before its hold", hold() + hold_event(2, "RELEASED", released=1, at=AT), FOLLOWS),
    ("release more than remains", hold() + hold_event(2, "RELEASED", released=101), "holds_within_amount"),
    ("release what is released", hold() + RELEASED + hold_event(3, "RELEASED", released=1), FOLLOWS),
    ("extend what is released", hold() + RELEASED + hold_event(3, "EXTENDED", placed=1), FOLLOWS),
    ("release what has expired", ending() + hold_event(2, "RELEASED", released=100, at=SOON), FOLLOWS),
    ("extend what has expired", ending() + hold_event(2, "EXTENDED", placed=1, at=SOON), FOLLOWS),
    ("release an expired hold", OVER + hold_event(3, "RELEASED", released=1, at=TOO_LATE), FOLLOWS),
    ("end a hold before its time", ending() + hold_event(2, "EXPIRED", released=100), FOLLOWS),
    ("end a part of a hold", ending() + hold_event(2, "EXPIRED", released=99, at=TOO_LATE), FOLLOWS),
    ("end a hold without an end", hold() + hold_event(2, "EXPIRED", released=100, at=TOO_LATE), FOLLOWS),
    ("shorten a hold", ending() + hold_event(2, "EXTENDED", expires_at="'2030-01-02T12:00:00Z'"), FOLLOWS),
    ("give an end to a hold without one", hold() + hold_event(2, "EXTENDED", expires_at=SOON), FOLLOWS),
    ("an end in the past", hold() + hold_event(2, "EXTENDED", expires_at=AT), "hold_events_expire_later"),
    ("a release with an end", ending() + hold_event(2, "RELEASED", released=1, expires_at=TOO_LATE), "hold_events_expire_later"),
    ("extend a hold of a frozen wallet",
     hold() + f"UPDATE wallets SET status = 'FROZEN' WHERE id = {A};" + hold_event(2, "EXTENDED", placed=1), FOLLOWS),
    ("capture without a transaction", hold() + CAPTURED, BY_TRANSACTION),
    ("capture by a failed transaction",
     hold() + hold_event(2, "CAPTURED", captured=100, id=uid(REFUSED), initiator_id=ALICE),
     BY_TRANSACTION),
    ("capture another amount than the transaction's", hold() + capture(99) + CAPTURED, BY_TRANSACTION),
    ("capture by another user than the transaction's",
     hold() + capture() + hold_event(2, "CAPTURED", captured=100, initiator_id=ALICE), BY_TRANSACTION),
    ("capture another hold than the transaction's",
     hold() + hold(100, HOLD + 0x100) + capture(number=HOLD + 0x100) + CAPTURED, BY_TRANSACTION),
    ("capture more than remains", hold() + capture(101) + hold_event(2, "CAPTURED", captured=101), "holds_within_amount"),
    ("capture what is released",
     hold() + RELEASED + capture() + hold_event(3, "CAPTURED", captured=100), FOLLOWS),
    ("capture what has expired", ending() + capture() + hold_event(2, "CAPTURED", captured=100, at=SOON), FOLLOWS),
    ("capture late what is open", hold() + capture() + hold_event(2, "CAPTURED_LATE", captured=100, released=-100), FOLLOWS),
    ("capture late more than was given up",
     hold() + RELEASED + capture(101) + hold_event(3, "CAPTURED_LATE", captured=101, released=-101), "holds_within_amount"),
    ("a late capture of what is not available",
     hold(7000) + hold_event(2, "RELEASED", released=7000) + transaction(LAST, amount="7000")
     + entries((A, 3, -7000, 7000), (B, 2, 7000, 3000), number=LAST) + capture(7000)
     + hold_event(3, "CAPTURED_LATE", captured=7000, released=-7000) + entries((A, 4, -7000, 0), (B, 3, 7000, 10000)),
     "wallets_available_not_negative"),
    ("a capture without its event", hold() + capture() + PAYMENT, "ledger_entries_capture_the_hold"),
    ("a capture with a fee", hold(200) + capture() + hold_event(2, "CAPTURED", captured=100)
     + entries((A, 3, -100, 7000), (B, 2, 100, 3000), (B, 3, -1, 3100), (DEPOSITS_USD, 2, 1, -10000),
               purposes=("PRINCIPAL", "PRINCIPAL", "FEE", "FEE")), "ledger_entries_charge_the_fee"),
    ("a capture of an unknown hold", capture(), "transactions_references_exist"),
    ("a capture from another wallet", hold() + capture(sender_wallet_id=B, receiver_wallet_id=A),
     "transactions_references_exist"),
    ("a capture for another wallet", hold() + capture(receiver_wallet_id=FROZEN), "transactions_references_exist"),
    ("a capture of nothing", capture(hold_id="NULL"), "transactions_hold_iff_capture"),
    ("a capture without its terms", hold() + capture(terms="NULL"), "transactions_hold_iff_capture"),
    ("a transfer with a hold", hold() + transaction(hold_id=uid(HOLD)), "transactions_hold_iff_capture"),
    ("a transfer with the terms of a capture", transaction(terms="""'{"capture": {}}'"""), "transactions_hold_iff_capture"),
    ("hold nothing", hold(0), "holds_open_while_any_remains"),
    ("place nothing", hold(0, amount="100"), OF_KIND),
    ("extend by nothing", hold() + hold_event(2, "EXTENDED"), OF_KIND),
    ("extend by less than nothing", hold() + hold_event(2, "EXTENDED", placed=-1), OF_KIND),
    ("capture nothing", hold() + hold_event(2, "CAPTURED"), OF_KIND),
    ("release nothing", hold() + hold_event(2, "RELEASED"), OF_KIND),
    ("release and place", hold() + hold_event(2, "RELEASED", placed=1, released=1), OF_KIND),
    ("capture late without taking it back",
     hold() + RELEASED + capture() + hold_event(3, "CAPTURED_LATE", captured=100), OF_KIND),
    ("an event without a key", hold() + hold_event(2, "RELEASED", released=1, idempotency_key="NULL"), ASKED),
    ("a capture with a key of its own",
     hold() + capture() + hold_event(2, "CAPTURED", captured=100, idempotency_key="'k'"), ASKED),
    ("an end that somebody asked for", ending() + hold_event(2, "EXPIRED", released=100, at=TOO_LATE, initiator_id=BOB), ASKED),
    ("a key with a space", hold() + hold_event(2, "RELEASED", released=1, idempotency_key="'a b'"),
     "hold_events_key_is_visible_ascii"),
]  # fmt: skip

# Refused even to the owner of the tables. The service's role has no privilege for them.
OWNER_RULES: list[tuple[str, str, str]] = [
    ("set what is held", f"UPDATE wallets SET held = 1 WHERE id = {A}", "wallets_held_from_events"),
    ("hold less than nothing", f"ALTER TABLE wallets DISABLE TRIGGER USER; UPDATE wallets SET held = -1 WHERE id = {A}",
     "wallets_held_not_negative"),
    ("a hold born captured", hold(captured="7"), "holds_born_untouched"),
    ("a hold born closed", hold(status="'RELEASED'", released="100", closed_at=LATER), "holds_born_untouched"),
    ("set a hold's state", hold() + f"UPDATE holds SET captured = 1 WHERE id = {uid(HOLD)}", "holds_state_from_events"),
    ("set a hold's end", hold() + f"UPDATE holds SET expires_at = {SOON} WHERE id = {uid(HOLD)}", "holds_state_from_events"),
    ("delete holds", "DELETE FROM holds", "holds_never_deleted"),
    ("truncate holds", "TRUNCATE holds CASCADE", "holds_never_deleted"),
    ("delete events of holds", "DELETE FROM hold_events", "hold_events_insert_only"),
    ("truncate events of holds", "TRUNCATE hold_events", "hold_events_insert_only"),
    ("change events of holds", "UPDATE hold_events SET captured = 1", "hold_events_insert_only"),
    ("a hold that is closed while some of it remains",
     "ALTER TABLE holds DISABLE TRIGGER holds_guard;" + hold()
     + f"UPDATE holds SET status = 'RELEASED', closed_at = {LATER} WHERE id = {uid(HOLD)}",
     "holds_open_while_any_remains"),
]  # fmt: skip
