//! Certificates and TLS settings: real handshakes, on simulated time.
//!
//! All keys are made from fixed seeds and all of them are Ed25519: its keys and signatures have
//! one length, so what the handshake draws by itself changes bytes and never lengths.

use super::stage::Stage;
use postrider::transport::tls;
use rcgen::{CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, SerialNumber};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// An Ed25519 key in PKCS #8 (RFC 8410, section 7) is this and its 32 bytes.
const PKCS8_HEAD: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// The key of the authority that the sender trusts.
const TRUSTED: u8 = 1;

/// The key of one that it does not.
const STRANGER: u8 = 2;

/// The key of every receiver.
const RECEIVER: u8 = 3;

/// What is wrong with a receiver's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// Nothing.
    None,
    /// It is for another name.
    Name,
    /// It has expired.
    Expired,
    /// Nobody knows who signed it.
    Stranger,
}

/// The sender's or a receiver's calendar.
struct Calendar(Arc<Stage>);

impl fmt::Debug for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Calendar")
    }
}

impl TimeProvider for Calendar {
    fn current_time(&self) -> Option<UnixTime> {
        // True time: a calendar that jumped by a day must not end what is tested by it.
        let since = Duration::from_millis(self.0.true_wall_ms());
        Some(UnixTime::since_unix_epoch(since))
    }
}

/// What the sender trusts.
pub(super) fn client(stage: &Arc<Stage>) -> Result<ClientConfig, Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    let key = key(TRUSTED)?;
    roots.add(authority().self_signed(&key)?.der().clone())?;
    let time = Arc::new(Calendar(Arc::clone(stage)));
    Ok(tls::client_config(roots, time)?)
}

/// As whom a receiver appears.
pub(super) fn server(
    stage: &Arc<Stage>,
    receiver: usize,
    flaw: Flaw,
    protocols: &[&[u8]],
) -> Result<ServerConfig, Box<dyn Error>> {
    let (certificate, key) = certificate(receiver, flaw)?;
    let provider = Arc::new(ring::default_provider());
    let time = Arc::new(Calendar(Arc::clone(stage)));
    let mut config = ServerConfig::builder_with_details(provider, time)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

fn certificate(
    receiver: usize,
    flaw: Flaw,
) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), rcgen::Error> {
    let name = match flaw {
        Flaw::Name => "elsewhere.example".to_owned(),
        _ => format!("r{receiver}.example"),
    };
    let mut params = CertificateParams::new(vec![name])?;
    params.serial_number = Some(SerialNumber::from(7_u64));
    params.distinguished_name = named("receiver");
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    let last_year = if flaw == Flaw::Expired { 2024 } else { 2040 };
    params.not_after = rcgen::date_time_ymd(last_year, 1, 1);
    let signer = if flaw == Flaw::Stranger {
        STRANGER
    } else {
        TRUSTED
    };
    let issuer = Issuer::new(authority(), key(signer)?);
    let signed = params.signed_by(&key(RECEIVER)?, &issuer)?;
    let own = PrivatePkcs8KeyDer::from(pkcs8(RECEIVER));
    Ok((signed.der().clone(), own.into()))
}

fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.serial_number = Some(SerialNumber::from(1_u64));
    params.distinguished_name = named("authority");
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2040, 1, 1);
    params
}

fn named(name: &str) -> DistinguishedName {
    let mut full = DistinguishedName::new();
    full.push(DnType::CommonName, name);
    full
}

fn key(seed: u8) -> Result<KeyPair, rcgen::Error> {
    let der = PrivatePkcs8KeyDer::from(pkcs8(seed));
    KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_ED25519)
}

fn pkcs8(seed: u8) -> Vec<u8> {
    let mut der = PKCS8_HEAD.to_vec();
    der.extend([seed; 32]);
    der
}
