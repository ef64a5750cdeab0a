"""Requests as raw bytes whose end a server and a proxy in front of it may see in different places."""

from __future__ import annotations

from dataclasses import dataclass

WAIT = b""
"""In place of a part: the next part is sent once one more answer has arrived."""
QUERY = b'{"query": "{ __typename }"}'
CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(QUERY), QUERY)
NEXT = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
SMUGGLED = b"\r\n" * 50 + b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
LENGTH = b"Content-Length: %d" % len(QUERY)
IN_CHUNKS = b"Transfer-Encoding: chunked"
EXPECTS = b"Expect: 100-continue"
H2C = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")
WEBSOCKET = (
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
SWALLOWING = (
    b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer an-attacker\r\n"
    b"Content-Length: 3000\r\n\r\n"
)
"""A request that would take what follows on the connection as its body."""
LATE = b"\r\n" * 10_000 + SWALLOWING
"""Long enough that its end arrives in a separate packet."""
LATER = b"Content-Length: %d" % len(LATE)
SMUGGLING = b"Content-Length: %d" % len(SMUGGLED)


def post(*headers: bytes, method: bytes = b"POST", target: bytes = b"/graphql", version: bytes = b"HTTP/1.1") -> bytes:
    """The head of a request with a body."""
    lines = (b"%b %b %b" % (method, target, version), b"Host: x", b"Content-Type: application/json", *headers)
    return b"\r\n".join(lines) + b"\r\n\r\n"


def get(*headers: bytes, target: bytes = b"/healthz") -> bytes:
    """The head of a request without a body."""
    return post(*headers, method=b"GET", target=target)


def chunks(*parts: bytes) -> bytes:
    """A request with these bytes as its chunked body."""
    return post(IN_CHUNKS) + b"".join(parts)


@dataclass(frozen=True)
class Raw:
    """What a client sends, with a short pause before each part, and the statuses it must get."""

    statuses: list[int]
    parts: tuple[bytes, ...]
    closes: bool = False
    """Whether the last answer closes the connection, so that `SMUGGLED`, which is sent afterwards, is not answered."""


def read(*parts: bytes, statuses: list[int] | None = None) -> Raw:
    """Read whole and answered; the connection stays open unless a request asks to close it."""
    return Raw([200] if statuses is None else statuses, parts)


def refused(*parts: bytes, statuses: list[int] | None = None) -> Raw:
    """Answered once; then the connection is closed."""
    return Raw([400] if statuses is None else statuses, parts, closes=True)


def early(status: int, *parts: bytes) -> Raw:
    """Answered before its body arrived, which may never happen; then the connection is closed."""
    return Raw([status], parts, closes=True)


TRANSFER_CODINGS = {
    "chunked": read(post(IN_CHUNKS), CHUNKED),
    "Chunked": read(post(b"Transfer-Encoding: Chunked") + CHUNKED),
    "chunked after a tab": read(post(b"Transfer-Encoding:\tchunked ") + CHUNKED),
    "chunked, of a GET": read(post(IN_CHUNKS, method=b"GET", target=b"/healthz") + CHUNKED),
    "a tab after chunked": refused(post(b"Transfer-Encoding: chunked\t") + CHUNKED),
    "length and chunks": refused(post(LENGTH, IN_CHUNKS) + CHUNKED),
    "chunks and length": refused(post(IN_CHUNKS, LENGTH) + CHUNKED),
    "gzip, chunked": refused(post(b"Transfer-Encoding: gzip, chunked") + CHUNKED),
    "chunked, gzip": refused(post(b"Transfer-Encoding: chunked, gzip") + CHUNKED),
    "chunked, identity": refused(post(b"Transfer-Encoding: chunked, identity") + CHUNKED),
    "chunked, chunked": refused(post(b"Transfer-Encoding: chunked, chunked") + CHUNKED),
    "a comma, chunked": refused(post(b"Transfer-Encoding: ,chunked") + CHUNKED),
    "chunked, a comma": refused(post(b"Transfer-Encoding: chunked,") + CHUNKED),
    "identity": refused(post(b"Transfer-Encoding: identity") + CHUNKED),
    "identity and a length": refused(post(b"Transfer-Encoding: identity", LENGTH) + QUERY),
    "identity, then chunked in a line of its own": refused(post(b"Transfer-Encoding: identity", IN_CHUNKS) + CHUNKED),
    "chunked, then identity in a line of its own": refused(post(IN_CHUNKS, b"Transfer-Encoding: identity") + CHUNKED),
    "chunked twice": refused(post(IN_CHUNKS, IN_CHUNKS) + CHUNKED),
    "xchunked": refused(post(b"Transfer-Encoding: xchunked") + CHUNKED),
    "chunked with a parameter": refused(post(b"Transfer-Encoding: chunked;q=1") + CHUNKED),
    "chunked in quotes": refused(post(b'Transfer-Encoding: "chunked"') + CHUNKED),
    "chunked after a vertical tab": refused(post(b"Transfer-Encoding: \x0bchunked") + CHUNKED),
    "chunked before a NUL": refused(post(b"Transfer-Encoding: chunked\0") + CHUNKED),
    "an empty coding": refused(post(b"Transfer-Encoding:") + CHUNKED),
    "chunked on a folded line": refused(post(b"Transfer-Encoding:\r\n chunked") + CHUNKED),
    "a space before the coding's colon": refused(post(b"Transfer-Encoding : chunked") + CHUNKED),
    "a space before the coding's name": refused(post(b" Transfer-Encoding: chunked") + CHUNKED),
    "a name that only looks like it": read(post(b"Transfer_Encoding: chunked", LENGTH) + QUERY),
    "chunked in HTTP/1.0": refused(post(IN_CHUNKS, version=b"HTTP/1.0") + CHUNKED),
    "chunked in HTTP/1.0, to be kept alive": refused(post(IN_CHUNKS, b"Connection: keep-alive", version=b"HTTP/1.0") + CHUNKED),
}

LENGTHS = {
    "a length": read(post(LENGTH), QUERY),
    "a length between spaces": read(post(b"Content-Length: \t%d \t" % len(QUERY)) + QUERY),
    "a length with zeros before it": read(post(b"Content-Length: 000%d" % len(QUERY)) + QUERY),
    "two lengths": refused(post(LENGTH, b"Content-Length: 5") + QUERY),
    "the same length twice": refused(post(LENGTH, LENGTH) + QUERY),
    "the same length twice in a line": refused(post(b"Content-Length: %d, %d" % (len(QUERY), len(QUERY))) + QUERY),
    "a length with a sign": refused(post(b"Content-Length: +%d" % len(QUERY)) + QUERY),
    "a negative length": refused(post(b"Content-Length: -%d" % len(QUERY)) + QUERY),
    "a length as hexadecimal": refused(post(b"Content-Length: 0x1b") + QUERY),
    "a length with a fraction": refused(post(b"Content-Length: 27.0") + QUERY),
    "a length in two words": refused(post(b"Content-Length: 2 7") + QUERY),
    "a length after a vertical tab": refused(post(b"Content-Length: \x0b27") + QUERY),
    "an empty length": refused(post(b"Content-Length:") + QUERY),
    "a length past 64 bits": refused(post(b"Content-Length: 18446744073709551643") + QUERY),
    "a length on a folded line": refused(post(b"Content-Length: 2\r\n 7") + QUERY),
    "a space before the length's colon": refused(post(b"Content-Length : %d" % len(QUERY)) + QUERY),
}

CHUNKS = {
    "an extension": read(chunks(b"1b;a=b\r\n", QUERY, b"\r\n0\r\n\r\n")),
    "an extension in quotes": read(chunks(b'1b;a="b; c"\r\n', QUERY, b"\r\n0;d\r\n\r\n")),
    "zeros before a size": read(chunks(b"001b\r\n", QUERY, b"\r\n000\r\n\r\n")),
    "a size that is no number": refused(chunks(b"1g\r\n", QUERY, b"\r\n0\r\n\r\n")),
    "a size with 0x": refused(chunks(b"0x1b\r\n", QUERY, b"\r\n0\r\n\r\n")),
    "a size with a sign": refused(chunks(b"+1b\r\n", QUERY, b"\r\n0\r\n\r\n")),
    "a negative size": refused(chunks(b"-1\r\n", QUERY, b"\r\n0\r\n\r\n")),
    "a size past 64 bits": refused(chunks(b"1000000000000001b\r\n", QUERY, b"\r\n0\r\n\r\n")),
    "an empty size": refused(chunks(b"\r\n", QUERY, b"\r\n0\r\n\r\n")),
    "a space after a size": refused(chunks(b"1b \r\n", QUERY, b"\r\n0\r\n\r\n")),
    "a space before a size": refused(chunks(b" 1b\r\n", QUERY, b"\r\n0\r\n\r\n")),
    "LF after a size": refused(chunks(b"1b\n", QUERY, b"\r\n0\r\n\r\n")),
    "CR after a size": refused(chunks(b"1b\r", QUERY, b"\r\n0\r\n\r\n")),
    "LF after a chunk": refused(chunks(b"1b\r\n", QUERY, b"\n0\r\n\r\n")),
    "nothing after a chunk": refused(chunks(b"1b\r\n", QUERY, b"0\r\n\r\n")),
    "LF after the last chunk": refused(chunks(b"1b\r\n", QUERY, b"\r\n0\n\n")),
    "LF in an extension": refused(chunks(b"1b;a\nb\r\n", QUERY, b"\r\n0\r\n\r\n")),
    "LF in an extension in quotes": refused(chunks(b'1b;a="\n"\r\n', QUERY, b"\r\n0\r\n\r\n")),
    "CR in an extension": refused(chunks(b"1b;a\rb\r\n", QUERY, b"\r\n0\r\n\r\n")),
    "NUL in an extension": refused(chunks(b"1b;a=\0\r\n", QUERY, b"\r\n0\r\n\r\n")),
    "an endless extension": refused(chunks(b"1b;a="), *[b"b" * 40_000] * 3),
    "trailers": read(chunks(b"1b\r\n", QUERY, b"\r\n0\r\nX-Request-Id: trailer\r\nAuthorization: Bearer x\r\n\r\n")),
    "a length as a trailer": refused(chunks(b"1b\r\n", QUERY, b"\r\n0\r\nContent-Length: 5\r\n\r\n")),
    "a coding as a trailer": refused(chunks(b"1b\r\n", QUERY, b"\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n")),
    "an upgrade as a trailer": read(chunks(b"1b\r\n", QUERY, b"\r\n0\r\n", b"\r\n".join(WEBSOCKET), b"\r\n\r\n")),
    "LF after a trailer": refused(chunks(b"1b\r\n", QUERY, b"\r\n0\r\nX-A: b\n\r\n")),
    "endless trailers": refused(chunks(b"1b\r\n", QUERY, b"\r\n0\r\n"), *[b"X-A: b\r\n" * 5_000] * 3),
}

HEADS = {
    "LF alone": refused(post(LENGTH).replace(b"\r\n", b"\n") + QUERY),
    "LF after the request line": refused(post(LENGTH).replace(b"\r\n", b"\n", 1) + QUERY),
    "LF after a header": refused(post(b"X-A: b\nX-C: d", LENGTH) + QUERY),
    "LF before the body": refused(post(LENGTH)[:-2] + b"\n" + QUERY),
    "CR in a header": refused(post(b"X-A: b\rContent-Length: 5", LENGTH) + QUERY),
    "CR in a name": refused(post(b"X-A\rB: c", LENGTH) + QUERY),
    "CR twice": refused(post(LENGTH).replace(b"\r\n", b"\r\r\n", 1) + QUERY),
    "NUL in a header": refused(post(b"X-A: b\0c", LENGTH) + QUERY),
    "NUL in a name": refused(post(b"X-A\0: b", LENGTH) + QUERY),
    "a folded header": refused(post(b"X-A: b\r\n Content-Length: 5", LENGTH) + QUERY),
    "a folded header with a tab": refused(post(b"X-A: b\r\n\tc", LENGTH) + QUERY),
    "a folded line that is empty": refused(post(b"X-A: b\r\n ", LENGTH) + QUERY),
    "a header without a name": refused(post(b": b", LENGTH) + QUERY),
    "a header without a colon": refused(post(b"X-A", LENGTH) + QUERY),
    "a space before the colon": refused(post(b"X-A : b", LENGTH) + QUERY),
    "two hosts": refused(post(b"Host: y", LENGTH) + QUERY),
    "no host": refused(post(LENGTH).replace(b"Host: x\r\n", b"") + QUERY),
    "no host, in HTTP/1.0": Raw([200], (b"GET /healthz HTTP/1.0\r\n\r\n",), closes=True),
    "an absolute target": read(get(target=b"http://y/healthz")),
    "an absolute target without a path": refused(get(target=b"http://y")),
    "HTTP/2.0": refused(post(LENGTH, b"Connection: keep-alive", version=b"HTTP/2.0") + QUERY),
    "HTTP/1.2": refused(post(LENGTH, version=b"HTTP/1.2") + QUERY),
    "HTTP/0.9": refused(b"GET /healthz\r\n\r\n"),
    "HTTP/0.9 by its number": refused(post(method=b"GET", target=b"/healthz", version=b"HTTP/0.9")),
    "the beginning of HTTP/2": refused(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "a method in small letters": refused(post(LENGTH, method=b"post") + QUERY),
    "a space before the method": refused(b" " + post(LENGTH) + QUERY),
    "empty lines before it": read(b"\r\n\r\n" + post(LENGTH) + QUERY),
    "CONNECT": refused(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n"),
}

UPGRADES = {
    "h2c": read(post(*H2C, LENGTH), QUERY),
    "h2c, in chunks": read(post(*H2C, IN_CHUNKS), CHUNKED),
    "h2c, a body like a request": read(post(*H2C, SMUGGLING), SMUGGLED, statuses=[400]),
    "h2c, a body that swallows": read(post(*H2C, LATER) + LATE, statuses=[401]),
    "a WebSocket by POST, a body that swallows": read(post(*WEBSOCKET, LATER) + LATE, statuses=[401]),
    "h2c by GET, a body that swallows": read(get(*H2C, LATER) + LATE),
    "h2c by GET": read(get(*H2C)),
    "h2c by GET with a body": read(get(*H2C, SMUGGLING) + SMUGGLED),
    "h2c by DELETE": read(post(*H2C, LENGTH, method=b"DELETE") + QUERY, statuses=[405]),
    "h2c, length and chunks": refused(post(*H2C, LENGTH, IN_CHUNKS) + CHUNKED),
    "h2c, gzip and chunks": refused(post(*H2C, b"Transfer-Encoding: gzip, chunked") + CHUNKED),
    "h2c, with trailers": read(post(*H2C, IN_CHUNKS), CHUNKED[:-2] + b"Content-Type: text/plain\r\n\r\n"),
    "an unknown protocol": read(post(b"Connection: keep-alive, Upgrade", b"Upgrade: TLS/1.0", LENGTH), QUERY),
    "a WebSocket by POST": read(post(*WEBSOCKET, LENGTH), QUERY),
    "a WebSocket by POST, in chunks": read(post(*WEBSOCKET, IN_CHUNKS), CHUNKED),
    "a WebSocket with a body": read(get(*WEBSOCKET, SMUGGLING) + SMUGGLED),
    "a WebSocket in HTTP/1.0": Raw([200], (post(*WEBSOCKET, method=b"GET", target=b"/healthz", version=b"HTTP/1.0"),), True),
    "a WebSocket of an unknown version": Raw([400], (get(*WEBSOCKET[:2], b"Sec-WebSocket-Version: 7", WEBSOCKET[3]),), True),
    "a WebSocket after a request that is not answered yet": refused(
        post(LENGTH) + QUERY + get(*WEBSOCKET, target=b"/graphql"), statuses=[200, 400]
    ),
}

LARGE = b"Content-Length: 100000000"
EARLY = {
    "404": early(404, post(LENGTH, target=b"/nowhere"), WAIT, SMUGGLED),
    "405": early(405, post(LENGTH, method=b"PUT"), WAIT, SMUGGLED),
    "405, in chunks": early(405, post(IN_CHUNKS, method=b"PUT"), WAIT, SMUGGLED),
    "406": early(406, post(b"Accept: image/png", LENGTH), WAIT, SMUGGLED),
    "413": early(413, post(LARGE), WAIT, SMUGGLED),
    "413, in chunks": early(413, post(IN_CHUNKS) + b"1000000\r\n", b" " * 0xF00000, WAIT, SMUGGLED),
    "415": early(415, post(b"Content-Encoding: gzip", b"Content-Length: 10000"), b"x", WAIT, SMUGGLED),
    "408": early(408, post(LENGTH), b"{", WAIT, SMUGGLED),
    "a head that is too large": refused(post()[:-2], *[b"X-A: " + b"b" * 30_000 + b"\r\n"] * 4, WAIT, SMUGGLED),
    "401": early(401, post(LENGTH, target=b"/transfer"), WAIT, SMUGGLED),
    "200, of a GET": early(200, get(LENGTH), WAIT, SMUGGLED),
    "HEAD": early(200, post(LENGTH, method=b"HEAD", target=b"/healthz"), WAIT, SMUGGLED),
    "404, with its body": read(post(LENGTH, target=b"/nowhere") + QUERY, statuses=[404]),
    "405, with its body": read(post(LENGTH, method=b"PUT") + QUERY, statuses=[405]),
}

EXPECTATIONS = {
    "a body that comes": read(post(EXPECTS, LENGTH), WAIT, QUERY, statuses=[100, 200]),
    "a body in chunks that comes": read(post(EXPECTS, IN_CHUNKS), WAIT, CHUNKED, statuses=[100, 200]),
    "a body that is there": read(post(EXPECTS, LENGTH) + QUERY),
    "no body": read(get(EXPECTS)),
    "a refusal, and no body": early(405, post(EXPECTS, LENGTH, method=b"PUT")),
    "a refusal, and the body all the same": early(405, post(EXPECTS, LENGTH, method=b"PUT"), WAIT, SMUGGLED),
    "too large, and no body": early(413, post(EXPECTS, LARGE)),
    "a body like a request": read(post(EXPECTS, SMUGGLING), WAIT, SMUGGLED, statuses=[100, 400]),
    "HTTP/1.0": Raw([200], (post(EXPECTS, LENGTH, version=b"HTTP/1.0"), QUERY), True),
    "an upgrade besides": read(post(*H2C, EXPECTS, LENGTH), WAIT, QUERY, statuses=[100, 200]),
    "behind another request": read(get() + post(EXPECTS, LENGTH), WAIT, WAIT, QUERY, statuses=[200, 100, 200]),
}

ONE = post(LENGTH) + QUERY
PIPELINES = {
    "three requests": read(ONE * 3, statuses=[200] * 3),
    "after HEAD": read(post(method=b"HEAD", target=b"/healthz") + ONE, statuses=[200, 200]),
    "a bad one last": refused(ONE * 2 + b"nonsense\r\n\r\n", statuses=[200, 200, 400]),
    "a bad coding last": refused(ONE * 2 + post(b"Transfer-Encoding: gzip, chunked") + CHUNKED, statuses=[200, 200, 400]),
    "a bad chunk last": refused(ONE * 2 + chunks(b"1g\r\n", QUERY), statuses=[200, 200, 400]),
    "CONNECT last": refused(ONE + b"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n", statuses=[200, 400]),
    "a head that is too large last": refused(ONE + post()[:-2], *[b"X-A: " + b"b" * 30_000 + b"\r\n"] * 4, statuses=[200, 400]),
    "an early answer last": Raw([200, 405], (ONE + post(LENGTH, method=b"PUT"), WAIT, WAIT, SMUGGLED), True),
    "more after one that asks to close": Raw([200], (post(LENGTH, b"Connection: close") + QUERY + ONE,), True),
    "more after HTTP/1.0": Raw([200], (post(LENGTH, version=b"HTTP/1.0") + QUERY + ONE,), True),
}

ALL = {
    f"{group}: {name}": raw
    for group, table in {
        "coding": TRANSFER_CODINGS,
        "length": LENGTHS,
        "chunks": CHUNKS,
        "head": HEADS,
        "upgrade": UPGRADES,
        "early": EARLY,
        "expectation": EXPECTATIONS,
        "pipeline": PIPELINES,
    }.items()
    for name, raw in table.items()
}
