import type { Side } from "../fx/usePrice.js";

interface AmountSideProps {
  readonly side: Side;
  readonly paid: string;
  readonly received: string;
  readonly receiver: string;
  readonly onChange: (side: Side) => void;
}

/** For a payment in another currency: whether the amount is what is paid or what arrives. */
export function AmountSide({ side, paid, received, receiver, onChange }: AmountSideProps) {
  return (
    <fieldset className="field amount-side">
      <legend>The amount is</legend>
      <label>
        <input type="radio" name="amount-side" checked={side === "source"} onChange={() => onChange("source")} /> what you pay, in {paid}
      </label>
      <label>
        <input type="radio" name="amount-side" checked={side === "target"} onChange={() => onChange("target")} /> what <bdi>{receiver}</bdi> gets, in {received}
      </label>
    </fieldset>
  );
}
