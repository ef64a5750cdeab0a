import { useAccount } from "../session/AccountContext.js";
import { Copy } from "../ui/Copy.js";
import { Icon } from "../ui/Icon.js";
import { graphiqlLink, type Operation } from "./link.js";

/** What stands behind a screen: the GraphQL operations that it sends, to read, to copy and to try. */
export function Operations({ operations }: { readonly operations: readonly Operation[] }) {
  return (
    <section className="operations" aria-label="GraphQL behind this screen">
      <h2 className="operations-title">
        <Icon name="code" /> GraphQL behind this screen
      </h2>
      {operations.map((operation) => (
        <OperationItem key={operation.query} operation={operation} />
      ))}
    </section>
  );
}

function OperationItem({ operation }: { readonly operation: Operation }) {
  const { subject } = useAccount();
  const [, kind = "", name = ""] = /^\s*(query|mutation|subscription)\s+(\w+)/.exec(operation.query) ?? [];
  return (
    <details className="operation">
      <summary>
        <span className="operation-kind">{kind}</span> {name}
      </summary>
      <div className="operation-body">
        <div className="operation-actions">
          <a className="button button-small" href={graphiqlLink(operation, operation.subject ?? subject)} target="_blank" rel="noreferrer">
            Open in GraphiQL <Icon name="external" />
            <span className="visually-hidden"> (a new tab)</span>
          </a>
          <Copy text={operation.query} label={`the ${name} operation`} />
        </div>
        {/* Scrollable, so it has to be reachable by keyboard. */}
        <pre tabIndex={0} aria-label={`The ${name} operation`}>{operation.query}</pre>
        {Object.keys(operation.variables).length > 0 && (
          <pre tabIndex={0} aria-label={`Variables of ${name}`}>{JSON.stringify(operation.variables, null, 2)}</pre>
        )}
      </div>
    </details>
  );
}
