import { graphql, type ResultOf } from "../graphql/tada.js";

export const QUOTE_FIELDS = graphql(`
  fragment QuoteFields on FxQuote {
    id createdAt expiresAt
    source { amount currency }
    target { amount currency }
    spread { amount currency }
    total { amount currency }
    rate { base quote rate }
    fees { label payer explanation amount { amount currency } }
  }
`);

export const CREATE_FX_QUOTE = graphql(
  `
    mutation CreateFxQuote($input: CreateFxQuoteInput!) {
      createFxQuote(input: $input) {
        quote { ...QuoteFields }
        userErrors { code message path }
      }
    }
  `,
  [QUOTE_FIELDS],
);

export const CONVERT = graphql(`
  mutation Convert($input: ConvertInput!) {
    convert(input: $input) {
      replayed
      transaction {
        id status failureCode
        conversion { sold { amount currency } bought { amount currency } }
      }
      userErrors {
        __typename code message path
        ... on InsufficientFunds { available { amount currency } required { amount currency } }
      }
    }
  }
`);

export type Quote = ResultOf<typeof QUOTE_FIELDS>;
export type ConvertPayload = NonNullable<ResultOf<typeof CONVERT>["convert"]>;
