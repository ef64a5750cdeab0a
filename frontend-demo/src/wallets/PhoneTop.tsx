import { Link } from "wouter";
import { ConnectionText } from "../app/Shell.js";
import { useLiveState } from "../live/hooks.js";

interface PhoneTopProps {
  readonly name: string;
  readonly wallet: { readonly id: string; readonly name: string };
}

/** The top of a demo phone: whose it is, the wallet that it shows, and whether its updates are live. */
export function PhoneTop({ name, wallet }: PhoneTopProps) {
  const state = useLiveState();
  return (
    <header className="phone-top">
      <span className="phone-name">
        <span className="avatar" aria-hidden="true">
          {name.charAt(0)}
        </span>
        <span>
          <h2>{name}</h2>
          <Link href={`/wallets/${wallet.id}`} className="muted">
            {wallet.name}
          </Link>
        </span>
      </span>
      <ConnectionText state={state ?? "offline"} />
    </header>
  );
}
