import { MoneyText } from "../money/Money.js";
import type { ChargedFee } from "./fee.js";

/** The fee before it is paid: who pays it, and what arrives. It is announced when it appears. */
export function FeeLine({ fee }: { readonly fee: ChargedFee | null }) {
  return (
    <div role="status">
      {fee !== null && (
        <div className="fee-line">
          <p>
            Fee <MoneyText money={fee.fee} /> · You pay <MoneyText money={fee.debited} /> · Receiver gets <MoneyText money={fee.credited} />
          </p>
          {fee.explanations.map((text) => (
            <p key={text} className="muted">
              <bdi>{text}</bdi>
            </p>
          ))}
        </div>
      )}
    </div>
  );
}
