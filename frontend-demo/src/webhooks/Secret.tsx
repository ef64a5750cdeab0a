import { Copy } from "../ui/Copy.js";
import { Icon } from "../ui/Icon.js";

/** A secret that the service shows once. It stays on the page until it is dismissed, and is kept nowhere. */
export function Secret({ secret, onStored }: { readonly secret: string; readonly onStored: () => void }) {
  return (
    <div className="notice notice-warning" role="group" aria-label="The new secret">
      <Icon name="alert" />
      <div className="secret">
        <p className="notice-title">Store the secret now: it is shown this once</p>
        <p className="copyable-id">
          <code className="secret-text">{secret}</code>
          <Copy text={secret} label="the secret" />
        </p>
        <p className="muted">Receivers verify v1 signatures with it. The public key, for v1a, stays on the endpoint’s page.</p>
        <button type="button" className="button button-small" onClick={onStored}>
          I have stored it
        </button>
      </div>
    </div>
  );
}
