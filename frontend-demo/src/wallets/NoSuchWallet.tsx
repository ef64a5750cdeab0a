import { Link } from "wouter";
import { useAccount } from "../session/AccountContext.js";
import { Empty } from "../ui/Notice.js";

/** The page of a wallet that is not there, or not for this user. */
export function NoSuchWallet() {
  const { name } = useAccount();
  return (
    <Empty isPage icon="wallet" title="There is no such wallet">
      <p className="muted">Or it is not one that {name} may see. Only its owner and administrators can.</p>
      <Link href="/wallets" className="button">
        To the wallets
      </Link>
    </Empty>
  );
}
