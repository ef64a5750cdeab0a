import { graphql, type ResultOf, type VariablesOf } from "../../graphql/tada.js";

/** The rates in force. */
export const FX_RATES = graphql(`
  query FxRates {
    fxRates { base quote rate spreadBasisPoints source validFrom }
  }
`);

export const SET_FX_RATE = graphql(`
  mutation SetFxRate($input: SetFxRateInput!) {
    setFxRate(input: $input) {
      rate { base quote rate spreadBasisPoints source validFrom }
      userErrors { code message path }
    }
  }
`);

export type FxRate = ResultOf<typeof FX_RATES>["fxRates"][number];
export type RateInput = VariablesOf<typeof SET_FX_RATE>["input"];
