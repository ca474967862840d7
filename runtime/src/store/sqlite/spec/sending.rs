//! How an endpoint's requests are sent, as it is recorded. A client certificate is sealed with its key.

use super::{Place, StoreFault, fault};
use crate::store::sqlite::seal::{KeyRing, SealError, Sealed};
use postrider_engine::{ClientIdentity, Sending};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// What is as usual is left out.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct SendingRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    only_once: bool,
    /// In hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
}

impl SendingRecord {
    pub(super) fn seal(sending: &Sending, place: &Place<'_>) -> Result<Self, StoreFault> {
        let identity = match &sending.identity {
            Some(identity) => {
                let texts = (identity.certificates(), identity.expose_private_key());
                let text = serde_json::to_vec(&texts).map_err(|error| fault(&error))?;
                let text = Zeroizing::new(text);
                Some(hex::encode(place.keys.seal(&identity_of(place), &text)?))
            }
            None => None,
        };
        Ok(Self {
            content_type: sending.content_type.as_deref().map(str::to_owned),
            user_agent: sending.user_agent.as_deref().map(str::to_owned),
            only_once: !sending.send_again,
            identity,
        })
    }

    pub(super) fn open(self, place: &Place<'_>) -> Result<Sending, StoreFault> {
        let identity = match self.identity {
            Some(text) => {
                let what = identity_of(place);
                let damaged = || SealError::Damaged(what.to_string());
                let sealed = hex::decode(text).map_err(|_| damaged())?;
                let text = place.keys.open(&what, &sealed)?;
                let (certificates, key): (String, String) =
                    serde_json::from_slice(&text).map_err(|_| damaged())?;
                Some(ClientIdentity::new(certificates, key))
            }
            None => None,
        };
        Ok(Sending {
            content_type: self.content_type.map(Into::into),
            user_agent: self.user_agent.map(Into::into),
            send_again: !self.only_once,
            identity,
        })
    }

    /// Whether the certificate is sealed with another key than the first.
    pub(super) fn is_old(&self, keys: &KeyRing) -> bool {
        let sealed = self.identity.as_deref().map(hex::decode);
        sealed.is_some_and(|sealed| sealed.is_ok_and(|sealed| keys.is_old(&sealed)))
    }

    pub(super) fn is_usual(&self) -> bool {
        self.content_type.is_none()
            && self.user_agent.is_none()
            && !self.only_once
            && self.identity.is_none()
    }
}

fn identity_of<'p>(place: &Place<'p>) -> Sealed<'p> {
    Sealed::Identity(place.tenant, place.endpoint)
}

#[cfg(test)]
mod tests {
    use super::super::{Place, from_json, has_old_seal, to_json};
    use super::*;
    use postrider_engine::{EndpointId, EndpointSpec, TenantId};

    const OLD: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const NEW: &str = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    #[test]
    fn a_client_certificate_is_sealed_to_its_endpoint_and_sealed_anew_when_the_key_is_old() {
        let tenant = TenantId::default();
        let (old, both) = (KeyRing::new([OLD]), KeyRing::new([NEW, OLD]));
        let (old, both) = (old.unwrap(), both.unwrap());
        let place = |endpoint, keys| Place {
            keys,
            tenant: &tenant,
            endpoint: EndpointId::from_u128(endpoint),
        };
        let spec = EndpointSpec {
            sending: Sending {
                content_type: Some("text/xml".into()),
                user_agent: Some("Acme/2".into()),
                send_again: false,
                identity: Some(ClientIdentity::new("a certificate", "hunter2")),
            },
            ..EndpointSpec::new("https://example.com/")
        };
        let text = to_json(&spec, &place(5, &old)).unwrap();
        assert!(!text.contains("hunter2"), "{text}");
        assert!(!has_old_seal(&text, &old) && has_old_seal(&text, &both));
        let read = from_json(&text, &place(5, &both)).unwrap();
        assert_eq!(read, spec);
        let identity = read.sending.identity.unwrap();
        assert_eq!(identity.certificates(), "a certificate");
        assert_eq!(identity.expose_private_key(), "hunter2");
        assert!(matches!(
            from_json(&text, &place(6, &both)),
            Err(StoreFault::Seal(SealError::Damaged(_)))
        ));
    }
}
