/** Decodes the QR code in a picture: reads RGBA bytes from its input, whose width is the argument, and writes what the code holds. */
import { readFileSync } from "node:fs";
import jsqr from "jsqr";

const width = Number(process.argv[2]);
const pixels = new Uint8ClampedArray(readFileSync(0));
const found = (jsqr.default ?? jsqr)(pixels, width, pixels.length / 4 / width);
if (found === null) {
  console.error("There is no QR code in the picture.");
  process.exit(1);
}
process.stdout.write(Uint8Array.from(found.binaryData));
