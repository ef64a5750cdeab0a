/** Runs graphql-http's audit of the GraphQL over HTTP specification against a server, and prints each result as a line of JSON. */

import { auditServer } from "graphql-http";

const [url] = process.argv.slice(2);
for (const { id, name, status, reason } of await auditServer({ url, fetchFn: fetch })) {
  console.log(JSON.stringify({ id, name, status, reason }));
}
