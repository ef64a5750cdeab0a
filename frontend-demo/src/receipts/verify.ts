/**
 * Checks a receipt of Paycore offline, with WebCrypto alone. This file needs nothing else of Paycore: copy it.
 *
 * A receipt is a c2sp.org/tlog-proof@v1. Its extra line is JSON: the leaf, and what the holder may know of its commitments.
 */

export type Fields = Record<string, string | null>;
export interface Proved {
  index: number;
  logSize: number;
  transaction: Fields;
  words?: Fields;
  request?: Fields;
  entries: Fields[];
}
interface Opening {
  of: string;
  salt: string;
  bytes: string;
}

/** One thing that was checked, for those who want to see it. Hashes are in hexadecimal. */
export type Step =
  | ({ of: "fields"; bytes: number } & Omit<Proved, "index" | "logSize">)
  | { of: "leaf"; hash: string }
  | { of: "path"; nodes: string[]; logSize: number }
  | { of: "signature"; key: string; origin: string };

export class InvalidReceipt extends Error {}

/** The browser cannot check signatures like these. That says nothing about the receipt. */
export class CannotCheck extends Error {}

const HEAD = ["id", "type", "amount", "currency", "sender", "receiver", "created_at", "completed_at", "reverses"];
const OPENED: Record<string, string[]> = {
  words: ["description", "reference", "metadata"],
  request: ["initiator", "idempotency_key", "fee", "fee_schedule", "hold", "quote", "terms"],
  entry: ["leg", "wallet", "sequence", "amount", "balance_after", "created_at", "purpose"],
};
const UUIDS = new Set(["id", "sender", "receiver", "reverses", "initiator", "fee_schedule", "hold", "quote", "wallet"]);
const INTEGERS = new Set(["amount", "fee", "leg", "sequence", "balance_after"]);
const SALT_BYTES = 32;
const YEAR_2000 = BigInt(Date.UTC(2000, 0, 1)) * 1000n;

type Bytes = Uint8Array<ArrayBuffer>;

/** Returns the transaction that a receipt proves, as far as the receipt opens it. Throws InvalidReceipt, or CannotCheck. */
export async function check(receipt: string, key: string, onStep: (step: Step) => void = () => undefined): Promise<Proved> {
  if (globalThis.crypto?.subtle === undefined) throw new CannotCheck("the browser offers WebCrypto only over https and on localhost");
  try {
    return await checked(receipt, key, onStep);
  } catch (error) {
    if (error instanceof InvalidReceipt || error instanceof CannotCheck) throw error;
    throw new InvalidReceipt(`the receipt is malformed: ${String(error)}`);
  }
}

async function checked(receipt: string, key: string, onStep: (step: Step) => void): Promise<Proved> {
  const blank = receipt.indexOf("\n\n");
  const [version, extra = "", index = "", ...path] = receipt.slice(0, blank).split("\n");
  must(blank > 0 && version === "c2sp.org/tlog-proof@v1", "not a receipt");
  must(extra.startsWith("extra ") && /^index (0|[1-9]\d{0,14})$/.test(index), "not a receipt");
  const content = JSON.parse(text(bytes(extra.slice("extra ".length)))) as { leaf: string; openings: Opening[] };
  const leaf = bytes(content.leaf);
  const transaction = await transactionOf(leaf, content.openings);
  onStep({ of: "fields", bytes: leaf.length, ...transaction });
  const hash = await sha256(Uint8Array.of(0), leaf);
  onStep({ of: "leaf", hash: hex(hash) });
  const { origin, size, root } = headOf(receipt.slice(blank + 2));
  const place = Number(index.slice("index ".length));
  const nodes = await nodesOf(hash, place, size, path.map(bytes));
  must(equal(nodes.at(-1) ?? hash, root), "the proof does not lead to the checkpoint");
  onStep({ of: "path", nodes: nodes.map(hex), logSize: size });
  await mustBeSigned(receipt.slice(blank + 2), key);
  onStep({ of: "signature", key, origin });
  return { index: place, logSize: size, ...transaction };
}

function headOf(note: string): { origin: string; size: number; root: Bytes } {
  const [origin = "", size = "", root = "", ...more] = note.slice(0, note.lastIndexOf("\n\n") + 1).split("\n");
  must(/^[1-9]\d{0,14}$/.test(size) && more.length === 1, "not a checkpoint");
  return { origin, size: Number(size), root: bytes(root) };
}

async function mustBeSigned(note: string, key: string): Promise<void> {
  const [name = "", id = "", ...rest] = key.split("+");
  const material = bytes(rest.join("+"));
  must(material[0] === 1, "the key is not a log's");
  must(hex(await sha256(utf8(`${name}\n`), material)).startsWith(id) && id.length === 8, "the key does not match its id");
  const { origin } = headOf(note);
  must(origin === name, `the checkpoint is of ${origin}, not of ${name}`);
  const end = note.lastIndexOf("\n\n");
  for (const line of note.slice(end + 2).split("\n")) {
    const [dash, signer, value = ""] = line.split(" ");
    if (dash !== "—" || signer !== name) continue;
    const signature = bytes(value);
    if (hex(signature.slice(0, 4)) !== id) continue;
    const publicKey = await imported(material.slice(1));
    const isRight = await crypto.subtle.verify("Ed25519", publicKey, signature.slice(4), utf8(note.slice(0, end + 1)));
    must(isRight, "the signature of the checkpoint is wrong");
    return;
  }
  throw new InvalidReceipt("the checkpoint is not signed with this key");
}

async function imported(raw: Bytes): Promise<CryptoKey> {
  try {
    return await crypto.subtle.importKey("raw", raw, "Ed25519", false, ["verify"]);
  } catch (error) {
    if (error instanceof DOMException && error.name === "NotSupportedError") throw new CannotCheck("the browser has no Ed25519");
    throw error;
  }
}

/** The hashes of the nodes from a leaf to the root, by its path (RFC 9162, 2.1.3.2). The last one is the root. */
async function nodesOf(leaf: Bytes, index: number, size: number, path: Bytes[]): Promise<Bytes[]> {
  must(index < size, "the log has no such leaf");
  const nodes: Bytes[] = [];
  let [hash, node, last] = [leaf, index, size - 1];
  for (const sibling of path) {
    must(last > 0 && sibling.length === hash.length, "the proof is too long");
    if (node % 2 === 1 || node === last) {
      hash = await sha256(Uint8Array.of(1), sibling, hash);
      while (node % 2 === 0 && node > 0) [node, last] = [node / 2, Math.floor(last / 2)];
    } else {
      hash = await sha256(Uint8Array.of(1), hash, sibling);
    }
    nodes.push(hash);
    [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
  }
  must(last === 0, "the proof is too short");
  return nodes;
}

async function transactionOf(leaf: Bytes, openings: Opening[]): Promise<Omit<Proved, "index" | "logSize">> {
  must(leaf[0] === 1, "a leaf of an unknown version");
  const fields = fieldsOf(leaf.slice(1));
  const committed = fields.slice(HEAD.length);
  const found: Omit<Proved, "index" | "logSize"> = { transaction: named(HEAD, fields.slice(0, HEAD.length)), entries: [] };
  for (const opening of openings) {
    const [of, salt, data] = [opening.of, bytes(opening.salt), bytes(opening.bytes)];
    const names = OPENED[of];
    must(salt.length === SALT_BYTES, "a salt is not 32 bytes long");
    const hash = await sha256(salt, data);
    must(committed.some((one) => one !== null && equal(one, hash)), `what is said of its ${of} is not what was committed to`);
    if (names === undefined || Object.keys(OPENED).indexOf(of) !== data[0]) throw new InvalidReceipt("an opening of another kind");
    const content = named(names, fieldsOf(data.slice(1)));
    if (of === "entry") found.entries.push(content);
    else found[of as "words" | "request"] = content;
  }
  return found;
}

/** Each field has its length in four bytes before it. A length of -1: there is no value. */
function fieldsOf(data: Bytes): (Bytes | null)[] {
  const found: (Bytes | null)[] = [];
  for (let at = 0; at < data.length; ) {
    const length = new DataView(data.buffer, data.byteOffset).getInt32(at);
    must(length >= -1 && at + 4 + length <= data.length, "a field is cut off");
    found.push(length < 0 ? null : data.slice(at + 4, at + 4 + length));
    at += 4 + Math.max(length, 0);
  }
  return found;
}

function named(names: string[], fields: (Bytes | null)[]): Fields {
  must(names.length === fields.length, "it has too few or too many fields");
  return Object.fromEntries(names.map((name, place) => [name, value(name, fields[place] ?? null)]));
}

function value(name: string, raw: Bytes | null): string | null {
  if (raw === null) return null;
  if (UUIDS.has(name)) return hex(raw).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  if (INTEGERS.has(name)) return String(integer(raw));
  if (!name.endsWith("_at")) return text(raw);
  // Microseconds since 2000, as PostgreSQL stores times.
  const moment = integer(raw) + YEAR_2000;
  return new Date(Number(moment / 1000n)).toISOString().replace("Z", `${String(moment % 1000n).padStart(3, "0")}Z`);
}

const integer = (raw: Bytes): bigint => BigInt.asIntN(raw.length * 8, BigInt(`0x${hex(raw) || "0"}`));
const utf8 = (from: string): Bytes => new TextEncoder().encode(from);
const text = (raw: Bytes): string => new TextDecoder("utf-8", { fatal: true }).decode(raw);
const bytes = (base64: string): Bytes => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
const hex = (raw: Bytes): string => Array.from(raw, (byte) => byte.toString(16).padStart(2, "0")).join("");
const equal = (a: Bytes, b: Bytes): boolean => hex(a) === hex(b);

async function sha256(...parts: Bytes[]): Promise<Bytes> {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
}

function must(holds: boolean, otherwise: string): void {
  if (!holds) throw new InvalidReceipt(otherwise);
}
