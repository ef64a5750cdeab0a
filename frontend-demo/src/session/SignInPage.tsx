import { useState, type SyntheticEvent } from "react";
import { Icon } from "../ui/Icon.js";
import { useTitle } from "../ui/title.js";
import { useSession } from "./SessionContext.js";

/** Choose a demo user or, in production, paste an access token. */
export function SignInPage() {
  const { demo, signIn } = useSession();
  useTitle("Sign in");
  return (
    <div className="narrow stack">
      <h1>Sign in</h1>
      {demo === null ? (
        <TokenForm />
      ) : (
        <>
          <p className="muted">Choose who you want to be. You can switch at any time, at the top of the page.</p>
          <ul className="people">
            {demo.users.map((user) => (
              <li key={user.subject}>
                <button type="button" className="card person" onClick={() => signIn(user.subject)}>
                  <span className="avatar" aria-hidden="true">
                    {user.display_name.charAt(0)}
                  </span>
                  <span className="person-text">
                    <span className="person-name">{user.display_name}</span>
                    <span className="muted">
                      {user.role === "admin" ? "Administrator" : user.wallets.map(({ currency }) => currency).join(" · ")}
                    </span>
                  </span>
                  <Icon name="arrowOut" />
                </button>
              </li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}

function TokenForm() {
  const { signInWithToken } = useSession();
  const [token, setToken] = useState("");
  const [isRefused, setIsRefused] = useState(false);
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    setIsRefused(!signInWithToken(token.trim()));
  };
  return (
    <form className="card stack" onSubmit={submit}>
      <div className="field">
        <label htmlFor="token">Access token</label>
        <textarea
          id="token"
          className="input mono"
          rows={5}
          required
          spellCheck={false}
          autoComplete="off"
          value={token}
          aria-invalid={isRefused}
          aria-describedby="token-hint"
          onChange={(event) => setToken(event.target.value)}
        />
        <p id="token-hint" className={isRefused ? "field-problem" : "muted"}>
          {isRefused ? "This is not a JSON Web Token." : "A JSON Web Token from your identity provider. It stays in this tab."}
        </p>
      </div>
      <button type="submit" className="button button-primary">
        Sign in
      </button>
    </form>
  );
}
