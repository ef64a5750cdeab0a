import type { Attempt, Payload } from "../paycore-pay/index.js";
import type { Dot } from "./Dots.js";

export function dotOf(answer: Attempt<Payload>): Dot {
  switch (answer.kind) {
    case "done":
      return answer.replayed ? "replayed" : "done";
    case "refused":
      return "refused";
    case "unknown":
    case "stopped":
      return "failed";
  }
}

/** A copy of the dots with one of them changed. */
export function withDot(dots: readonly Dot[], index: number, dot: Dot): Dot[] {
  return dots.map((before, place) => (place === index ? dot : before));
}
