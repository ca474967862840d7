//! How an endpoint's requests are sent, as JSON: its client certificate, and what a view has hidden of
//! it, taken back.

use super::{EndpointForm, refused};
use crate::api::extract::parse;
use crate::api::problem::{Code, Problem};
use crate::api::raw::{self, Members};
use postrider::{ClientIdentity, HeaderLines, Sending};
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// The field of an endpoint.
const FIELD: &str = "client_certificate";

/// A client certificate with its private key, both as PEM; together at most 32 KiB.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CertificateForm {
    /// The certificate, and behind it those between it and its authority.
    #[schema(min_length = 1, max_length = 32768)]
    pub(crate) certificate: String,
    /// Its private key: ECDSA (P-256, P-384), Ed25519 or RSA, without a passphrase. Kept as secrets are,
    /// and never shown again: `[secret]` stands for it.
    #[schema(min_length = 1, max_length = 32768)]
    pub(crate) private_key: String,
}

impl CertificateForm {
    pub(crate) fn of(identity: &ClientIdentity) -> Self {
        Self {
            certificate: identity.certificates().to_owned(),
            private_key: identity.expose_private_key().to_owned(),
        }
    }

    pub(crate) fn identity(&self) -> ClientIdentity {
        ClientIdentity::new(self.certificate.as_str(), self.private_key.as_str())
    }

    pub(super) fn hide_key(&mut self) {
        HeaderLines::SECRET.clone_into(&mut self.private_key);
    }
}

impl fmt::Debug for CertificateForm {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateForm")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

impl EndpointForm {
    pub(super) fn sending(&self) -> Sending {
        Sending {
            content_type: self.content_type.as_deref().map(Into::into),
            user_agent: self.user_agent.as_deref().map(Into::into),
            send_again: self.send_again,
            identity: self
                .client_certificate
                .as_ref()
                .map(CertificateForm::identity),
        }
    }
}

/// Puts back the private key that a view has hidden.
pub(crate) fn restore_key(
    body: &mut Members,
    kept: Option<&ClientIdentity>,
) -> Result<(), Problem> {
    let Some(given) = body.get(FIELD).filter(|value| raw::is_object(value)) else {
        return Ok(());
    };
    let given = parse(given.get().as_bytes());
    let below = |problem: Problem| problem.below("/client_certificate");
    let mut given: Members = given.map_err(below)?;
    let hidden = format!("\"{}\"", HeaderLines::SECRET);
    if given
        .get("private_key")
        .is_none_or(|key| key.get() != hidden)
    {
        return Ok(());
    }
    let Some(kept) = kept else {
        return Err(refused(
            "/client_certificate/private_key",
            "`[secret]` stands for a key that is kept, and there is none: give the key",
        ));
    };
    let key = serde_json::value::to_raw_value(kept.expose_private_key());
    let key = key.map_err(|error| Problem::new(Code::Internal, error))?;
    given.set("private_key".to_owned(), key);
    body.set(FIELD.to_owned(), given.text()?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn restored(body: &Value, kept: Option<&ClientIdentity>) -> Result<Value, Problem> {
        let mut members: Members = parse(body.to_string().as_bytes())?;
        restore_key(&mut members, kept)?;
        Ok(serde_json::from_str(members.text()?.get()).unwrap())
    }

    #[test]
    fn a_hidden_key_is_the_one_that_is_kept() {
        let kept = ClientIdentity::new("c", "hunter2\n");
        let body = |key: &str| json!({FIELD: {"certificate": "d", "private_key": key}});
        let hidden = restored(&body("[secret]"), Some(&kept)).unwrap();
        assert_eq!(hidden, body("hunter2\n"));
        let given = restored(&body("other"), Some(&kept)).unwrap();
        assert_eq!(given, body("other"));
        assert!(restored(&body("[secret]"), None).is_err());
        for untouched in [json!({}), json!({FIELD: null}), json!({FIELD: {}})] {
            assert_eq!(restored(&untouched, None).unwrap(), untouched);
        }
    }
}
