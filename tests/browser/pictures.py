"""Pictures of pages that can be compared: what changes from run to run is made the same, and small differences do not count."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import BrowserContext, Page

SAME_EACH_TIME = """
*, *::before, *::after { animation: none !important; transition: none !important; caret-color: transparent !important; }
data.money, time, code, .number, .muted time { color: transparent !important; background: #8888 !important; }
data.money *, time * { color: transparent !important; visibility: hidden !important; }
svg.sparkline, figure svg, figure canvas, .uplot, .latency, output { visibility: hidden !important; }
"""
"""Amounts, times and ids are grey boxes, and what is drawn from them is not shown."""

SMALLER = 4
"""Pictures are compared at this fraction of their size, so that how a browser smooths letters does not count."""
MOST_DIFFERENCE = 40
"""Of a point's red, green and blue, which are 0 to 255."""
MOST_DIFFERENT = 0.02
"""The share of points that may differ by more than that."""

_COMPARE = """async ({ pictures, smaller, most }) => {
  const loaded = await Promise.all(pictures.map(async (picture) => {
    const image = new Image();
    image.src = picture;
    await image.decode();
    return image;
  }));
  const [, actual] = loaded;
  const width = Math.round(actual.naturalWidth / smaller), height = Math.round(actual.naturalHeight / smaller);
  const canvas = (across) => Object.assign(document.createElement("canvas"), { width: width * across, height });
  const points = loaded.map((image) => {
    const context = canvas(1).getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(image, 0, 0, width, height);
    return context.getImageData(0, 0, width, height).data;
  });
  const marked = new ImageData(width, height);
  let different = 0;
  for (let at = 0; at < marked.data.length; at += 4) {
    const differs = [0, 1, 2].some((colour) => Math.abs(points[0][at + colour] - points[1][at + colour]) > most);
    different += differs;
    marked.data.set(differs ? [255, 0, 0, 255] : [points[1][at], points[1][at + 1], points[1][at + 2], 64], at);
  }
  const beside = canvas(3), drawn = beside.getContext("2d");
  loaded.forEach((image, place) => drawn.drawImage(image, place * width, 0, width, height));
  drawn.putImageData(marked, 2 * width, 0);
  return { share: different / (width * height), picture: beside.toDataURL("image/png") };
}"""

_SHRINK = """async (picture) => {
  const image = new Image();
  image.src = picture;
  await image.decode();
  const size = { width: image.naturalWidth / 2, height: image.naturalHeight / 2 };
  const half = Object.assign(document.createElement("canvas"), size);
  const context = half.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, half.width, half.height);
  return half.toDataURL("image/webp", 0.7);
}"""


@dataclass(frozen=True)
class Difference:
    """The share of points that differ, and a PNG file: the expected picture, the actual one, and the difference in red."""

    share: float
    picture: bytes


class Comparison:
    """Compares and shrinks pictures with the browser's own canvas, in an empty page beside the tested ones."""

    def __init__(self, context: BrowserContext) -> None:
        self._page = context.new_page()

    def difference(self, expected: bytes, actual: bytes) -> Difference:
        """Between a kept picture, in WebP, and a new one, in PNG."""
        pictures = [_address("webp", expected), _address("png", actual)]
        found = self._page.evaluate(_COMPARE, {"pictures": pictures, "smaller": SMALLER, "most": MOST_DIFFERENCE})
        return Difference(found["share"], _content(found["picture"]))

    def shrunk(self, picture: bytes) -> bytes:
        """A PNG at half its size in WebP, as it is kept."""
        return _content(self._page.evaluate(_SHRINK, _address("png", picture)))


def take(page: Page) -> bytes:
    """What the window shows, as a PNG, with what changes from run to run made the same."""
    style = page.add_style_tag(content=SAME_EACH_TIME)
    page.evaluate("document.fonts.ready.then(() => undefined)")
    page.evaluate("() => { document.activeElement?.blur(); scrollTo(0, 0); }")
    picture = page.screenshot(animations="disabled", caret="hide")
    style.evaluate("style => style.remove()")
    return picture


def kept(directory: Path, name: str) -> bytes | None:
    """The picture that is kept under this name."""
    path = directory / f"{name}.webp"
    return path.read_bytes() if path.exists() else None


def _address(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _content(address: str) -> bytes:
    return base64.b64decode(address.split(",", 1)[1])
