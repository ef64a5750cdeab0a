import { createContext, use, useMemo, type ReactNode } from "react";
import { useAnswer } from "../graphql/useAnswer.js";
import { graphql, type ResultOf } from "../graphql/tada.js";

export const CURRENCIES = graphql(`
  query Currencies {
    currencies { code exponent name }
  }
`);

export type Currency = ResultOf<typeof CURRENCIES>["currencies"][number];

const CurrenciesContext = createContext<ReadonlyMap<string, Currency>>(new Map());

export function CurrenciesProvider({ children }: { readonly children: ReactNode }) {
  const { data } = useAnswer({ query: CURRENCIES, requestPolicy: "cache-first" });
  const currencies = useMemo(() => new Map(data?.currencies.map((currency) => [currency.code, currency])), [data]);
  return <CurrenciesContext value={currencies}>{children}</CurrenciesContext>;
}

/** Currencies by code. Empty until the service has answered. */
export function useCurrencies(): ReadonlyMap<string, Currency> {
  return use(CurrenciesContext);
}

/** The currency's `exponent`. Undefined until the service has answered. */
export function useExponent(code: string): number | undefined {
  return useCurrencies().get(code)?.exponent;
}
