//! `postrider secret`: makes a new secret.

use crate::Answer;
use postrider::Secret;
use postrider::signature::KeyProblem;
use serde_json::json;

/// Make a new secret
///
/// Prints a `whsec_` secret, which both ends hold. With --ed25519 it prints two lines: the `whsk_`
/// key, which signs and stays with the sender, and the `whpk_` key, which verifies and is public.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Make a pair of ed25519 keys
    #[arg(long)]
    ed25519: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    #[error("the system gives no randomness: {0}")]
    Randomness(getrandom::Error),
    #[error(transparent)]
    Key(#[from] KeyProblem),
}

pub(crate) fn run(args: &Args) -> Result<Answer, SecretError> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(SecretError::Randomness)?;
    let text = if args.ed25519 {
        let signing = Secret::generate_ed25519(random);
        let verifying = signing.verifying_key()?;
        let (signing, verifying) = (signing.expose_secret_text(), verifying.expose_secret_text());
        match args.json {
            true => format!(
                "{}\n",
                json!({ "signing_key": signing, "verifying_key": verifying })
            ),
            false => format!("{signing}\n{verifying}\n"),
        }
    } else {
        let secret = Secret::generate_hmac(random);
        let secret = secret.expose_secret_text();
        match args.json {
            true => format!("{}\n", json!({ "secret": secret })),
            false => format!("{secret}\n"),
        }
    };
    Ok(Answer { text, is_yes: true })
}
