"""Reading a small document from an HTTP server or a file, limited in time and size."""

from __future__ import annotations

import asyncio
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple


class FetchError(Exception):
    """The document cannot be read. The message never quotes the address, which may hold a key, or the document."""


class Fetched(NamedTuple):
    """A document as it was read."""

    text: bytes
    modified_at: datetime | None
    """When a file was last written. None over HTTP."""


async def fetch(source: str | Path, *, most_bytes: int, seconds: float) -> Fetched:
    """Read the document at a URL or path. `seconds` is for all of it. Raises FetchError, whatever the problem is."""
    try:
        async with asyncio.timeout(seconds):
            if isinstance(source, Path):
                return await asyncio.to_thread(_read_file, source, most_bytes)
            return Fetched(await _download(source, most_bytes, seconds), None)
    except (OSError, TimeoutError) as error:
        raise FetchError(type(error).__name__) from error


async def _download(url: str, most_bytes: int, seconds: float) -> bytes:
    # Imported here, because most services fetch nothing, and the import takes a tenth of a start.
    import httpx  # noqa: PLC0415

    # In a thread: to load the certificate authorities takes 40 ms.
    trusted = await asyncio.to_thread(httpx.create_ssl_context) if url.startswith("https:") else True
    received = bytearray()
    try:
        # No redirects: only the configured address is trusted. No compression: a small answer could unpack to a huge one.
        async with (
            httpx.AsyncClient(timeout=seconds, follow_redirects=False, verify=trusted) as client,
            client.stream("GET", url, headers={"accept": "application/json", "accept-encoding": "identity"}) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise FetchError(f"the response status was {response.status_code}")
            async for chunk in response.aiter_raw():
                received += chunk
                if len(received) > most_bytes:
                    raise FetchError(f"the response is longer than {most_bytes} bytes")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise FetchError(type(error).__name__) from error
    return bytes(received)


def _read_file(path: Path, most_bytes: int) -> Fetched:
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        # A named pipe would be waited for without end.
        raise FetchError("it is not a file")
    with path.open("rb") as file:
        text = file.read(most_bytes + 1)
    if len(text) > most_bytes:
        raise FetchError(f"the file is longer than {most_bytes} bytes")
    return Fetched(text, datetime.fromtimestamp(found.st_mtime, UTC))
