//! Certificates, good and bad.

use postrider::ClientIdentity;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, IsCa, Issuer,
    KeyPair, date_time_ymd,
};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ConfigBuilder, DEFAULT_VERSIONS, RootCertStore, ServerConfig, SupportedProtocolVersion,
    WantsVerifier, version,
};
use std::sync::Arc;

/// A certificate authority of one's own.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }

    /// Trusts this authority and no other.
    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        roots
    }

    /// Its certificate, as a file has it.
    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A certificate of this authority for a client, with its key.
    pub(crate) fn identity(&self, name: &str) -> ClientIdentity {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        ClientIdentity::new(certificate.pem(), key.serialize_pem())
    }

    /// A server that speaks TLS 1.2 at most.
    pub(crate) fn old_server(&self, host: &str) -> ServerConfig {
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let (chain, key) = self.signed(&params);
        let config = speaking(&[&version::TLS12]).with_no_client_auth();
        config.with_single_cert(chain, key.into()).unwrap()
    }

    /// A server that takes clients with a certificate of this authority only.
    pub(crate) fn demanding_server(&self, host: &str, of: &Self) -> ServerConfig {
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let (chain, key) = self.signed(&params);
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(of.roots()), provider);
        let config = speaking(DEFAULT_VERSIONS);
        let config = config.with_client_cert_verifier(verifier.build().unwrap());
        config.with_single_cert(chain, key.into()).unwrap()
    }

    /// A server whose certificate is that of an authority between, which it shows or does not show.
    pub(crate) fn server_of_another(&self, host: &str, is_complete: bool) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "an authority between");
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let between = Self {
            issuer: Issuer::new(params, key),
            certificate,
        };
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let (mut chain, key) = between.signed(&params);
        if is_complete {
            chain.push(between.certificate.der().clone());
        }
        let config = speaking(DEFAULT_VERSIONS).with_no_client_auth();
        config.with_single_cert(chain, key.into()).unwrap()
    }

    /// A server with a good certificate for this host, speaking this protocol.
    pub(crate) fn server(&self, host: &str, alpn: &str) -> ServerConfig {
        self.sign(
            &CertificateParams::new(vec![host.to_owned()]).unwrap(),
            alpn,
        )
    }

    /// A server whose certificate has expired.
    pub(crate) fn expired(&self, host: &str) -> ServerConfig {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
        self.sign(&params, "http/1.1")
    }

    fn sign(&self, params: &CertificateParams, alpn: &str) -> ServerConfig {
        let (chain, key) = self.signed(params);
        let config = speaking(DEFAULT_VERSIONS).with_no_client_auth();
        let mut config = config.with_single_cert(chain, key.into()).unwrap();
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        config
    }

    fn signed(
        &self,
        params: &CertificateParams,
    ) -> (Vec<CertificateDer<'static>>, PrivatePkcs8KeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        (
            vec![certificate],
            PrivatePkcs8KeyDer::from(key.serialize_der()),
        )
    }
}

fn speaking(
    versions: &[&'static SupportedProtocolVersion],
) -> ConfigBuilder<ServerConfig, WantsVerifier> {
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
}
