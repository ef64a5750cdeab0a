import { useEffect, useState } from "react";
import { dateOf } from "./days.js";

const CHECK_MILLISECONDS = 30_000;

/** The reader's calendar day. It changes at midnight while the page is open. */
export function useToday(): string {
  const [today, setToday] = useState(() => dateOf(Date.now()));
  useEffect(() => {
    const timer = setInterval(() => setToday(dateOf(Date.now())), CHECK_MILLISECONDS);
    return () => clearInterval(timer);
  }, []);
  return today;
}
