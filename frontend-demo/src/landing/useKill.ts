import { useEffect, useState } from "react";
import { now } from "../live/feed.js";
import { useConnection } from "../live/page.js";
import { useAccount } from "../session/AccountContext.js";
import { demoRequest } from "../session/demo.js";

/** If the service is still there so long after a kill, it was not killed. */
const PATIENCE_MILLISECONDS = 10_000;

type Kill =
  | { readonly phase: "none" | "asked" }
  | { readonly phase: "down"; readonly since: number }
  | { readonly phase: "back"; readonly afterMilliseconds: number }
  | { readonly phase: "failed"; readonly why: string };

/** Kills the API, and follows the outage until everything is live again. */
export function useKill() {
  const { token } = useAccount();
  const { lostAt } = useConnection();
  const [kill, setKill] = useState<Kill>({ phase: "none" });
  const { phase } = kill;
  if (lostAt !== null && phase === "asked") {
    setKill({ phase: "down", since: lostAt });
  } else if (lostAt === null && kill.phase === "down") {
    setKill({ phase: "back", afterMilliseconds: now() - kill.since });
  }
  useEffect(() => {
    if (phase !== "asked") {
      return undefined;
    }
    const timer = setTimeout(() => setKill({ phase: "failed", why: "The API was not killed." }), PATIENCE_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [phase]);
  const strike = async (): Promise<void> => {
    setKill({ phase: "asked" });
    try {
      await demoRequest(await token(), "POST", "break", { what: "api" });
    } catch {
      setKill((known) => (known.phase === "asked" ? { phase: "failed", why: "The service did not answer." } : known));
    }
  };
  const isUnderWay = phase === "asked" || lostAt !== null;
  return { kill, isUnderWay, isLost: lostAt !== null, strike: () => (isUnderWay ? undefined : void strike()) };
}
