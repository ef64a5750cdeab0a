import { graphql, type ResultOf } from "../../graphql/tada.js";
import { FOUND } from "../../activity/found.js";

/** A wallet as it was at a moment, and its entries up to then. */
export const WALLET_AT = graphql(
  `
    query WalletAt($id: ID!, $at: DateTime!, $first: Int!, $filter: ActivityFilter!) {
      wallet(id: $id) {
        id
        balanceAt(at: $at) {
          at sequence
          balance { amount currency }
          held { amount currency }
          available { amount currency }
        }
        owner {
          id
          activity(first: $first, filter: $filter) { ...Found }
        }
      }
    }
  `,
  [FOUND],
);

export type WalletAt = NonNullable<ResultOf<typeof WALLET_AT>["wallet"]>;
