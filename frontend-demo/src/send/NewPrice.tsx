import { PricePanel } from "../fx/PricePanel.js";
import { useConfirm } from "../fx/useConfirm.js";
import { usePrice } from "../fx/usePrice.js";
import { useAnswer } from "../graphql/useAnswer.js";
import { WALLET_PARTY, type TransferInput } from "./queries.js";

interface NewPriceProps {
  readonly input: TransferInput;
  /** The currency of the wallet that pays. */
  readonly from: string;
  readonly onAccept: (quoteId: string) => void;
}

/** Asks for a confirmation of the price as it is now. */
export function NewPrice({ input, from, onAccept }: NewPriceProps) {
  const { data } = useAnswer({ query: WALLET_PARTY, variables: { walletId: input.receiverWalletId } });
  const party = data?.walletParty ?? null;
  const side = input.amount.currency === from ? "source" : "target";
  const price = usePrice(party === null ? null : { from, to: party.currency, side, amount: input.amount });
  const { notice, confirm } = useConfirm(price);
  return (
    <>
      {party !== null && <PricePanel price={price} receiver={party.displayName} />}
      {notice !== null && (
        <p className="field-problem" role="alert">
          {notice}
        </p>
      )}
      <div className="form-actions">
        <button type="button" className="button button-primary" onClick={() => confirm(({ id }) => onAccept(id))}>
          Send it at this price
        </button>
      </div>
    </>
  );
}
