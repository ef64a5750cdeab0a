import { graphql, type ResultOf } from "../graphql/tada.js";

export const STATEMENT = graphql(`
  fragment StatementFields on Statement {
    id number status from to firstSequence lastSequence problem createdAt
    opening { amount currency }
    credits { amount currency }
    debits { amount currency }
    closing { amount currency }
    files { format bytes sha256 problem }
  }
`);

export const STATEMENTS = graphql(
  `
    query Statements($id: ID!, $first: Int!) {
      wallet(id: $id) {
        id name currency createdAt
        statements(first: $first) {
          edges { node { ...StatementFields } }
          pageInfo { hasNextPage }
        }
      }
    }
  `,
  [STATEMENT],
);

export const CREATE_STATEMENT = graphql(`
  mutation CreateStatement($input: CreateStatementInput!) {
    createStatement(input: $input) {
      statement { id number }
      replayed
      userErrors {
        code message path
        ... on PeriodNotNext { expectedFrom }
      }
    }
  }
`);

/** A link is asked for when it is used: it ends after minutes. */
export const DOWNLOAD = graphql(`
  query DownloadStatement($id: ID!, $format: StatementFormat!) {
    node(id: $id) {
      id
      ... on Statement { download(format: $format) { url sha256 expiresAt } }
    }
  }
`);

export type Statement = ResultOf<typeof STATEMENT>;
export type StatementFile = Statement["files"][number];
export type Format = StatementFile["format"];
