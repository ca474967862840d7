//! The secrets of a source, as people give them: what can never be right is refused, or mended with a
//! word.

use super::record::Provider;
use postrider::Secret;
use postrider::signature::Scheme;

/// How texts begin that a provider gives out and never signs with, and what they are.
#[rustfmt::skip] // one line for each
const OTHERS: &[(Provider, &[&str], &str)] = &[
    (Provider::Stripe, &["sk_", "rk_", "pk_"], "an API key; the webhook's page shows its signing secret, which begins with whsec_"),
    (Provider::Github, &["ghp_", "gho_", "ghs_", "ghu_", "github_pat_"], "an access token; give the secret of the webhook"),
    (Provider::Shopify, &["shpat_", "shppa_"], "an access token; give the app's client secret, or the key that the page of notifications shows"),
    (Provider::Slack, &["xoxb-", "xoxp-", "xapp-"], "a token; give the app's signing secret"),
    (Provider::Gitlab, &["glpat-", "gldt-", "glrt-"], "an access token; give the secret token of the webhook"),
    (Provider::Paddle, &["pdl_live_apikey_", "pdl_sdbx_apikey_"], "an API key; give the secret key of the notification destination, which begins with pdl_ntfset_"),
    (Provider::Paystack, &["pk_"], "a public key; give the secret key, which begins with sk_"),
    (Provider::Linear, &["lin_api_"], "an API key; give the webhook's signing secret, which begins with lin_wh_"),
    (Provider::Sendgrid, &["SG."], "an API key; give the verification key of the event webhook"),
    (Provider::Twilio, &["SK", "AC"], "the name of a key or an account; give the auth token"),
];

/// Whether a text with this beginning is what it looks like: for Twilio's names, of which two letters
/// and 32 hex digits are told.
fn looks_like(text: &str, head: &str) -> bool {
    let Some(rest) = text.strip_prefix(head) else {
        return false;
    };
    head.len() > 2 || (rest.len() == 32 && rest.bytes().all(|it| it.is_ascii_hexdigit()))
}

/// A secret for this provider, and what is to be said of it. `scheme` is how it signs, if it does by a
/// scheme. An error, in words, if it can never be right.
pub(super) fn taken(
    provider: Provider,
    scheme: Option<Scheme>,
    text: &str,
) -> Result<(Secret, Option<String>), String> {
    let (secret, mends) = Secret::pasted(text).map_err(|error| error.to_string())?;
    let bare = secret.expose_secret_text();
    let others = OTHERS.iter().filter(|(own, ..)| *own == provider);
    for (_, heads, what) in others {
        if heads.iter().any(|head| looks_like(bare, head)) {
            return Err(format!("this is {what}"));
        }
    }
    let mut words: Vec<String> = mends.iter().map(ToString::to_string).collect();
    if scheme.is_some_and(|scheme| secret.decoded_without_prefix(scheme).is_some()) {
        words.push(
            "it has no `whsec_`: what its base64 decodes to is taken for a key, too, as the reference \
             libraries have it"
                .to_owned(),
        );
    }
    let note = (!words.is_empty()).then(|| words.join("; "));
    Ok((secret, note))
}

/// The secrets to verify with: those without `whsec_` also as the reference libraries read them.
pub(crate) fn to_verify(scheme: Scheme, secrets: Vec<Secret>) -> Vec<Secret> {
    let decoded = secrets.iter();
    let decoded: Vec<Secret> = decoded
        .filter_map(|secret| secret.decoded_without_prefix(scheme))
        .collect();
    secrets.into_iter().chain(decoded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(provider: Provider, scheme: Scheme, text: &str) -> Option<String> {
        taken(provider, Some(scheme), text).unwrap().1
    }

    #[test]
    fn what_a_provider_never_signs_with_is_refused() {
        for (provider, text) in [
            (Provider::Stripe, "sk_test_4eC39HqLyjWDarjtT1zdp7dc"),
            (Provider::Github, "github_pat_11AAAA"),
            (Provider::Slack, "xoxb-1-2"),
            (Provider::Twilio, "AC00112233445566778899aabbccddeeff"),
        ] {
            let refused = taken(provider, None, text).unwrap_err();
            assert!(
                refused.contains("give") || refused.contains("shows"),
                "{refused}"
            );
            assert!(!refused.contains(text));
        }
        for (provider, text) in [
            (Provider::Paystack, "sk_test_4eC39HqLyjWDarjtT1zdp7dc"),
            (Provider::Stripe, "whsec_abc"),
            (Provider::Twilio, "ACcess"),
        ] {
            assert!(taken(provider, None, text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_mended_is_told() {
        let said = note(Provider::Github, Scheme::Github, " text\n").unwrap();
        assert_eq!(said, "white space around it was left out");
        let said = note(Provider::Standard, Scheme::Standard, "v1,whsec_AAAA").unwrap();
        assert_eq!(said, "`v1,` before `whsec_` was left out");
        let base64 = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let said = note(Provider::Svix, Scheme::Svix, base64).unwrap();
        assert!(said.starts_with("it has no `whsec_`"), "{said}");
        assert_eq!(note(Provider::Github, Scheme::Github, base64), None);
        let secret = Secret::parse(base64).unwrap();
        assert_eq!(to_verify(Scheme::Standard, vec![secret.clone()]).len(), 2);
        assert_eq!(to_verify(Scheme::Github, vec![secret]).len(), 1);
    }
}
