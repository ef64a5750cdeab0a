import { encode } from "uqr";
import { bareReceipt } from "./bare.js";

/** More makes modules that cameras of phones do not tell apart on a screen. */
const MOST_BYTES = 2_300;
const BORDER = 4;
/** A whole number, so that all modules have the same size where there is room. */
const MODULE_PIXELS = 4;
/** jsQR, with which many pages scan, looks for one of its patterns in the wrong place, and reads nothing. */
const MISREAD_VERSION = 23;

/**
 * A QR code of the receipt's own text, not of a link: whoever scans it can verify it offline with the log's public key. It holds the bare
 * receipt, which opens nothing, because others may see the code.
 */
export function QrCode({ receipt }: { readonly receipt: string }) {
  const text = bareReceipt(receipt);
  if (new TextEncoder().encode(text).length > MOST_BYTES) {
    return <p className="muted">This receipt is too long for a QR code. The file has all of it.</p>;
  }
  const { size, data } = codeOf(text);
  return (
    <figure className="qr">
      <svg viewBox={`0 0 ${size} ${size}`} width={size * MODULE_PIXELS} role="img" aria-label="QR code of the receipt" shapeRendering="crispEdges">
        <rect className="qr-ground" width={size} height={size} />
        <path className="qr-modules" d={pathOf(data)} />
      </svg>
      <figcaption className="muted">
        It holds the receipt itself, {text.length} characters: scan it, save the text, and <code>paycore receipt verify</code> checks it offline. Words, keys
        and balances are not in it.
      </figcaption>
    </figure>
  );
}

function codeOf(text: string) {
  const options = { ecc: "L", border: BORDER } as const;
  const code = encode(text, options);
  return code.version === MISREAD_VERSION ? encode(text, { ...options, minVersion: MISREAD_VERSION + 1 }) : code;
}

/** A rectangle for each run of dark modules. */
function pathOf(rows: readonly (readonly boolean[])[]): string {
  const parts: string[] = [];
  rows.forEach((row, y) => {
    for (let x = 0; x < row.length; x += 1) {
      if (row[x] === true) {
        const start = x;
        while (row[x + 1] === true) {
          x += 1;
        }
        parts.push(`M${start} ${y}h${x - start + 1}v1H${start}z`);
      }
    }
  });
  return parts.join("");
}
