"""The Merkle tree of RFC 6962, kept in tiles of 256 hashes as in C2SP tlog-tiles. Pure.

A tile of level t has the hashes of 256 neighbouring subtrees of 256**t leaves each. A full tile is final; the last of each
level grows. Which tiles a root or a proof needs is known before they are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

HASH_BYTES = 32
TILE_BITS = 8
TILE_WIDTH = 1 << TILE_BITS
TILE_BYTES = TILE_WIDTH * HASH_BYTES
EMPTY_ROOT = sha256().digest()


class TileId(NamedTuple):
    """The place of a tile: its level, and its number within that level."""

    level: int
    number: int


class Range(NamedTuple):
    """The leaves from `low` to before `high`, of which a proof has one hash."""

    low: int
    high: int


Tiles = Mapping[TileId, bytes]


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def extend(tiles: Tiles, size: int, leaves: Sequence[bytes]) -> dict[TileId, bytes]:
    """Return the tiles that change when leaf hashes are appended to a tree. `tiles` has the last tile of each level."""
    changed: dict[TileId, bytes] = {}
    level, added = 0, b"".join(leaves)
    while added:
        carried = b""
        place = TileId(level, size // TILE_WIDTH)
        tile = (tiles.get(place, b"") if size % TILE_WIDTH else b"") + added
        while len(tile) >= TILE_BYTES:
            changed[place], tile = tile[:TILE_BYTES], tile[TILE_BYTES:]
            carried += _folded(changed[place])
            place = TileId(level, place.number + 1)
        if tile:
            changed[place] = tile
        level, size, added = level + 1, size // TILE_WIDTH, carried
    return changed


def last_tiles(size: int) -> list[TileId]:
    """The tiles of a tree that are not full: what `extend` needs."""
    found, level = [], 0
    while size:
        if size % TILE_WIDTH:
            found.append(TileId(level, size // TILE_WIDTH))
        level, size = level + 1, size // TILE_WIDTH
    return found


def whole(size: int) -> list[Range]:
    """The range whose hash is the root of a tree."""
    return [Range(0, size)] if size else []


def inclusion(index: int, size: int) -> list[Range]:
    """The ranges whose hashes prove a leaf, from its sibling up (RFC 6962, 2.1.1). Raises ValueError if there is no such leaf."""
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    low, high, path = 0, size, []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(Range(middle, high))
            high = middle
        else:
            path.append(Range(low, middle))
            low = middle
    return path[::-1]


def consistency(old: int, size: int) -> list[Range]:
    """The ranges whose hashes prove that a tree extends an older one (RFC 6962, 2.1.2). Raises ValueError if that is larger."""
    if not 0 <= old <= size:
        raise ValueError(f"a tree of {size} leaves extends none of {old}")
    if old in (0, size):
        return []
    low, high, path, is_left_edge = 0, size, [], True
    while high > old:
        middle = low + _split(high - low)
        if old <= middle:
            path.append(Range(middle, high))
            high = middle
        else:
            path.append(Range(low, middle))
            low, is_left_edge = middle, False
    if not is_left_edge:
        path.append(Range(low, high))
    return path[::-1]


def needed(ranges: Iterable[Range]) -> set[TileId]:
    """The tiles that hold the hashes of ranges."""
    return {_tile_of(level, number) for range_ in ranges for level, number in _subtrees(range_)}


def hash_of(range_: Range, tiles: Tiles) -> bytes:
    """The hash of a range. Raises ValueError if the tiles do not hold it."""
    *rest, last = [_subtree_hash(level, number, tiles) for level, number in _subtrees(range_)]
    for hash_ in reversed(rest):
        last = node_hash(hash_, last)
    return last


def root_of(size: int, tiles: Tiles) -> bytes:
    """The root of a tree. Raises ValueError if the tiles do not hold it."""
    return hash_of(Range(0, size), tiles) if size else EMPTY_ROOT


def _split(count: int) -> int:
    """The largest power of two below a count."""
    return 1 << (count - 1).bit_length() - 1


def _subtrees(range_: Range) -> list[tuple[int, int]]:
    """The complete subtrees of a range, largest first: the exponent of their number of leaves, and their number at that level."""
    low, count = range_.low, range_.high - range_.low
    found = []
    while count:
        level = count.bit_length() - 1
        found.append((level, low >> level))
        low, count = low + (1 << level), count - (1 << level)
    return found


def _tile_of(level: int, number: int) -> TileId:
    return TileId(level // TILE_BITS, (number << level % TILE_BITS) // TILE_WIDTH)


def _subtree_hash(level: int, number: int, tiles: Tiles) -> bytes:
    width = 1 << level % TILE_BITS
    first = (number * width % TILE_WIDTH) * HASH_BYTES
    part = tiles.get(_tile_of(level, number), b"")[first : first + width * HASH_BYTES]
    if len(part) != width * HASH_BYTES:
        raise ValueError(f"tile {_tile_of(level, number)} is missing or too short")
    return _folded(part)


def _folded(hashes: bytes) -> bytes:
    """The root of a complete subtree over hashes, whose number is a power of two."""
    pair = 2 * HASH_BYTES
    while len(hashes) > HASH_BYTES:
        hashes = b"".join([sha256(b"\x01" + hashes[at : at + pair]).digest() for at in range(0, len(hashes), pair)])
    return hashes
