import { Fragment } from "react";
import { Link } from "wouter";
import { MoneyText } from "../money/Money.js";
import { refusalText } from "../send/refusals.js";
import { LiveBalance } from "../send/LiveBalance.js";
import { Icon } from "../ui/Icon.js";
import { OutcomeBox } from "../ui/OutcomeBox.js";
import type { WalletSummary } from "../wallets/queries.js";
import type { ConversionState } from "./useConversion.js";

interface ConversionOutcomeProps {
  readonly state: ConversionState;
  readonly wallets: readonly WalletSummary[];
  readonly onRetry: () => void;
  readonly onDone: () => void;
}

/** What came of a conversion, by the service's answers only. */
export function ConversionOutcome({ state, wallets, onRetry, onDone }: ConversionOutcomeProps) {
  return (
    <div className="card" hidden={state.phase === "draft" && state.trouble === null}>
      <OutcomeBox state={state} onRetry={onRetry} onDone={onDone} takesFocus>
        <Words state={state} />
        {state.phase === "settled" && <Balances wallets={wallets} ids={[state.input.senderWalletId, state.input.receiverWalletId]} />}
      </OutcomeBox>
    </div>
  );
}

function Words({ state }: { readonly state: ConversionState }) {
  switch (state.phase) {
    case "draft":
      return state.trouble === null ? null : <p className="field-problem">Nothing was converted. {state.trouble.message}</p>;
    case "sending":
      return (
        <p>
          Converting <MoneyText money={state.input.amount} />
          {state.tries > 1 ? `; try ${state.tries}, with the same key` : ""}…
        </p>
      );
    case "unknown":
      return (
        <p>
          <Icon name="alert" /> It is not known yet whether <MoneyText money={state.input.amount} /> was converted. {state.trouble.message} Sending it again with
          the same key is safe: it can only be converted once.{state.retryAt === null ? "" : " This page tries again by itself."}
        </p>
      );
    case "settled":
      return <Converted state={state} />;
    case "refused":
      return (
        <div>
          <p className="field-problem">Nothing was converted. {state.refusals.map(refusalText).join(" ")}</p>
          {state.refusals.some(({ code }) => code === "QUOTE_EXPIRED" || code === "QUOTE_USED") && <p>The new price is below. Look at it, then confirm it.</p>}
        </div>
      );
  }
}

function Converted({ state: { transaction, replayed, input } }: { readonly state: Extract<ConversionState, { readonly phase: "settled" }> }) {
  const { conversion, id } = transaction;
  return (
    <p>
      <Icon name="check" /> <MoneyText money={conversion?.sold ?? input.amount} /> converted
      {conversion !== null && (
        <>
          {" "}
          to <MoneyText money={conversion.bought} />
        </>
      )}
      {replayed ? ". This is the first answer again; nothing moved twice." : "."} <Link href={`/transactions/${id}`}>See the transaction</Link>
    </p>
  );
}

function Balances({ wallets, ids }: { readonly wallets: readonly WalletSummary[]; readonly ids: readonly string[] }) {
  return (
    <dl className="facts">
      {wallets
        .filter(({ id }) => ids.includes(id))
        .map((wallet) => (
          <Fragment key={wallet.id}>
            <dt>Balance of {wallet.name}</dt>
            <dd>
              <LiveBalance wallet={wallet} />
            </dd>
          </Fragment>
        ))}
    </dl>
  );
}
