const LETTERS = "0123456789abcdefghjkmnpqrstvwxyz";

/** The API's id of a UUID, such as txn_01h455vb4pex5vsknk084sn02q (TypeID: 128 bits in base 32). */
export function publicId(prefix: string, uuid: string): string {
  let rest = BigInt(`0x${uuid.replaceAll("-", "")}`);
  let text = "";
  for (let place = 0; place < 26; place += 1) {
    text = LETTERS.charAt(Number(rest & 31n)) + text;
    rest >>= 5n;
  }
  return `${prefix}_${text}`;
}
