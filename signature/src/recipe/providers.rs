//! How providers sign: one row each. The vectors in `vectors/providers.json` show that a row is right;
//! `tests/providers/make.mjs` makes them with the providers' own libraries.

use super::{Algorithm, Encoded, KeyForm, Place, Recipe, SignedTime, TimePlace, TimeUnit};

/// The providers, by name.
///
/// Not among them are those that sign with JSON Web Tokens or certificates that have to be fetched:
/// Plaid, PayPal, Amazon SNS, Google Cloud Pub/Sub, monday.com.
pub const PROVIDERS: &[(&str, Recipe<'static>)] = &[
    ("adyen", ADYEN),
    ("asana", hex("x-hook-signature")),
    ("bitbucket", prefixed("sha256=", hex("x-hub-signature"))),
    ("calendly", CALENDLY),
    ("discord", DISCORD),
    ("dropbox", hex("x-dropbox-signature")),
    ("gitea", hex("x-gitea-signature")),
    ("gitlab", token(Place::Header("x-gitlab-token"))),
    ("hubspot", HUBSPOT),
    ("intercom", INTERCOM),
    ("linear", LINEAR),
    ("mailgun", MAILGUN),
    ("meta", prefixed("sha256=", hex("x-hub-signature-256"))),
    (
        "microsoft_graph",
        token(Place::Field("/value/*/clientState")),
    ),
    ("paddle", PADDLE),
    ("paystack", PAYSTACK),
    ("sendgrid", SENDGRID),
    ("square", SQUARE),
    ("twilio", TWILIO),
    ("twitch", TWITCH),
    (
        "typeform",
        prefixed("sha256=", base64("typeform-signature")),
    ),
    ("woocommerce", base64("x-wc-webhook-signature")),
    ("xero", base64("x-xero-signature")),
    ("zendesk", ZENDESK),
    ("zoom", ZOOM),
];

/// How this provider signs, if it is in the table.
#[must_use]
pub fn provider(name: &str) -> Option<Recipe<'static>> {
    let mut rows = PROVIDERS.iter();
    rows.find(|(own, _)| *own == name)
        .map(|(_, recipe)| *recipe)
}

/// The body, with HMAC-SHA256, in hex.
const fn hex(header: &'static str) -> Recipe<'static> {
    Recipe {
        algorithm: Algorithm::HmacSha256,
        key: KeyForm::Text,
        encoding: Encoded::Hex,
        signature: Place::Header(header),
        prefix: "",
        separator: None,
        signed: "{body}",
        timestamp: None,
        id_header: None,
        body_digest: None,
    }
}

/// The same in base64.
const fn base64(header: &'static str) -> Recipe<'static> {
    Recipe {
        encoding: Encoded::Base64,
        ..hex(header)
    }
}

/// The secret itself.
const fn token(place: Place<'static>) -> Recipe<'static> {
    Recipe {
        algorithm: Algorithm::Token,
        encoding: Encoded::Plain,
        signature: place,
        signed: "",
        ..hex("")
    }
}

const fn prefixed(prefix: &'static str, recipe: Recipe<'static>) -> Recipe<'static> {
    Recipe { prefix, ..recipe }
}

const fn time(place: TimePlace<'static>, unit: TimeUnit) -> Option<SignedTime<'static>> {
    Some(SignedTime { place, unit })
}

/// <https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures>:
/// of payment webhooks, the fields that matter.
const ADYEN: Recipe<'static> = Recipe {
    key: KeyForm::Hex,
    encoding: Encoded::Base64,
    signature: Place::Field(
        "/notificationItems/*/NotificationRequestItem/additionalData/hmacSignature",
    ),
    signed: "{field:/notificationItems/*/NotificationRequestItem/pspReference}:\
             {field:/notificationItems/*/NotificationRequestItem/originalReference}:\
             {field:/notificationItems/*/NotificationRequestItem/merchantAccountCode}:\
             {field:/notificationItems/*/NotificationRequestItem/merchantReference}:\
             {field:/notificationItems/*/NotificationRequestItem/amount/value}:\
             {field:/notificationItems/*/NotificationRequestItem/amount/currency}:\
             {field:/notificationItems/*/NotificationRequestItem/eventCode}:\
             {field:/notificationItems/*/NotificationRequestItem/success}",
    ..hex("")
};

/// <https://developer.calendly.com/api-docs/ZG9jOjM2MzE2MDM4-webhook-signatures>
const CALENDLY: Recipe<'static> = Recipe {
    prefix: "v1=",
    separator: Some(','),
    signed: "{timestamp}.{body}",
    timestamp: time(TimePlace::Item("t="), TimeUnit::Seconds),
    ..hex("calendly-webhook-signature")
};

/// <https://discord.com/developers/docs/events/webhook-events#validating-security-request-headers>
const DISCORD: Recipe<'static> = Recipe {
    algorithm: Algorithm::Ed25519,
    signed: "{timestamp}{body}",
    timestamp: time(
        TimePlace::Header("x-signature-timestamp"),
        TimeUnit::Seconds,
    ),
    ..hex("x-signature-ed25519")
};

/// <https://developers.hubspot.com/docs/apps/legacy-apps/authentication/validating-requests>: version 3.
const HUBSPOT: Recipe<'static> = Recipe {
    signed: "{method}{url}{body}{timestamp}",
    timestamp: time(
        TimePlace::Header("x-hubspot-request-timestamp"),
        TimeUnit::Milliseconds,
    ),
    ..base64("x-hubspot-signature-v3")
};

/// <https://developers.intercom.com/docs/references/webhooks/webhook-models>
const INTERCOM: Recipe<'static> = Recipe {
    algorithm: Algorithm::HmacSha1,
    prefix: "sha1=",
    ..hex("x-hub-signature")
};

/// <https://linear.app/developers/webhooks#securing-webhooks>
const LINEAR: Recipe<'static> = Recipe {
    timestamp: time(
        TimePlace::Field("/webhookTimestamp"),
        TimeUnit::Milliseconds,
    ),
    ..hex("linear-signature")
};

/// <https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks>. The event
/// itself is not signed.
const MAILGUN: Recipe<'static> = Recipe {
    signature: Place::Field("/signature/signature"),
    signed: "{timestamp}{field:/signature/token}",
    timestamp: time(TimePlace::Field("/signature/timestamp"), TimeUnit::Seconds),
    ..hex("")
};

/// <https://developer.paddle.com/webhooks/signature-verification>
const PADDLE: Recipe<'static> = Recipe {
    prefix: "h1=",
    separator: Some(';'),
    signed: "{timestamp}:{body}",
    timestamp: time(TimePlace::Item("ts="), TimeUnit::Seconds),
    ..hex("paddle-signature")
};

/// <https://paystack.com/docs/payments/webhooks/#signature-validation>
const PAYSTACK: Recipe<'static> = Recipe {
    algorithm: Algorithm::HmacSha512,
    ..hex("x-paystack-signature")
};

/// <https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features>
const SENDGRID: Recipe<'static> = Recipe {
    algorithm: Algorithm::EcdsaP256,
    signed: "{timestamp}{body}",
    timestamp: time(
        TimePlace::Header("x-twilio-email-event-webhook-timestamp"),
        TimeUnit::Seconds,
    ),
    ..base64("x-twilio-email-event-webhook-signature")
};

/// <https://developer.squareup.com/docs/webhooks/step3validate>
const SQUARE: Recipe<'static> = Recipe {
    signed: "{url}{body}",
    ..base64("x-square-hmacsha256-signature")
};

/// <https://www.twilio.com/docs/usage/webhooks/webhooks-security>
const TWILIO: Recipe<'static> = Recipe {
    algorithm: Algorithm::HmacSha1,
    signed: "{url}{form}",
    body_digest: Some("bodySHA256"),
    ..base64("x-twilio-signature")
};

/// <https://dev.twitch.tv/docs/eventsub/handling-webhook-events/#verifying-the-event-message>
const TWITCH: Recipe<'static> = Recipe {
    prefix: "sha256=",
    signed: "{id}{timestamp}{body}",
    timestamp: time(
        TimePlace::Header("twitch-eventsub-message-timestamp"),
        TimeUnit::Rfc3339,
    ),
    id_header: Some("twitch-eventsub-message-id"),
    ..hex("twitch-eventsub-message-signature")
};

/// <https://developer.zendesk.com/documentation/webhooks/verifying/>
const ZENDESK: Recipe<'static> = Recipe {
    signed: "{timestamp}{body}",
    timestamp: time(
        TimePlace::Header("x-zendesk-webhook-signature-timestamp"),
        TimeUnit::Rfc3339,
    ),
    ..base64("x-zendesk-webhook-signature")
};

/// <https://developers.zoom.us/docs/api/webhooks/#verify-with-zooms-header>
const ZOOM: Recipe<'static> = Recipe {
    prefix: "v0=",
    signed: "v0:{timestamp}:{body}",
    timestamp: time(
        TimePlace::Header("x-zm-request-timestamp"),
        TimeUnit::Seconds,
    ),
    ..hex("x-zm-signature")
};
