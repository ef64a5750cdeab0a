import { useEffect, useState, useSyncExternalStore } from "react";
import { connection } from "../live/page.js";
import { attempt } from "../paycore-pay/index.js";
import { transferBy } from "../send/attempt.js";
import { demoAccount } from "../session/account.js";
import { DemoError, demoRequest, type DemoUser } from "../session/demo.js";
import { AmbientPayments, type AmbientState, type Turn } from "./ambient.js";

const CHOICE_KEY = "paycore.ambient";
const TOUCHES = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"] as const;

interface Ambient extends AmbientState {
  readonly turn: (isOn: boolean) => void;
}

/** The demo's ambient payments, for as long as the page is shown. Whether they are off is remembered in the tab. */
export function useAmbient(users: readonly DemoUser[], asker: DemoUser): Ambient {
  const [payments] = useState(() => create(users, asker));
  useEffect(() => {
    const stop = payments.start();
    const leave = connection.onReturn(payments.wake);
    document.addEventListener("visibilitychange", payments.wake);
    TOUCHES.forEach((touch) => window.addEventListener(touch, payments.touched, { passive: true }));
    return () => {
      stop();
      leave();
      document.removeEventListener("visibilitychange", payments.wake);
      TOUCHES.forEach((touch) => window.removeEventListener(touch, payments.touched));
    };
  }, [payments]);
  const state = useSyncExternalStore(payments.subscribe, () => payments.state);
  const turn = (isOn: boolean): void => {
    sessionStorage.setItem(CHOICE_KEY, isOn ? "on" : "off");
    payments.turn(isOn);
    payments.wake();
  };
  return { ...state, turn };
}

function create(users: readonly DemoUser[], asker: DemoUser): AmbientPayments {
  const ask = async (): Promise<Turn | null> => {
    try {
      return await demoRequest<Turn>(await demoAccount(asker).token(), "POST", "ambient");
    } catch (error) {
      if (!(error instanceof DemoError)) {
        connection.failed();
      }
      return null;
    }
  };
  return new AmbientPayments(
    {
      ask,
      send: (payer, input, wasUnknown) => {
        const user = users.find(({ subject }) => subject === payer) ?? asker;
        return attempt(transferBy(demoAccount(user).plain), input, wasUnknown);
      },
      isReady: () => !document.hidden && !connection.isDoubted,
    },
    sessionStorage.getItem(CHOICE_KEY) !== "off",
  );
}
