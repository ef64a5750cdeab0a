import { graphql } from "../graphql/tada.js";
import { WALLET_FIELDS } from "../wallets/queries.js";

export const PHONE = graphql(
  `
    query Phone($id: ID!) {
      wallet(id: $id) {
        ...WalletFields
        entries(first: 5) {
          edges {
            node {
              id sequence direction createdAt
              amount { amount currency }
              transaction { id type description sender { displayName } receiver { displayName } }
            }
          }
        }
      }
    }
  `,
  [WALLET_FIELDS],
);
