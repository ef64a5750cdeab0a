import { useEffect, useState } from "react";
import { useAnswer } from "../graphql/useAnswer.js";
import { ConnectionText } from "../app/Shell.js";
import { useFeed, useLiveState } from "../live/hooks.js";
import { useAccount } from "../session/AccountContext.js";
import { demoRequest } from "../session/demo.js";
import { QueryFailed, Skeleton } from "../ui/Notice.js";
import type { WalletSummary } from "../wallets/queries.js";
import { Verdict } from "./Verdict.js";
import type { Cast } from "./cast.js";
import { FOLLOWED_WALLET } from "./queries.js";
import { outstanding, stripOf, verdictOf } from "./strip.js";
import { useSteadySender } from "./useSteadySender.js";

interface CutTheLineProps {
  readonly cast: Cast;
  readonly canBreak: boolean;
}

/** Shows a wallet's entries while connections and servers are killed. No entry may be missing or come twice. */
export function CutTheLine(props: CutTheLineProps) {
  const { data, error, again } = useAnswer({ query: FOLLOWED_WALLET, variables: { id: props.cast.receiverWallet.id } });
  return (
    <section className="card stack" aria-labelledby="cut">
      <h2 id="cut">Cut the line</h2>
      <p className="muted">
        While small payments arrive, drop this page’s connection or kill a part of the service. Each square is one entry of {props.cast.receiver.display_name}’s
        wallet, with its sequence number; the numbers must go on without a gap and without a repeat.
      </p>
      {data?.wallet ? (
        <Experiment {...props} wallet={data.wallet} />
      ) : error === undefined ? (
        <Skeleton label="Loading the wallet" />
      ) : (
        <QueryFailed error={error} onRetry={again} />
      )}
    </section>
  );
}

const BREAKS = [
  ["redis", "Restart Redis"],
  ["relay", "Kill the relay"],
  ["api", "Kill the API"],
] as const;
const TUNNEL_MILLISECONDS = 2_000;
const SHOWN_CELLS = 240;

function Experiment({ cast, canBreak, wallet }: CutTheLineProps & { readonly wallet: WalletSummary }) {
  const { live, token } = useAccount();
  const feed = useFeed(wallet);
  const state = useLiveState() ?? "offline";
  const { sent, answered, paid, isRunning, start, stop } = useSteadySender(cast);
  const [since, setSince] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const begin = (): void => {
    setSince(feed.wallet?.sequence ?? wallet.sequence);
    start();
  };
  const strike = async (act: () => Promise<unknown>): Promise<void> => {
    setProblem(null);
    if (!isRunning) {
      begin();
    }
    await act().catch((error: unknown) => setProblem(error instanceof Error ? error.message : "The service did not answer."));
  };
  const drop = async (): Promise<void> => {
    live.feed(wallet.id).drop();
    await new Promise((resolve) => setTimeout(resolve, TUNNEL_MILLISECONDS));
    live.feed(wallet.id).pickUp();
  };
  const kill = async (what: string): Promise<void> => {
    await demoRequest(await token(), "POST", "break", { what });
  };
  return (
    <>
      <div className="form-actions">
        <button type="button" className="button button-primary" onClick={isRunning ? stop : begin}>
          {isRunning ? "Stop the payments" : "Start the payments"}
        </button>
        <button type="button" className="button" onClick={() => void strike(drop)}>
          Drop my socket
        </button>
        {BREAKS.map(([what, words]) => (
          <button key={what} type="button" className="button button-danger" disabled={!canBreak} onClick={() => void strike(() => kill(what))}>
            {words}
          </button>
        ))}
        <ConnectionText state={state} />
      </div>
      {!canBreak && <p className="muted">Servers can be killed only where <code>make run</code> looks after them.</p>}
      {problem !== null && (
        <p className="field-problem" role="alert">
          {problem}
        </p>
      )}
      {since !== null && <Sequence arrivals={feed.arrivals} since={since} sent={sent} answered={answered} paid={paid} isRunning={isRunning} isLive={state === "live"} />}
    </>
  );
}

interface SequenceProps {
  readonly arrivals: Parameters<typeof stripOf>[0];
  readonly since: string;
  readonly sent: number;
  readonly answered: number;
  readonly paid: number;
  readonly isRunning: boolean;
  readonly isLive: boolean;
}

function Sequence({ arrivals, since, sent, answered, paid, isRunning, isLive }: SequenceProps) {
  const strip = stripOf(arrivals, since);
  const { cells, gaps, repeats } = strip;
  const waiting = Math.max(0, sent - cells.length);
  const left = outstanding(strip, { sent, answered, paid });
  const isOverdue = useIsOverdue(isLive && answered === sent && left > 0);
  const verdict = verdictOf(strip, { sent, answered, paid }, isOverdue);
  const shown = cells.slice(-SHOWN_CELLS);
  return (
    <>
      <ol className="strip" aria-label="Sequence numbers, in the order they arrived">
        {shown.map(({ sequence, isCaughtUp }, index) => (
          <li key={`${sequence} ${index}`} className={isCaughtUp ? "cell cell-caught-up" : "cell cell-live"} title={isCaughtUp ? "Caught up" : "Live"}>
            {sequence}
          </li>
        ))}
        {Array.from({ length: Math.min(waiting, SHOWN_CELLS) }, (_, index) => (
          <li key={`waiting ${index}`} className="cell cell-waiting" aria-label="Not here yet" />
        ))}
      </ol>
      <ul className="legend">
        <li>
          <span className="dot dot-done" aria-hidden="true" /> live
        </li>
        <li>
          <span className="dot dot-replayed" aria-hidden="true" /> caught up after the line was cut
        </li>
        <li>
          <span className="dot dot-waiting" aria-hidden="true" /> sent, not here yet
        </li>
      </ul>
      <Verdict holds={verdict === true && isRunning ? null : verdict}>
        {cells.length} entries arrived, {sent} payments sent: {gaps} missing in between, {repeats} repeated.
        {left > 0 && (isOverdue ? ` ${left} never arrived.` : ` ${left} ${left === 1 ? "is still on its" : "are still on their"} way.`)}
      </Verdict>
    </>
  );
}

/** The service compares with the database every few seconds. After this time it has sent every entry that it missed. */
const PATIENCE_MILLISECONDS = 15_000;

function useIsOverdue(isWaiting: boolean): boolean {
  const [isOverdue, setIsOverdue] = useState(false);
  useEffect(() => {
    if (!isWaiting) {
      return undefined;
    }
    const timer = setTimeout(() => setIsOverdue(true), PATIENCE_MILLISECONDS);
    return () => {
      clearTimeout(timer);
      setIsOverdue(false);
    };
  }, [isWaiting]);
  return isOverdue;
}
