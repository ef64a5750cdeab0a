/** The state of one request, shown as a square. */
export type Dot = "waiting" | "done" | "replayed" | "refused" | "failed";

export function Dots({ dots, label }: { readonly dots: readonly Dot[]; readonly label: string }) {
  return (
    <div className="dots" role="img" aria-label={label}>
      {dots.map((dot, index) => (
        <span key={index} className={`dot dot-${dot}`} />
      ))}
    </div>
  );
}

export function Legend({ entries }: { readonly entries: readonly (readonly [Dot, string])[] }) {
  return (
    <ul className="legend">
      {entries.map(([dot, text]) => (
        <li key={dot}>
          <span className={`dot dot-${dot}`} aria-hidden="true" /> {text}
        </li>
      ))}
    </ul>
  );
}
