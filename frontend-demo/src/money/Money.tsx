import { Fragment, type CSSProperties } from "react";
import { useExponent } from "./CurrenciesContext.js";
import { formatChange, formatMoney, type Money } from "./format.js";
import { groupsOf } from "./groups.js";
import { RollingDigits } from "./RollingDigits.js";

/** Longer amounts may wrap, but only between groups of digits. */
const MOST_ON_ONE_LINE = 16;

interface MoneyProps {
  readonly money: Money;
  readonly direction?: "DEBIT" | "CREDIT";
}

/** An exact amount in the reader's locale. With a direction it has a sign: + for CREDIT, − for DEBIT. */
export function MoneyText({ money, direction }: MoneyProps) {
  const text = useText(money, direction);
  const isLong = text.length > MOST_ON_ONE_LINE;
  return (
    <data className={isLong ? "money money-long" : "money"} value={money.amount}>
      {isLong ? groupsOf(text).map((group, index) => <Fragment key={index}>{index > 0 && <wbr />}{group}</Fragment>) : text}
    </data>
  );
}

/** An amount in large type, which shrinks to fit into its container. Digits that change roll. */
export function FittedMoney({ money }: { readonly money: Money }) {
  const text = useText(money);
  return (
    <span className="fitted" style={{ "--characters": text.length } as CSSProperties}>
      <span className="fitted-text">
        <MoneyText money={money} />
        {text.length <= MOST_ON_ONE_LINE && <RollingDigits text={text} />}
      </span>
    </span>
  );
}

function useText(money: Money, direction?: "DEBIT" | "CREDIT"): string {
  const exponent = useExponent(money.currency);
  return direction === undefined ? formatMoney(money, exponent) : formatChange(money, direction, exponent);
}
