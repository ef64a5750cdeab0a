import { useEffect, useState } from "react";
import { useAccount } from "../session/AccountContext.js";
import { DemoError, demoRequest } from "../session/demo.js";
import { formatMilliseconds } from "../ui/time.js";
import { stepsOf, type Life } from "./life.js";

const POLL_MILLISECONDS = 500;
const MOST_REQUESTS = 10;

/** The steps of a transaction, from accepted to delivered. The service keeps them only in the demo, for its newest transactions. */
export function LifeTimeline({ transactionId, isCompleted }: { readonly transactionId: string; readonly isCompleted: boolean }) {
  const { live } = useAccount();
  const life = useLife(transactionId, isCompleted);
  if (life === "loading") {
    return null;
  }
  if (life === "unknown") {
    return <p className="muted">The times of its steps are no longer available: the service keeps them only for its newest transfers.</p>;
  }
  const steps = stepsOf(life, live.deliveredAt(transactionId)).slice(0, isCompleted ? undefined : 3);
  const end = Math.max(1, ...steps.map(({ at }) => at ?? 0));
  return (
    <ol className="life">
      {steps.map(({ name, detail, at }, index) => {
        const before = steps.slice(0, index).findLast((step) => step.at !== null)?.at ?? 0;
        return (
          <li key={name} className={at === null ? "life-step is-missing" : "life-step"}>
            <div className="life-text">
              <span className="life-name">{name}</span>
              <span className="muted">{detail}</span>
            </div>
            <svg className="life-bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
              <rect className="life-track" width="100" height="6" />
              {at !== null && <rect className="life-fill" x={(before / end) * 100} width={Math.max(0.8, ((at - before) / end) * 100)} height="6" />}
            </svg>
            <span className="life-time">{at === null ? "–" : index === 0 ? "0 ms" : `+${formatMilliseconds(Math.max(0, at - before))}`}</span>
            <span className="life-total muted">{at === null ? "" : `at ${formatMilliseconds(at)}`}</span>
          </li>
        );
      })}
    </ol>
  );
}

/** Polls until the transaction is published, at most MOST_REQUESTS times. */
function useLife(transactionId: string, isCompleted: boolean): Life | "loading" | "unknown" {
  const { token } = useAccount();
  const [life, setLife] = useState<Life | "loading" | "unknown">("loading");
  useEffect(() => {
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const poll = async (request: number): Promise<void> => {
      const found = await token()
        .then((bearer) => demoRequest<Life>(bearer, "GET", `transactions/${transactionId}/life`))
        .catch((error: unknown) => (error instanceof DemoError ? "unknown" : "loading"));
      if (isOver) {
        return;
      }
      setLife(found);
      const isComplete = found === "unknown" || (found !== "loading" && (found.published_at !== null || !isCompleted));
      if (!isComplete && request < MOST_REQUESTS) {
        timer = setTimeout(() => void poll(request + 1), POLL_MILLISECONDS);
      }
    };
    void poll(1);
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [token, transactionId, isCompleted]);
  return life;
}
