import type { Session } from "../session/SessionContext.js";
import type { IconName } from "../ui/Icon.js";

export interface Place {
  readonly path: string;
  readonly name: string;
  readonly icon: IconName;
}

const HOME: Place = { path: "/", name: "Live", icon: "home" };
const WALLETS: Place = { path: "/wallets", name: "Wallets", icon: "wallet" };
const SEND: Place = { path: "/send", name: "Send", icon: "send" };
const CHECKOUT: Place = { path: "/checkout", name: "Check out", icon: "bag" };
const BREAK: Place = { path: "/break", name: "Break it", icon: "bolt" };
const FIND: Place = { path: "/find", name: "Find", icon: "search" };
const CONTROL: Place = { path: "/control", name: "Control", icon: "gauge" };

/** The pages that the menu offers. */
export function placesFor({ account, demo }: Pick<Session, "account" | "demo">): readonly Place[] {
  return [
    ...(demo === null ? [] : [HOME]),
    WALLETS,
    account?.isAdmin === true ? FIND : SEND,
    ...(demo === null ? [] : [CHECKOUT, BREAK]),
    ...(demo !== null || account?.isAdmin === true ? [CONTROL] : []),
  ];
}
