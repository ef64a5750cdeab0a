"""The Merkle tree agrees with RFC 6962 as it is written down, and with the proofs of another implementation."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.receipts import merkle
from app.services.receipts.merkle import TileId, Tiles

VECTORS: dict[str, list[dict[str, Any]]] = json.loads((Path(__file__).parent / "merkle_oracle" / "vectors.json").read_bytes())
# Of the test data of Certificate Transparency.
CT_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def leaf(number: int) -> bytes:
    return merkle.leaf_hash(b"%d" % number)


# The oracle: the definitions of RFC 6962, 2.1 and 2.1.1 and 2.1.2, word for word, over leaves instead of tiles.
@cache
def mth(low: int, high: int) -> bytes:
    if high - low == 0:
        return sha256(b"").digest()
    if high - low == 1:
        return leaf(low)
    k = split(high - low)
    return sha256(b"\x01" + mth(low, low + k) + mth(low + k, high)).digest()


def split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def path(m: int, low: int, high: int) -> list[bytes]:
    if high - low == 1:
        return []
    k = split(high - low)
    if m < k:
        return [*path(m, low, low + k), mth(low + k, high)]
    return [*path(m - k, low + k, high), mth(low, low + k)]


def subproof(m: int, low: int, high: int, *, complete: bool) -> list[bytes]:
    if m == high - low:
        return [] if complete else [mth(low, high)]
    k = split(high - low)
    if m <= k:
        return [*subproof(m, low, low + k, complete=complete), mth(low + k, high)]
    return [*subproof(m - k, low + k, high, complete=False), mth(low, low + k)]


def grown(sizes: list[int]) -> Tiles:
    """The tiles of a tree that grew to each of these sizes in turn, each step with only the tiles that `extend` asks for."""
    stored: dict[TileId, bytes] = {}
    size = 0
    for larger in sizes:
        last = {place: stored[place] for place in merkle.last_tiles(size)}
        changed = merkle.extend(last, size, [leaf(n) for n in range(size, larger)])
        for place, tile in changed.items():
            assert tile.startswith(stored.get(place, b"")), "a tile only grows"
        stored |= changed
        size = larger
    return stored


def only(tiles: Tiles, ranges: list[merkle.Range]) -> Tiles:
    return {place: tiles[place] for place in merkle.needed(ranges)}


def prove(ranges: list[merkle.Range], tiles: Tiles) -> list[bytes]:
    read = only(tiles, ranges)
    return [merkle.hash_of(range_, read) for range_ in ranges]


def test_the_roots_are_those_of_certificate_transparency() -> None:
    hashes = [merkle.leaf_hash(bytes.fromhex(data)) for data in CT_LEAVES]
    for size, root in enumerate(CT_ROOTS, 1):
        assert merkle.root_of(size, merkle.extend({}, 0, hashes[:size])).hex() == root
    assert merkle.root_of(0, {}) == sha256(b"").digest()


class Prover:
    """Proves as `prove` does, and computes each range once. The tiles of a larger tree begin with those of a smaller one."""

    def __init__(self, tiles: Tiles) -> None:
        self._tiles = tiles
        self._hashes: dict[merkle.Range, bytes] = {}

    def __call__(self, ranges: list[merkle.Range]) -> list[bytes]:
        for range_ in ranges:
            if range_ not in self._hashes:
                (self._hashes[range_],) = prove([range_], self._tiles)
        return [self._hashes[range_] for range_ in ranges]


def digest(proofs: Iterable[list[bytes]]) -> str:
    """Of the number of hashes of each proof, in one byte, and its hashes."""
    return sha256(b"".join(bytes([len(proof)]) + b"".join(proof) for proof in proofs)).hexdigest()


def test_every_proof_of_sizes_up_to_300_is_that_of_another_implementation() -> None:
    """tests/unit/merkle_oracle/main.go made the vectors, with the log of Go's checksum database."""
    proved = Prover(grown(list(range(1, 301))))
    assert [one["size"] for one in VECTORS["small"]] == list(range(1, 301))
    for one in VECTORS["small"]:
        size = one["size"]
        (root,) = proved(merkle.whole(size))
        assert root.hex() == one["root"]
        assert digest(proved(merkle.inclusion(index, size)) for index in range(size)) == one["inclusion"]
        assert digest(proved(merkle.consistency(old, size)) for old in range(1, size + 1)) == one["consistency"]


@pytest.mark.parametrize("one", VECTORS["large"], ids=lambda one: str(one["size"]))
def test_proofs_of_large_trees_are_those_of_another_implementation(one: dict[str, Any]) -> None:
    size = one["size"]
    tiles = grown([size // 3, size])
    assert merkle.root_of(size, tiles).hex() == one["root"]
    for index, proof in one["inclusion"].items():
        assert b"".join(prove(merkle.inclusion(int(index), size), tiles)).hex() == proof
    for old, proof in one["consistency"].items():
        assert b"".join(prove(merkle.consistency(int(old), size), tiles)).hex() == proof


def test_small_proofs_are_those_of_the_definition() -> None:
    tiles = grown(list(range(1, 70)))
    for size in range(1, 70):
        assert prove(merkle.whole(size), tiles) == [mth(0, size)]
        for index in range(size):
            assert prove(merkle.inclusion(index, size), tiles) == path(index, 0, size)
        for old in range(1, size + 1):
            assert prove(merkle.consistency(old, size), tiles) == subproof(old, 0, size, complete=True)


def test_proofs_of_large_trees_are_those_of_the_definition() -> None:
    chance = random.Random(7)
    sizes = [*sorted(chance.sample(range(1, 65_000), 40)), 65_536 + 256 + 1, 70_000]
    tiles = grown(sizes)
    assert max(place.level for place in tiles) == 2
    for size in (*sizes[-4:], 65_535, 65_536, 65_537):
        assert prove(merkle.whole(size), tiles) == [mth(0, size)]
        for index in chance.sample(range(size), 50):
            assert prove(merkle.inclusion(index, size), tiles) == path(index, 0, size)
        for old in chance.sample(range(1, size), 50):
            assert prove(merkle.consistency(old, size), tiles) == subproof(old, 0, size, complete=True)


@given(st.lists(st.integers(0, 700), max_size=6))
def test_the_steps_in_which_a_tree_grows_do_not_matter(sizes: list[int]) -> None:
    steps = sorted(sizes)
    assert grown(steps) == grown(steps[-1:])


def test_a_proof_of_what_is_not_there_is_refused() -> None:
    for index, size in ((0, 0), (5, 5), (-1, 5)):
        with pytest.raises(ValueError, match="has no leaf"):
            merkle.inclusion(index, size)
    with pytest.raises(ValueError, match="extends none"):
        merkle.consistency(6, 5)
    tiles = grown([300])
    with pytest.raises(ValueError, match="missing or too short"):
        merkle.root_of(301, tiles)
    with pytest.raises(ValueError, match="missing or too short"):
        merkle.root_of(300, {place: tile for place, tile in tiles.items() if place.level})
