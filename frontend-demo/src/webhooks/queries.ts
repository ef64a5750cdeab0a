import { graphql, type ResultOf } from "../graphql/tada.js";

export const WEBHOOK_DELIVERY = graphql(`
  fragment WebhookDeliveryFields on WebhookDelivery {
    id messageId event wallet sequence createdAt deliveredAt nextAttemptAt payload
    attempts { at durationMs status error responseBody }
  }
`);

export const WEBHOOK_ENDPOINTS = graphql(`
  query WebhookEndpoints {
    webhookEndpoints(first: 50) {
      edges {
        node {
          id url document status createdAt
          oldestUndelivered { id event createdAt nextAttemptAt }
        }
      }
      pageInfo { hasNextPage }
    }
  }
`);

/** An endpoint with its newest deliveries, and those that failed. A page is asked for on its own (\`WEBHOOK_DELIVERIES\`). */
export const WEBHOOK_ENDPOINT = graphql(
  `
    query WebhookEndpointPage($id: ID!) {
      node(id: $id) {
        ... on WebhookEndpoint {
          id url document variables status publicKey ordered createdAt
          newest: deliveries(first: 20) { edges { node { ...WebhookDeliveryFields } } pageInfo { hasNextPage endCursor } }
          failing: deliveries(first: 20, failed: true) { edges { node { ...WebhookDeliveryFields } } pageInfo { hasNextPage } }
        }
      }
    }
  `,
  [WEBHOOK_DELIVERY],
);

export const WEBHOOK_DELIVERIES = graphql(
  `
    query WebhookDeliveries($id: ID!, $after: String) {
      node(id: $id) {
        ... on WebhookEndpoint {
          id
          deliveries(first: 20, after: $after) { edges { node { ...WebhookDeliveryFields } } pageInfo { hasNextPage endCursor } }
        }
      }
    }
  `,
  [WEBHOOK_DELIVERY],
);

export const CREATE_WEBHOOK_ENDPOINT = graphql(`
  mutation CreateWebhookEndpoint($input: CreateWebhookEndpointInput!) {
    createWebhookEndpoint(input: $input) { replayed secret endpoint { id } userErrors { code message path } }
  }
`);

export const ROTATE_WEBHOOK_SECRET = graphql(`
  mutation RotateWebhookSecret($input: RotateWebhookSecretInput!) {
    rotateWebhookSecret(input: $input) { secret endpoint { id publicKey } userErrors { code message path } }
  }
`);

export const SET_WEBHOOK_STATUS = graphql(`
  mutation SetWebhookStatus($input: SetWebhookStatusInput!) {
    setWebhookStatus(input: $input) { endpoint { id status } userErrors { code message path } }
  }
`);

export const DELETE_WEBHOOK_ENDPOINT = graphql(`
  mutation DeleteWebhookEndpoint($endpointId: ID!) {
    deleteWebhookEndpoint(endpointId: $endpointId) { deletedId userErrors { code message path } }
  }
`);

export const REPLAY_WEBHOOKS = graphql(`
  mutation ReplayWebhooks($input: ReplayWebhooksInput!) {
    replayWebhooks(input: $input) { scheduled userErrors { code message path } }
  }
`);

export const TEST_WEBHOOK = graphql(`
  mutation TestWebhook($endpointId: ID!) {
    testWebhook(endpointId: $endpointId) { payload status error userErrors { code message path } }
  }
`);

export type ListedEndpoint = ResultOf<typeof WEBHOOK_ENDPOINTS>["webhookEndpoints"]["edges"][number]["node"];
export type Endpoint = Extract<NonNullable<ResultOf<typeof WEBHOOK_ENDPOINT>["node"]>, { readonly publicKey: string }>;
export type Delivery = ResultOf<typeof WEBHOOK_DELIVERY>;
export type Attempt = Delivery["attempts"][number];
export type WebhookTest = NonNullable<ResultOf<typeof TEST_WEBHOOK>["testWebhook"]>;
