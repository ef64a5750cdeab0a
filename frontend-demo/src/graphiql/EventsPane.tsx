import { useSyncExternalStore } from "react";
import { MOST_EVENTS, type Stream, type StreamEvent, type StreamState } from "./stream.js";

/** The running subscription and what it has received, newest first. */
export function EventsPane({ stream }: { readonly stream: Stream }) {
  const state = useSyncExternalStore(stream.subscribe, stream.state);
  const { status, events } = state;
  return (
    <section className="events" aria-labelledby="events">
      <div className="events-top">
        <h2 id="events">Events</h2>
        {(status === "running" || status === "waiting") && (
          <button type="button" className="button button-small" onClick={stream.stop}>
            Stop
          </button>
        )}
        {events.length > 0 && (
          <button type="button" className="button button-small" onClick={stream.clear}>
            Clear
          </button>
        )}
      </div>
      <p className="events-status" role="status">
        {statusText(state)}
      </p>
      {/* Scrollable, so it has to be reachable by keyboard. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <ol className="events-list" tabIndex={0} aria-label="Events, newest first">
        {events.map((event) => (
          <EventItem key={event.number} event={event} />
        ))}
      </ol>
    </section>
  );
}

function statusText({ status, name, count, problem }: StreamState): string {
  const what = name === "" ? "The subscription" : name;
  const kept = count > MOST_EVENTS ? `; the newest ${MOST_EVENTS} are shown` : "";
  switch (status) {
    case "idle":
      return "Run a subscription. Its events appear here, also while you run other operations.";
    case "running":
      return `${what} is running. Events: ${count}${kept}.`;
    case "waiting":
      return `${what} lost its connection. It connects again by itself. Events: ${count}${kept}.`;
    case "ended":
      return `${what} has ended. Events: ${count}${kept}.`;
    case "failed":
      return `${what} failed: ${problem ?? "the connection was lost."}`;
  }
}

function EventItem({ event: { number, receivedAt, result } }: { readonly event: StreamEvent }) {
  return (
    <li className="event">
      <p className="event-top">
        <span>{number}</span>
        <time dateTime={new Date(receivedAt).toISOString()}>{new Date(receivedAt).toLocaleTimeString()}</time>
      </p>
      <pre>{JSON.stringify(result, null, 2)}</pre>
    </li>
  );
}
