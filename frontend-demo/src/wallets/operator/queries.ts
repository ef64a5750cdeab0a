import { graphql, type ResultOf } from "../../graphql/tada.js";

export const DEPOSIT = graphql(`
  mutation Deposit($input: DepositInput!) {
    deposit(input: $input) {
      replayed
      transaction { id status failureCode amount { amount currency } }
      userErrors {
        __typename code message path
        ... on FeeExceedsLimit { fee { amount currency } limit { amount currency } }
      }
    }
  }
`);

export type DepositPayload = NonNullable<ResultOf<typeof DEPOSIT>["deposit"]>;
