"""Where an HTTP/1 request ends. If a proxy could read that differently, the request is refused and the connection closed."""

from __future__ import annotations

FRAMING_BYTES_PER_BYTE = 8
"""Bytes on the wire for one byte of a body. A chunk of one byte takes six; a body that takes many more is an attack."""


class DoubtfulRequest(ValueError):
    """A request whose end is ambiguous. The parser's callbacks raise it, and the parser stops reading."""


def check_head(version: str, headers: list[tuple[bytes, bytes]]) -> None:
    """Raise DoubtfulRequest for a head that the parser accepts but others may read differently (RFC 9112, sections 3.2 and 6).

    The parser itself refuses bare CR and LF, folded lines, a space before a colon, control characters, a length that is not a
    number or is given twice, and a length together with a transfer coding.
    """
    if version not in ("1.1", "1.0"):
        raise DoubtfulRequest("Only HTTP/1.1 and HTTP/1.0 are supported.")
    hosts = 0
    for name, value in headers:
        if name == b"host":
            hosts += 1
        elif name == b"transfer-encoding" and (value.rstrip(b" ").lower() != b"chunked" or version == "1.0"):
            raise DoubtfulRequest("The only transfer coding is chunked, in HTTP/1.1.")
    if hosts > 1 or (hosts == 0 and version == "1.1"):
        raise DoubtfulRequest("A request has one Host header.")
