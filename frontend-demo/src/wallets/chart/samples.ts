import { gql, type TypedDocumentNode } from "@urql/core";
import type { Point } from "../points.js";

/** How many balances one request reads. The service allows 100 aliases in a document. */
export const SAMPLES = 60;

const numbers = Array.from({ length: SAMPLES }, (_, index) => index);

export type SampleVariables = { readonly id: string } & Readonly<Record<`t${number}`, string>>;

interface Sample {
  readonly edges: readonly { readonly node: { readonly id: string; readonly entries: readonly (Point & { readonly wallet: { readonly id: string } })[] } }[];
}

interface SampleData {
  readonly wallet: ({ readonly id: string } & Readonly<Record<`s${number}`, Sample>>) | null;
}

/** The wallet's last completed transaction before each of many times, with its entries: the balance at those times. */
export const BALANCE_SAMPLES: TypedDocumentNode<SampleData, SampleVariables> = gql(/* GraphQL */ `
  query BalanceSamples($id: ID!, ${numbers.map((index) => `$t${index}: DateTime!`).join(", ")}) {
    wallet(id: $id) {
      id
      ${numbers.map((index) => `s${index}: transactions(first: 1, filter: { status: COMPLETED, createdTo: $t${index} }) { ...Sample }`).join("\n      ")}
    }
  }

  fragment Sample on TransactionConnection {
    edges { node { id entries { id sequence createdAt balanceAfter { amount currency } wallet { id } } } }
  }
`);

export function sampleVariables(id: string, times: readonly number[]): SampleVariables {
  return { id, ...Object.fromEntries(times.map((time, index) => [`t${index}`, new Date(time).toISOString()])) };
}

/** The wallet's own entries among the samples, in no order. */
export function pointsOfSamples(data: SampleData | undefined): Point[] {
  const wallet = data?.wallet;
  if (!wallet) {
    return [];
  }
  return numbers.flatMap((index) => {
    const entries = wallet[`s${index}`]?.edges[0]?.node.entries ?? [];
    return entries.filter((entry) => entry.wallet.id === wallet.id);
  });
}
