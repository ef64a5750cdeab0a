"""The requests and the checks of their answers."""

from __future__ import annotations

import random
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import orjson

from bench.load import Check, Make
from bench.world import BUSY, WALLETS, WALLETS_PER_USER, euros_id, owner_of, wallet_id

HOT = BUSY
"""The number of the wallet that sends or receives all transfers of the hot figures."""

BATCH = 100

_TRANSFER = (
    "mutation Transfer($input: TransferInput!) { transfer(input: $input) "
    "{ replayed transaction { id status } userErrors { code message } } }"
)
_TRANSFER_BATCH = (
    "mutation Batch($input: TransferBatchInput!) { transferBatch(input: $input) "
    "{ results { transaction { id status } userErrors { code } } userErrors { code } } }"
)
_POSTING = (
    "mutation Post($input: PostTransactionInput!) { postTransaction(input: $input) "
    "{ replayed transaction { id status } userErrors { code message } } }"
)
_PLACE = (
    "mutation Place($input: PlaceHoldInput!) { placeHold(input: $input) "
    "{ replayed hold { id status description } userErrors { code message } } }"
)
_CAPTURE = (
    "mutation Capture($input: CaptureHoldInput!) { captureHold(input: $input) "
    "{ replayed transaction { id status } userErrors { code message } } }"
)
_CONVERT = (
    "mutation Convert($input: ConvertInput!) { convert(input: $input) "
    "{ replayed transaction { id status } userErrors { code message } } }"
)
_PLACED = re.compile(rb'"id":"(hld_[0-9a-z]+)","status":"OPEN","description":"([0-9]+)"')
POSTING_LEGS = 10
_MAX_FEE = b',"maxFee":{"amount":"1.00","currency":"USD"}}'
_PAGE = (
    "query Page($id: ID!, $first: Int, $after: String) { wallet(id: $id) { transactions(first: $first, after: $after) {"
    " edges { cursor node { id type status createdAt amount { amount currency } sender { displayName } receiver { displayName }"
    " } }"
    " pageInfo { hasNextPage endCursor } } } }"
)
_ENTRIES = (
    "query Entries($id: ID!) { wallet(id: $id) { entries(first: 20) { edges { cursor "
    "node { id sequence direction amount { amount currency } balanceAfter { amount } createdAt } } } } }"
)
_OLDEST = (
    "query Oldest($id: ID!, $last: Int, $before: String) { wallet(id: $id) { transactions(last: $last, before: $before) {"
    " edges { cursor } } } }"
)
_WALLET = "query Wallet($id: ID!) { wallet(id: $id) { id name currency status balance { amount currency } } }"
_VIEWER = "query Viewer { viewer { id displayName wallets { edges { node { id name balance { amount currency } } } } } }"

Pair = Callable[[], tuple[int, int]]
"""The numbers of a sender and a receiver."""


def any_pair() -> tuple[int, int]:
    """Two wallets at random."""
    sender = random.randrange(1, WALLETS + 1)
    return sender, 1 + (sender + random.randrange(WALLETS - 1)) % WALLETS


def into_hot() -> tuple[int, int]:
    """From any wallet into the hot one."""
    return random.randrange(HOT + 1, WALLETS + 1), HOT


def out_of_hot() -> tuple[int, int]:
    """From the hot wallet into any other."""
    return HOT, random.randrange(HOT + 1, WALLETS + 1)


class Traffic:
    """Builds requests. Ids and tokens are computed once, so that a request takes a few microseconds."""

    def __init__(self, tokens: Sequence[str], poster_token: str = "") -> None:
        self._wallets = ["", *(wallet_id(number) for number in range(1, WALLETS + 1))]
        self._tokens = tokens
        self._heads = [_head("POST", "/graphql", token) for token in tokens]
        self._rest_heads = [_head("POST", "/transfer", token) for token in tokens]
        self._head_of_transfer = b'{"query":' + orjson.dumps(_TRANSFER) + b',"variables":{"input":'
        self._head_of_batch = b'{"query":' + orjson.dumps(_TRANSFER_BATCH) + b',"variables":{"input":{"transfers":['
        self._poster_head = _head("POST", "/graphql", poster_token)
        self._head_of_posting = b'{"query":' + orjson.dumps(_POSTING) + b',"variables":{"input":'
        self._head_of_place = b'{"query":' + orjson.dumps(_PLACE) + b',"variables":{"input":'
        self._head_of_capture = b'{"query":' + orjson.dumps(_CAPTURE) + b',"variables":{"input":'
        self._placed: deque[tuple[bytes, int]] = deque()
        """Holds that wait for their capture, with the number of the receiver's wallet."""
        self._head_of_convert = b'{"query":' + orjson.dumps(_CONVERT) + b',"variables":{"input":'
        self._euros = [b"", *(euros_id(user).encode() for user in range(1, len(tokens)))]
        self.quotes: list[tuple[bytes, int]] = []
        """Quotes that are not used yet: the public id and the user's number of each."""
        self.sent: list[bytes] = []
        """The requests of `transfer` made while `remember` is set, for a replay."""
        self.remember = False

    def first_requests(self) -> list[bytes]:
        """The smallest request of each user."""
        return [_request(head, b'{"query":"{ __typename }"}') for head in self._heads[1:]]

    def transfer(self, pair: Pair = any_pair, amount: str = "0.01", *, accepts_fee: bool = False) -> Make:
        """One GraphQL transfer per request, each with a new key."""

        def make() -> bytes:
            sender, receiver = pair()
            given = self._input(sender, receiver, amount)
            if accepts_fee:
                given = given[:-1] + _MAX_FEE
            request = _request(self._heads[owner_of(sender)], self._head_of_transfer + given + b"}}")
            if self.remember:
                self.sent.append(request)
            return request

        return make

    def hold_or_capture(self) -> Make:
        """One request per answer: the capture of a hold that was placed, if there is one, or else a new hold."""

        def make() -> bytes:
            if self._placed:
                hold_id, receiver = self._placed.popleft()
                given = b'{"idempotencyKey":"%b","holdId":"%b"}' % (_key().encode(), hold_id)
                return _request(self._heads[owner_of(receiver)], self._head_of_capture + given + b"}}")
            sender, receiver = any_pair()
            given = (
                f'{{"idempotencyKey":"{_key()}","walletId":"{self._wallets[sender]}",'
                f'"receiverWalletId":"{self._wallets[receiver]}","amount":{{"amount":"0.01","currency":"USD"}},'
                f'"expiresIn":3600,"description":"{receiver}"}}'
            ).encode()
            return _request(self._heads[owner_of(sender)], self._head_of_place + given + b"}}")

        return make

    def placed_or_captured(self, body: bytes) -> int:
        """The check of `hold_or_capture`. A hold that is placed is captured next."""
        placed = _PLACED.search(body)
        if placed is None:
            return completed(body)
        self._placed.append((placed.group(1), int(placed.group(2))))
        return int(b'"replayed":false' in body)

    def convert(self) -> Make:
        """One conversion per request, between two wallets of one user, each by a quote of its own."""

        def make() -> bytes:
            quote_id, user = self.quotes.pop()
            given = b'{"idempotencyKey":"%b","quoteId":"%b","sourceWalletId":"%b","targetWalletId":"%b"}' % (
                _key().encode(),
                quote_id,
                self._wallets[user * WALLETS_PER_USER].encode(),
                self._euros[user],
            )
            return _request(self._heads[user], self._head_of_convert + given + b"}}")

        return make

    def posting(self) -> Make:
        """One postTransaction of ten legs per request: five debits and five credits of wallets at random."""

        def leg(wallet: int, direction: str) -> str:
            return (
                f'{{"walletId":"{self._wallets[wallet]}","direction":"{direction}",'
                f'"amount":{{"amount":"0.01","currency":"USD"}}}}'
            )

        def make() -> bytes:
            numbers = random.sample(range(1, WALLETS + 1), POSTING_LEGS)
            legs = ",".join(leg(number, "DEBIT" if place % 2 else "CREDIT") for place, number in enumerate(numbers))
            given = f'{{"idempotencyKey":"{_key()}","legs":[{legs}]}}'.encode()
            return _request(self._poster_head, self._head_of_posting + given + b"}}")

        return make

    def replay(self) -> Make:
        """Requests that were sent before."""
        return lambda: random.choice(self.sent)

    def batch(self) -> Make:
        """A transferBatch of 100 from the wallets of one user."""

        def make() -> bytes:
            user = random.randrange(WALLETS // WALLETS_PER_USER)
            transfers = []
            for _ in range(BATCH):
                sender = user * WALLETS_PER_USER + random.randrange(1, WALLETS_PER_USER + 1)
                receiver = 1 + (sender + random.randrange(WALLETS - 1)) % WALLETS
                transfers.append(self._input(sender, receiver, "0.01"))
            return _request(self._heads[user + 1], self._head_of_batch + b",".join(transfers) + b"]}}}")

        return make

    def rest(self) -> Make:
        """One POST /transfer per request."""

        def make() -> bytes:
            sender, receiver = any_pair()
            body = (
                f'{{"sender_wallet_id":"{self._wallets[sender]}","receiver_wallet_id":"{self._wallets[receiver]}",'
                f'"amount":"0.01","currency":"USD"}}'
            ).encode()
            return _request(self._rest_heads[owner_of(sender)] + b"Idempotency-Key: " + _key().encode() + b"\r\n", body)

        return make

    def page(self, first: int, after: str | None) -> Make:
        """A page of the hot wallet's transactions, newest first."""
        return self._query(_PAGE, {"id": self._wallets[HOT], "first": first, "after": after})

    def entries(self) -> Make:
        """The first page of any wallet's entries, by its owner."""
        query = orjson.dumps({"query": _ENTRIES}).removesuffix(b"}")

        def make() -> bytes:
            number = random.randrange(1, WALLETS + 1)
            return _request(
                self._heads[owner_of(number)], query + b',"variables":{"id":"' + self._wallets[number].encode() + b'"}}'
            )

        return make

    def oldest(self, last: int, before: str | None) -> Make:
        """The cursors of the hot wallet's oldest transactions before a cursor."""
        return self._query(_OLDEST, {"id": self._wallets[HOT], "last": last, "before": before})

    def viewer(self) -> Make:
        """A user with their ten wallets."""
        # The others have wallets in euros as well, for `convert`.
        heads = self._heads[1 : len(self._heads) // 2]
        requests = [_request(head, orjson.dumps({"query": _VIEWER})) for head in heads]
        return lambda: random.choice(requests)

    def wallet(self) -> Make:
        """One wallet, by GraphQL."""
        return self._query(_WALLET, {"id": self._wallets[HOT]})

    def rest_wallet(self) -> Make:
        """One wallet, by REST."""
        return self._get(f"/wallets/{self._wallets[HOT]}")

    def rest_page(self, first: int) -> Make:
        """The newest of the hot wallet's transactions, by REST."""
        return self._get(f"/wallets/{self._wallets[HOT]}/transactions?first={first}")

    def _get(self, path: str) -> Make:
        request = _request(_head("GET", path, self._tokens[owner_of(HOT)]), b"")
        return lambda: request

    def _query(self, query: str, variables: dict[str, object]) -> Make:
        request = _request(self._heads[owner_of(HOT)], orjson.dumps({"query": query, "variables": variables}))
        return lambda: request

    def _input(self, sender: int, receiver: int, amount: str) -> bytes:
        return (
            f'{{"idempotencyKey":"{_key()}","senderWalletId":"{self._wallets[sender]}",'
            f'"receiverWalletId":"{self._wallets[receiver]}","amount":{{"amount":"{amount}","currency":"USD"}}}}'
        ).encode()


completed: Check = lambda body: int(b'"COMPLETED"' in body and b'"replayed":false' in body)  # noqa: E731
replayed: Check = lambda body: int(b'"COMPLETED"' in body and b'"replayed":true' in body)  # noqa: E731
refused: Check = lambda body: int(b'"INSUFFICIENT_FUNDS"' in body)  # noqa: E731
batch_completed: Check = lambda body: BATCH if body.count(b'"COMPLETED"') == BATCH else 0  # noqa: E731


def graphql(token: str, query: str, variables: Mapping[str, object]) -> Make:
    """A request that is always the same, by the user of a token."""
    request = _request(_head("POST", "/graphql", token), orjson.dumps({"query": query, "variables": variables}))
    return lambda: request


def rows(count: int) -> Check:
    """A check for a page with `count` rows."""
    return lambda body: int(body.count(b'"cursor"') == count and b'"errors"' not in body)


def rest_rows(count: int) -> Check:
    """A check for a page with `count` rows, by REST."""
    return lambda body: int(body.count(b'"completed_at"') == count)


def one_wallet(body: bytes) -> int:
    """A check for a wallet."""
    return int(body.count(b'"balance"') == 1)


def wallets_of_viewer(body: bytes) -> int:
    """A check for a viewer with ten wallets."""
    return int(body.count(b'"balance"') == WALLETS_PER_USER)


def _key() -> str:
    """A key as long and as random as the UUIDv4 of most clients."""
    digits = f"{random.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _head(method: str, path: str, token: str) -> bytes:
    return (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAuthorization: Bearer {token}\r\n"
    ).encode()


def _request(head: bytes, body: bytes) -> bytes:
    return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)
