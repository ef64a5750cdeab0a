import { useState, type SyntheticEvent } from "react";
import { useLocation } from "wouter";
import { troubleOf } from "../graphql/client.js";
import { useAccount } from "../session/AccountContext.js";
import { lengthLimit } from "../ui/lengthLimit.js";
import { FIND_USERS_KEY } from "./queries.js";

/** Opens the transaction that a user made with an idempotency key. Keys are unique per user. */
export function KeyForm({ userId, name }: { readonly userId: string; readonly name: string }) {
  const { plain } = useAccount();
  const [, navigate] = useLocation();
  const [key, setKey] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const find = async (): Promise<void> => {
    setProblem(null);
    const { data, error } = await plain.query(FIND_USERS_KEY, { key: key.trim(), userId }).toPromise();
    const found = data?.transactionByIdempotencyKey;
    if (found) {
      navigate(`/transactions/${found.id}`);
    } else {
      setProblem(error === undefined ? `${name} has made no transaction with this key.` : troubleOf(error).message);
    }
  };
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    void find();
  };
  return (
    <form className="card find-form" onSubmit={submit}>
      <label htmlFor="find-key">Transaction by its idempotency key</label>
      <input id="find-key" className="input mono" required maxLength={lengthLimit(255)} spellCheck={false} autoComplete="off" value={key} aria-describedby="find-key-problem" onChange={(event) => setKey(event.target.value)} />
      <button type="submit" className="button">
        Open it
      </button>
      <p id="find-key-problem" className="field-problem" role="status">
        {problem}
      </p>
    </form>
  );
}
