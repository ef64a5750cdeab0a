import { graphql, type ResultOf } from "../graphql/tada.js";

export const HOLD_FIELDS = graphql(`
  fragment HoldFields on Hold {
    id status description createdAt expiresAt closedAt
    amount { amount currency }
    captured { amount currency }
    released { amount currency }
    remaining { amount currency }
    wallet { walletId displayName wallet { id } }
    receiver { walletId displayName wallet { id } }
  }
`);

/** The open holds, and the newest ones, of which those that have ended are shown. */
export const WALLET_HOLDS = graphql(
  `
    query WalletHolds($id: ID!) {
      wallet(id: $id) {
        id
        outgoing: holds(first: 20, status: OPEN) { edges { node { ...HoldFields } } pageInfo { hasNextPage } }
        incoming: incomingHolds(first: 20, status: OPEN) { edges { node { ...HoldFields } } pageInfo { hasNextPage } }
        newestOutgoing: holds(first: 5) { edges { node { ...HoldFields } } }
        newestIncoming: incomingHolds(first: 5) { edges { node { ...HoldFields } } }
      }
    }
  `,
  [HOLD_FIELDS],
);

export const HOLD = graphql(
  `
    query Hold($id: ID!) {
      hold(id: $id) {
        ...HoldFields
        metadata { key value }
        captures(first: 20) { edges { node { id status createdAt amount { amount currency } } } pageInfo { hasNextPage } }
      }
    }
  `,
  [HOLD_FIELDS],
);

export const PLACE_HOLD = graphql(
  `
    mutation PlaceHold($input: PlaceHoldInput!) {
      placeHold(input: $input) {
        replayed
        hold { ...HoldFields }
        userErrors { __typename code message path }
      }
    }
  `,
  [HOLD_FIELDS],
);

export const CAPTURE_HOLD = graphql(
  `
    mutation CaptureHold($input: CaptureHoldInput!) {
      captureHold(input: $input) {
        replayed
        hold { ...HoldFields }
        transaction { id status failureCode amount { amount currency } }
        userErrors { __typename code message path }
      }
    }
  `,
  [HOLD_FIELDS],
);

export const RELEASE_HOLD = graphql(
  `
    mutation ReleaseHold($input: ReleaseHoldInput!) {
      releaseHold(input: $input) {
        replayed
        hold { ...HoldFields }
        userErrors { __typename code message path }
      }
    }
  `,
  [HOLD_FIELDS],
);

export type Hold = ResultOf<typeof HOLD_FIELDS>;
export type LoadedHold = NonNullable<ResultOf<typeof HOLD>["hold"]>;
export type WalletHolds = NonNullable<ResultOf<typeof WALLET_HOLDS>["wallet"]>;
type Refusals = NonNullable<ResultOf<typeof CAPTURE_HOLD>["captureHold"]>["userErrors"];

/** What came of placing, capturing or releasing. Only a capture has a transaction of its own: of the others `id` is the hold's. */
export interface HoldActionPayload {
  readonly transaction: { readonly id: string; readonly status: string; readonly hold: Hold | null } | null;
  readonly replayed: boolean;
  readonly userErrors: Refusals;
}
