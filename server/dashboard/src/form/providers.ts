import type { Provider } from "../api/types";

type Row = readonly [name: string, secret: string];

/** Whose webhooks a source takes, and what is to be entered as its secret. */
export const PROVIDERS: Readonly<Record<Provider, Row>> = {
  stripe: ["Stripe", "The signing secret of the webhook's page: whsec_…"],
  github: ["GitHub", "The secret of the webhook."],
  shopify: ["Shopify", "The app's client secret, or the key on the page of notifications."],
  slack: ["Slack", "The app's signing secret."],
  standard: ["Standard Webhooks", "whsec_…"],
  svix: ["Svix", "whsec_…"],
  adyen: ["Adyen", "The HMAC key of the webhook, in hex."],
  asana: ["Asana", "The X-Hook-Secret of the handshake. It is not known yet? Give a random text, and tick below that the handshake brings it."],
  bitbucket: ["Bitbucket", "The secret of the webhook."],
  calendly: ["Calendly", "The signing key of the subscription."],
  discord: ["Discord", "The application's public key, in hex."],
  dropbox: ["Dropbox", "The app secret."],
  gitea: ["Gitea, Forgejo", "The secret of the webhook."],
  gitlab: ["GitLab", "The secret token of the webhook. It is in each request: nothing is signed."],
  hubspot: ["HubSpot", "The client secret of the app."],
  intercom: ["Intercom", "The client secret."],
  linear: ["Linear", "lin_wh_…"],
  mailgun: ["Mailgun", "The HTTP webhook signing key."],
  meta: ["Meta, WhatsApp, Messenger, Instagram", "The app secret."],
  microsoft_graph: ["Microsoft Graph", "The clientState of the subscription. It is in each request: nothing is signed."],
  paddle: ["Paddle Billing", "pdl_ntfset_…"],
  paystack: ["Paystack", "sk_…"],
  sendgrid: ["SendGrid", "The verification key of the event webhook, which begins with MFkw."],
  square: ["Square", "The signature key of the subscription."],
  twilio: ["Twilio", "The auth token."],
  twitch: ["Twitch", "The secret of the subscription."],
  typeform: ["Typeform", "The secret of the webhook."],
  woocommerce: ["WooCommerce", "The secret of the webhook."],
  xero: ["Xero", "The webhooks key."],
  zendesk: ["Zendesk", "The signing secret of the webhook."],
  zoom: ["Zoom", "The secret token of the app."],
  custom: ["any other", "What it signs with."],
};

/** Those that sign the URL, too: it has to be known to the letter. */
export const SIGNS_URL: readonly Provider[] = ["hubspot", "square", "twilio"];
