"""The text that `paycore dev` prints when it is ready: addresses, tokens to paste, and a command that moves money."""

from __future__ import annotations

import json

from app.access.tokens import mint_token
from app.demo.seed import USERS
from app.settings import Settings


def banner(settings: Settings, *, shows_database: bool) -> str:
    """Returns the text. `shows_database` adds the database's URL, which may hold a password."""
    base = settings.base_url
    assert settings.database_url is not None
    lines = [
        "",
        f"Paycore runs at {base}",
        *([f"  Dashboard  {base}/"] if settings.dashboard else []),
        *([f"  GraphiQL   {base}/graphiql"] if settings.dashboard and settings.graphiql_enabled else []),
        f"  REST       {base}/openapi.json",
        *([f"  PostgreSQL {settings.database_url.get_secret_value()}"] if shows_database else []),
        "",
        "Demo users, each with the header to send. A first query:",
        "{ viewer { displayName wallets { edges { node { id name balance { amount currency } } } } } }",
    ]
    for user in USERS:
        token = mint_token(user.subject, settings, role=user.role)
        lines += ["", f"  {user.display_name} ({user.subject})", "  " + json.dumps({"Authorization": f"Bearer {token}"})]
        lines += [f"    {wallet.public_id}  {wallet.currency}  {wallet.name}" for wallet in user.wallets]
    return "\n".join([*lines, "", "Move money from alice to bob:", "", curl(settings), "", "Ctrl-C stops everything.", ""])


def curl(settings: Settings) -> str:
    """Returns a command that transfers 12.34 USD from alice to bob. Run again, it returns the same transaction."""
    alice, bob = USERS[0], USERS[1]
    query = (
        "mutation($input: TransferInput!) { transfer(input: $input) { replayed transaction { id status } userErrors { code } } }"
    )
    body = {
        "query": query,
        "variables": {
            "input": {
                "idempotencyKey": "my-first-transfer",
                "senderWalletId": alice.wallets[0].public_id,
                "receiverWalletId": bob.wallets[0].public_id,
                "amount": {"amount": "12.34", "currency": "USD"},
            }
        },
    }
    return "\n".join(
        [
            f"  curl -s {settings.base_url}/graphql \\",
            f"    -H 'Authorization: Bearer {mint_token(alice.subject, settings)}' \\",
            "    -H 'Content-Type: application/json' \\",
            f"    -d '{json.dumps(body)}'",
        ]
    )
