import { createContext, use, useCallback, useEffect, useMemo, useState, type ReactNode } from "react";
import { demoAccount, tokenAccount, type Account } from "./account.js";
import { fetchDemoSession, type DemoSession } from "./demo.js";

const SUBJECT_KEY = "paycore.signed-in-as";
const TOKEN_KEY = "paycore.token";
const RETRY_MILLISECONDS = 1_000;

export interface Session {
  /** Null in production, where the service gives out no tokens. */
  readonly demo: DemoSession | null;
  /** Null until somebody signs in. */
  readonly account: Account | null;
  readonly signIn: (subject: string) => void;
  /** Returns false if the text is not a token. The service checks whether it is valid. */
  readonly signInWithToken: (token: string) => boolean;
  readonly signOut: () => void;
}

type Loaded = { readonly demo: DemoSession | null } | "loading" | "unreachable";

const SessionContext = createContext<Session | null>(null);

export function SessionProvider({ children, waiting }: { readonly children: ReactNode; readonly waiting: (isUnreachable: boolean) => ReactNode }) {
  const loaded = useDemoSession();
  const [subject, setSubject] = useState(() => sessionStorage.getItem(SUBJECT_KEY));
  const [token, setToken] = useState(() => sessionStorage.getItem(TOKEN_KEY));
  const demo = typeof loaded === "string" ? null : loaded.demo;

  const signIn = useCallback((chosen: string) => {
    sessionStorage.setItem(SUBJECT_KEY, chosen);
    setSubject(chosen);
  }, []);
  const signInWithToken = useCallback((pasted: string) => {
    if (tokenAccount(pasted) === null) {
      return false;
    }
    sessionStorage.setItem(TOKEN_KEY, pasted);
    setToken(pasted);
    return true;
  }, []);
  const signOut = useCallback(() => {
    sessionStorage.removeItem(SUBJECT_KEY);
    sessionStorage.removeItem(TOKEN_KEY);
    setSubject(null);
    setToken(null);
  }, []);

  const account = useMemo(() => {
    const user = demo?.users.find((candidate) => candidate.subject === subject);
    if (demo !== null) {
      return user === undefined ? null : demoAccount(user);
    }
    return token === null ? null : tokenAccount(token);
  }, [demo, subject, token]);
  const session = useMemo(
    () => ({ demo, account, signIn, signInWithToken, signOut }),
    [demo, account, signIn, signInWithToken, signOut],
  );
  return typeof loaded === "string" ? waiting(loaded === "unreachable") : <SessionContext value={session}>{children}</SessionContext>;
}

/** Retries until the service answers: the page may load before the service is up. */
function useDemoSession(): Loaded {
  const [loaded, setLoaded] = useState<Loaded>("loading");
  useEffect(() => {
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const load = async (): Promise<void> => {
      try {
        const demo = await fetchDemoSession();
        if (!isOver) {
          setLoaded({ demo });
        }
      } catch {
        if (!isOver) {
          setLoaded("unreachable");
          timer = setTimeout(() => void load(), RETRY_MILLISECONDS);
        }
      }
    };
    void load();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, []);
  return loaded;
}

export function useSession(): Session {
  const session = use(SessionContext);
  if (session === null) {
    throw new Error("useSession() needs a SessionProvider around it.");
  }
  return session;
}
