const PATHS = {
  activity: "M3 12h4l3-8 4 16 3-8h4",
  alert: "M12 8v5m0 3.5v.01M10.3 4 2.6 17.5A2 2 0 0 0 4.3 20.5h15.4a2 2 0 0 0 1.7-3L13.7 4a2 2 0 0 0-3.4 0Z",
  arrowIn: "M17 7 7 17m0-8v8h8",
  arrowOut: "M7 17 17 7M9 7h8v8",
  bag: "M5 8h14l1 12H4L5 8Zm3.5 0V7a3.5 3.5 0 0 1 7 0v1",
  bolt: "M13 2.5 4.5 14H11l-1 7.5L18.5 10H12l1-7.5Z",
  check: "m5 12.5 4.5 4.5L19 7.5",
  code: "m8.5 7-5 5 5 5m7-10 5 5-5 5",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  cross: "M6 6l12 12M18 6 6 18",
  external: "M14 4h6v6M20 4l-9 9M18 14v6H4V6h6",
  file: "M6 3h8l5 5v13H6zM14 3v5h5M9 13h7m-7 4h7",
  gauge: "M4 18a9 9 0 1 1 16 0M12 15l4-5",
  history: "M4 12a8 8 0 1 0 2.6-5.9L4 8.5M4 4v4.5h4.5M12 8v4.5l3 2",
  hook: "M9.5 9.5 7 15m0 0a3 3 0 1 1-3 3M9.5 9.5a3.5 3.5 0 1 1 5.5-1.5m-2.5-1.5L16 14m0 0a3 3 0 1 1-1 4m0 0H8",
  home: "M4 11.5 12 4l8 7.5V20h-5.5v-5.5h-5V20H4z",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5Z",
  plus: "M12 5v14M5 12h14",
  repeat: "M17 3l4 4-4 4M3 12V9a2 2 0 0 1 2-2h16M7 21l-4-4 4-4m14-1v3a2 2 0 0 1-2 2H3",
  people: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7Zm-6.5 9a6.5 6.5 0 0 1 13 0M16 4.3a3.5 3.5 0 0 1 0 6.4m2.5 3.6a6.5 6.5 0 0 1 3 5.7",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14Zm5 12 4.5 4.5",
  send: "M21 3 10.5 13.5M21 3l-6.5 18-4-7.5L3 9.5 21 3Z",
  snow: "M12 3v18M4.2 7.5l15.6 9M4.2 16.5l15.6-9",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM12 2v2m0 16v2M4.9 4.9l1.4 1.4m11.4 11.4 1.4 1.4M2 12h2m16 0h2M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4",
  swap: "M4 8h15m-4.5-4.5L19 8l-4.5 4.5M20 16H5m4.5-4.5L5 16l4.5 4.5",
  to: "M4 12h16m-6-6 6 6-6 6",
  wallet: "M4 7.5h14.5A1.5 1.5 0 0 1 20 9v9a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 4 18V7.5Zm0 0A2 2 0 0 1 5.5 5L16 4v3.5M16 13.5v.01",
} as const;

export type IconName = keyof typeof PATHS;

/** Decoration only. The text beside it has the meaning. */
export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">
      <path d={PATHS[name]} fill="none" stroke="currentColor" strokeWidth="1.8" strokeLinecap="round" strokeLinejoin="round" />
    </svg>
  );
}

/** An arrow between two parties or two amounts, with the word that a screen reader says in its place. */
export function To({ word = "to" }: { readonly word?: string }) {
  return (
    <>
      <Icon name="to" />
      <span className="visually-hidden">{word}</span>
    </>
  );
}
