/** Exact arithmetic on decimal strings: minor units in a BigInt, never a Number. */

const PLAIN = /^(-?)(\d+)(?:\.(\d+))?$/;

/** "12.34" with exponent 2 is 1234n. Throws RangeError if it is not a plain decimal or has more decimals. */
export function toMinor(amount: string, exponent: number): bigint {
  const match = PLAIN.exec(amount);
  const [, sign = "", whole = "", fraction = ""] = match ?? [];
  if (match === null || fraction.length > exponent) {
    throw new RangeError(`${amount} is not a decimal with at most ${exponent} digits after its point`);
  }
  const minor = BigInt(whole + fraction.padEnd(exponent, "0"));
  return sign === "-" ? -minor : minor;
}

/** 1234n with exponent 2 is "12.34": exactly as many decimals as the currency has. */
export function fromMinor(minor: bigint, exponent: number): string {
  const digits = (minor < 0n ? -minor : minor).toString().padStart(exponent + 1, "0");
  const whole = digits.slice(0, digits.length - exponent);
  const fraction = exponent === 0 ? "" : `.${digits.slice(-exponent)}`;
  return `${minor < 0n ? "-" : ""}${whole}${fraction}`;
}

/** The number of digits after the point. In amounts of the service it is the currency's exponent. */
export function decimalsOf(amount: string): number {
  const point = amount.indexOf(".");
  return point < 0 ? 0 : amount.length - point - 1;
}

/** Whether a plain decimal string is zero, with any number of decimals. */
export function isZero(amount: string): boolean {
  return /^-?0(\.0+)?$/.test(amount);
}

/** The sum of amounts of one currency, whose exponent is `exponent`. */
export function sum(amounts: readonly string[], exponent: number): string {
  return fromMinor(amounts.reduce((total, amount) => total + toMinor(amount, exponent), 0n), exponent);
}
