import { useEffect, useState, type SyntheticEvent } from "react";
import { useAccount } from "../session/AccountContext.js";
import { demoRequest } from "../session/demo.js";

/** GET /demo/traffic */
interface TrafficState {
  readonly running: boolean;
  readonly per_second: number;
  readonly sent: number;
  readonly completed: number;
  readonly refused: number;
  readonly ends_at: string | null;
}

const LOOK_EVERY_MILLISECONDS = 1_000;

/** Real transfers between the demo's users, made by the service itself, for a bounded time. */
export function Traffic() {
  const { state, problem, act } = useTraffic();
  const [perSecond, setPerSecond] = useState(20);
  const [seconds, setSeconds] = useState(30);
  const isRunning = state?.running === true;
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    void (isRunning ? act("DELETE") : act("POST", { per_second: perSecond, seconds }));
  };
  return (
    <section className="card stack" aria-labelledby="traffic">
      <h2 id="traffic">Traffic</h2>
      <form className="stack" onSubmit={submit}>
        <Range id="per-second" label="Transfers per second" value={perSecond} most={50} onChange={setPerSecond} />
        <Range id="seconds" label="For so many seconds" value={seconds} most={120} onChange={setSeconds} />
        <button type="submit" className={isRunning ? "button button-danger" : "button button-primary"}>
          {isRunning ? "Stop the traffic" : "Start the traffic"}
        </button>
      </form>
      {problem !== null && (
        <p className="field-problem" role="alert">
          {problem}
        </p>
      )}
      {state !== null && state.sent > 0 && (
        <p className="muted" role="status">
          {state.sent.toLocaleString()} sent, {state.completed.toLocaleString()} completed, {state.refused.toLocaleString()} refused
          {isRunning ? `; ${state.per_second} per second` : ""}
        </p>
      )}
    </section>
  );
}

function useTraffic() {
  const { token } = useAccount();
  const [state, setState] = useState<TrafficState | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const act = async (method: "GET" | "POST" | "DELETE", body?: object): Promise<void> => {
    try {
      setState(await demoRequest<TrafficState>(await token(), method, "traffic", body));
      setProblem(null);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : "The service did not answer.");
    }
  };
  useEffect(() => {
    let isOver = false;
    const look = async (): Promise<void> => {
      const found = await demoRequest<TrafficState>(await token(), "GET", "traffic").catch(() => null);
      if (!isOver && found !== null) {
        setState(found);
      }
    };
    void look();
    const timer = setInterval(() => void look(), LOOK_EVERY_MILLISECONDS);
    return () => {
      isOver = true;
      clearInterval(timer);
    };
  }, [token]);
  return { state, problem, act };
}

interface RangeProps {
  readonly id: string;
  readonly label: string;
  readonly value: number;
  readonly most: number;
  readonly onChange: (value: number) => void;
}

function Range({ id, label, value, most, onChange }: RangeProps) {
  return (
    <div className="field">
      <label htmlFor={id} className="range-label">
        <span>{label}</span>
        <output htmlFor={id}>{value}</output>
      </label>
      <input id={id} type="range" className="range" min={1} max={most} value={value} onChange={(event) => onChange(event.target.valueAsNumber)} />
    </div>
  );
}
