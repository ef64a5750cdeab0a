import type { DemoSession } from "../session/demo.js";

/** What a tab of GraphiQL begins with. */
export interface Tab {
  readonly query: string;
  readonly variables: string;
  readonly headers: string;
}

/** An operation that another page handed over, and the demo user whose token goes with it. */
export interface HandedOver {
  readonly query: string;
  readonly variables: unknown;
  readonly subject: string | null;
}

const TRANSFER = `# Run it again: the key is the same, so nothing moves twice and \`replayed\` is true.
mutation Transfer($input: TransferInput!) {
  transfer(input: $input) {
    replayed
    transaction {
      id
      status
      entries { direction amount { amount currency } balanceBefore { amount } balanceAfter { amount } }
    }
    userErrors { code message path }
  }
}
`;

const REPLAY = `# One key, sent twice: the second answer is the first one again.
mutation Replay($input: TransferInput!) {
  first: transfer(input: $input) { replayed transaction { id status completedAt } }
  second: transfer(input: $input) { replayed transaction { id status completedAt } }
}
`;

const REFUSAL = `# More than there is: a refusal is an answer, with a code and the facts, and no money moved.
mutation Refusal($input: TransferInput!) {
  transfer(input: $input) {
    transaction { id status failureCode }
    userErrors {
      code
      message
      path
      ... on InsufficientFunds { available { amount currency } required { amount currency } }
    }
  }
}
`;

const PAGES = `# Put endCursor into "after" for the next page. The hundredth page costs what the first one does.
query Transactions($wallet: ID!, $after: String) {
  wallet(id: $wallet) {
    name
    balance { amount currency }
    transactions(first: 10, after: $after) {
      edges { node { id status createdAt description amount { amount currency } sender { displayName } receiver { displayName } } }
      pageInfo { hasNextPage endCursor }
    }
  }
}
`;

const WATCH = `# Its events appear in the list named Events, and it continues while you run Transfer. With the newest cursor as
# "after" it starts with the entries after that one.
subscription Watch($wallet: ID!, $after: String) {
  walletUpdated(walletId: $wallet, after: $after) {
    kind
    cursor
    wallet { name balance { amount currency } }
    entry { sequence direction amount { amount } balanceAfter { amount } }
  }
}
`;

/** A tab for each example, ready to run as alice or bob. */
export function exampleTabs(demo: DemoSession, key: string): Tab[] {
  const [alice, bob] = ["alice", "bob"].map((subject) => demo.users.find((user) => user.subject === subject));
  const [sender, receiver] = [alice, bob].map((user) => user?.wallets.find(({ currency }) => currency === "USD"));
  const input = (name: string, amount: string) => ({
    input: {
      idempotencyKey: `${name}-${key}`,
      senderWalletId: sender?.id,
      receiverWalletId: receiver?.id,
      amount: { amount, currency: "USD" },
      description: "From GraphiQL",
    },
  });
  return [
    tab(TRANSFER, input("transfer", "4.50"), alice?.token),
    tab(REPLAY, input("replay", "1.25"), alice?.token),
    tab(REFUSAL, input("refusal", "1000000000.00"), alice?.token),
    tab(PAGES, { wallet: sender?.id, after: null }, alice?.token),
    tab(WATCH, { wallet: receiver?.id, after: null }, bob?.token),
  ];
}

/** What is there where nobody's token is known. */
export function plainTabs(): Tab[] {
  return [{ query: "{ viewer { id displayName } }\n", variables: "", headers: '{\n  "Authorization": "Bearer "\n}' }];
}

export function tabOf(handed: HandedOver, demo: DemoSession | null): Tab {
  const user = demo?.users.find(({ subject }) => subject === handed.subject) ?? demo?.users[0];
  return tab(handed.query, handed.variables, user?.token);
}

/** `#op=…&as=…` of the address; null where there is none that can be read. */
export function handedOver(hash: string): HandedOver | null {
  const parameters = new URLSearchParams(hash.replace(/^#/, ""));
  const text = parameters.get("op");
  if (text === null) {
    return null;
  }
  try {
    const operation: unknown = JSON.parse(text);
    if (typeof operation === "object" && operation !== null && "query" in operation && typeof operation.query === "string") {
      const variables = "variables" in operation ? operation.variables : {};
      return { query: operation.query, variables, subject: parameters.get("as") };
    }
  } catch {
    // An address that was cut short, or typed by hand.
  }
  return null;
}

function tab(query: string, variables: unknown, token: string | undefined): Tab {
  const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  return { query, variables: JSON.stringify(variables, null, 2), headers: JSON.stringify(headers, null, 2) };
}
