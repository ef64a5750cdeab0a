import { useState } from "react";
import { decimalsOf, fromMinor } from "../money/decimal.js";
import { formatMoney, type Money } from "../money/format.js";
import { usePhoneSend } from "./usePhoneSend.js";

/** In whole units of the currency. */
const CHOICES = [1n, 5n, 20n] as const;

interface SendPanelProps {
  readonly wallet: { readonly id: string; readonly currency: string; readonly balance: Money };
  readonly otherName: string;
  readonly otherWalletId: string;
}

/** An amount and a button that sends it to the other phone. */
export function SendPanel({ wallet, otherName, otherWalletId }: SendPanelProps) {
  const [chosen, setChosen] = useState<bigint>(CHOICES[1]);
  const { send, note, isSending } = usePhoneSend(wallet.id, otherWalletId);
  const [firstName = otherName] = otherName.split(" ");
  const exponent = decimalsOf(wallet.balance.amount);
  const moneyOf = (units: bigint): Money => ({ amount: fromMinor(units * 10n ** BigInt(exponent), exponent), currency: wallet.currency });
  const money = moneyOf(chosen);
  return (
    <div className="phone-send">
      <div className="chips" role="group" aria-label="Amount">
        {CHOICES.map((choice) => (
          <button key={choice} type="button" className="chip" aria-pressed={choice === chosen} onClick={() => setChosen(choice)}>
            {formatMoney(moneyOf(choice))}
          </button>
        ))}
      </div>
      <button type="button" className="button button-primary button-wide" onClick={() => send(money)}>
        Send {formatMoney(money)} to {firstName}
      </button>
      <p className="phone-status" role="status">
        {note ?? (isSending ? "Sending…" : "")}
      </p>
    </div>
  );
}
