import { useRef, useState, type SyntheticEvent } from "react";
import { troubleOf } from "../graphql/client.js";
import { useCurrencies } from "../money/CurrenciesContext.js";
import { newKey } from "../paycore-pay/index.js";
import { refusalText } from "../send/refusals.js";
import { useAccount } from "../session/AccountContext.js";
import { Dialog } from "../ui/Dialog.js";
import { Icon } from "../ui/Icon.js";
import { lengthLimit } from "../ui/lengthLimit.js";
import { OPEN_WALLET } from "./queries.js";

/** A button, and the form behind it. The key is kept until the wallet is there, so that trying again opens no second one. */
export function OpenWallet({ onOpened }: { readonly onOpened: () => void }) {
  const [isOpen, setIsOpen] = useState(false);
  // Here, not in the form: closing the dialog must not forget the key of a wallet that may be open already.
  const [key, setKey] = useState(newKey);
  return (
    <>
      <button type="button" className="button" onClick={() => setIsOpen(true)}>
        <Icon name="plus" /> Open a wallet
      </button>
      {isOpen && (
        <Dialog title="Open a wallet" onClose={() => setIsOpen(false)}>
          <OpenWalletForm
            idempotencyKey={key}
            onKeyUsed={() => setKey(newKey())}
            onOpened={() => {
              setIsOpen(false);
              onOpened();
            }}
          />
        </Dialog>
      )}
    </>
  );
}

interface FormProps {
  readonly idempotencyKey: string;
  /** The key has its outcome: what is asked next is another wallet. */
  readonly onKeyUsed: () => void;
  readonly onOpened: () => void;
}

function OpenWalletForm({ idempotencyKey, onKeyUsed, onOpened }: FormProps) {
  const { plain } = useAccount();
  const currencies = useCurrencies();
  const [name, setName] = useState("");
  const [currency, setCurrency] = useState("USD");
  const [problem, setProblem] = useState<string | null>(null);
  const nameField = useRef<HTMLInputElement>(null);
  const submit = async (): Promise<void> => {
    if (name.trim() === "") {
      setProblem("Give the wallet a name.");
      nameField.current?.focus();
      return;
    }
    setProblem(null);
    const { data, error } = await plain.mutation(OPEN_WALLET, { input: { idempotencyKey, currency, name } }).toPromise();
    const payload = data?.openWallet;
    if (payload?.wallet) {
      onKeyUsed();
      onOpened();
    } else if (payload) {
      // With other input it would be refused under the same key.
      onKeyUsed();
      setProblem(payload.userErrors.map(refusalText).join(" "));
    } else {
      setProblem(error === undefined ? "There was no answer." : troubleOf(error).message);
    }
  };
  const onSubmit = (event: SyntheticEvent): void => {
    event.preventDefault();
    void submit();
  };
  return (
    <form className="stack" onSubmit={onSubmit} noValidate>
      <div className="field">
        <label htmlFor="wallet-name">Name</label>
        <input ref={nameField} id="wallet-name" className="input" required aria-describedby="wallet-problem" maxLength={lengthLimit(100)} autoComplete="off" value={name} onChange={(event) => setName(event.target.value)} />
      </div>
      <div className="field">
        <label htmlFor="wallet-currency">Currency</label>
        <select id="wallet-currency" className="select" value={currency} onChange={(event) => setCurrency(event.target.value)}>
          {[...currencies.values()].map(({ code, name: full }) => (
            <option key={code} value={code}>
              {code} · {full}
            </option>
          ))}
        </select>
      </div>
      {problem !== null && (
        <p id="wallet-problem" className="field-problem" role="alert">
          {problem}
        </p>
      )}
      <button type="submit" className="button button-primary">
        Open it
      </button>
    </form>
  );
}
