import { useExponent } from "./CurrenciesContext.js";
import { formatChange, formatMoney, type Money } from "./format.js";

/** An exact amount in the reader's locale; with a direction, as money that came (+) or went (−). */
export function MoneyText({ money, direction }: { readonly money: Money; readonly direction?: "DEBIT" | "CREDIT" }) {
  const exponent = useExponent(money.currency);
  const text = direction === undefined ? formatMoney(money, exponent) : formatChange(money, direction, exponent);
  return (
    <data className="money" value={money.amount}>
      {text}
    </data>
  );
}
