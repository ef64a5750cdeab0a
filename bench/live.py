"""How soon subscribers get a transfer, and the memory that each costs."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from bench.load import open_loop
from bench.profiles import Profile
from bench.stack import Stack
from bench.traffic import Traffic, any_pair, completed
from bench.world import WALLETS, owner_of, wallet_id

_WATCH = "subscription Watch($id: ID!) { walletUpdated(walletId: $id) { kind entry { sequence createdAt } } }"
_AT_ONCE = 50
_SETTLE_SECONDS = 1.0


async def live(stack: Stack, traffic: Traffic, tokens: Sequence[str], profile: Profile, saturated: float) -> dict[str, object]:
    """Milliseconds from a transfer's posting time to its arrival at a subscriber, at half of the saturated rate.

    The posting time is read before the commit, so this is a little more than the delay after it.
    """
    delays: list[float] = []
    counting = False

    def on_entry(created_at: str) -> None:
        if counting:
            delays.append(time.time() - datetime.fromisoformat(created_at).timestamp())

    watched = random.sample(range(1, WALLETS + 1), profile.live_subscribers)
    async with subscribers(stack.port, tokens, watched, on_entry):
        counting = True
        load = traffic.transfer(any_pair)
        result = await open_loop(stack.port, saturated / 2, profile.live_seconds, load, completed)
        await asyncio.sleep(_SETTLE_SECONDS)
    delays.sort()
    if not delays:
        raise RuntimeError("no subscriber received a transfer")
    return {
        "per_second": round(len(delays) / profile.live_seconds, 1),
        "transfers_per_second": round(result.per_second, 1),
        "subscribers": profile.live_subscribers,
        "events": len(delays),
        **{f"p{percent}_ms": round(delays[int(len(delays) * percent / 100)] * 1000, 2) for percent in (50, 95, 99)},
    }


@asynccontextmanager
async def subscribers(
    port: int, tokens: Sequence[str], wallets: Sequence[int], on_entry: Callable[[str], None], query: str = _WATCH
) -> AsyncIterator[None]:
    """Open a WebSocket with one live subscription for each wallet. `on_entry` gets each entry's time."""
    async with AsyncExitStack() as stack:
        # The tasks end with their WebSockets.
        tasks: list[asyncio.Task[None]] = []
        for start in range(0, len(wallets), _AT_ONCE):
            lot = wallets[start : start + _AT_ONCE]
            sockets = await asyncio.gather(*(_subscribe(port, tokens[owner_of(number)], number, query) for number in lot))
            for socket in sockets:
                stack.push_async_callback(socket.close)
                tasks.append(asyncio.create_task(_listen(socket, on_entry)))
        yield
        broken = [task for task in tasks if task.done()]
        if broken:
            raise RuntimeError(f"{len(broken)} subscribers lost their sockets")
    await asyncio.gather(*tasks, return_exceptions=True)


async def _subscribe(port: int, token: str, number: int, query: str) -> ClientConnection:
    socket = await connect(
        f"ws://127.0.0.1:{port}/graphql", subprotocols=[Subprotocol("graphql-transport-ws")], compression=None, ping_interval=None
    )
    await socket.send(orjson.dumps({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}}).decode())
    await socket.recv()
    subscribe = {"id": "1", "type": "subscribe", "payload": {"query": query, "variables": {"id": wallet_id(number)}}}
    await socket.send(orjson.dumps(subscribe).decode())
    snapshot = orjson.loads(await socket.recv())
    if snapshot.get("type") != "next" or "errors" in snapshot["payload"]:
        raise RuntimeError(f"a subscription was refused: {snapshot}")
    return socket


async def _listen(socket: ClientConnection, on_entry: Callable[[str], None]) -> None:
    async for message in socket:
        content = orjson.loads(message)
        if content["type"] == "ping":
            await socket.send('{"type":"pong"}')
            continue
        entry = content["payload"]["data"]["walletUpdated"]["entry"]
        if entry is not None:
            on_entry(entry["createdAt"])
