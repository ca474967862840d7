//! Client certificates on the command line: two files, or none.

use super::http::Query;
use super::value::Fields;
use super::{Client, ClientError, Connection, show};
use crate::Answer;
use crate::input;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const PATH: [&str; 2] = ["v1", "client-certificate"];

// The certificate that an endpoint shows to receivers that ask for one.
#[derive(clap::Args)]
pub(crate) struct CertificateArgs {
    /// Show this certificate to receivers that ask for one: a PEM file, with the chain behind it
    #[arg(long, value_name = "FILE", requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// Its private key: a PEM file without a passphrase
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,
}

impl CertificateArgs {
    /// As a field of a request, if it is given.
    pub(crate) fn field(&self) -> Result<Option<Value>, ClientError> {
        match (&self.client_cert, &self.client_key) {
            (Some(certificate), Some(key)) => pair(certificate, key).map(Some),
            _ => Ok(None),
        }
    }
}

// The tenant's own: it is shown, unless something is to be done.
#[derive(clap::Args)]
pub(crate) struct TenantArgs {
    #[command(flatten)]
    set: CertificateArgs,
    /// Show none any more
    #[arg(long, conflicts_with_all = ["client_cert", "client_key"])]
    remove: bool,
}

impl TenantArgs {
    pub(crate) async fn answer(
        &self,
        client: &Client,
        show: &Connection,
    ) -> Result<Answer, ClientError> {
        if self.remove {
            client.delete(&PATH).await?;
            return Ok(show.done("removed", "client certificate"));
        }
        let reply = match self.set.field()? {
            None => client.get(&PATH, &Query::default()).await?,
            Some(pair) => {
                let mut body = Fields::default();
                for name in ["certificate", "private_key"] {
                    body.set(name, pair[name].clone());
                }
                client.put(&PATH, &body).await?
            }
        };
        Ok(show.answer(&reply, |it| show::fields(it, &["set_at", "private_key"])))
    }
}

fn pair(certificate: &Path, key: &Path) -> Result<Value, ClientError> {
    let text = |what: &'static str, path: &Path| {
        let bytes = input::file(path)?;
        String::from_utf8(bytes).map_err(|_| ClientError::Form {
            what,
            why: "give a PEM file".to_owned(),
        })
    };
    Ok(json!({
        "certificate": text("--client-cert", certificate)?,
        "private_key": text("--client-key", key)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        certificate: CertificateArgs,
    }

    #[test]
    fn a_certificate_comes_with_its_key() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let (certificate, key) = (file("a.crt", "C\n"), file("a.key", "K\n"));
        let parsed = |args: &[&str]| Line::try_parse_from([&["x"], args].concat());
        let both = ["--client-cert", &certificate, "--client-key", &key];
        let field = parsed(&both).unwrap().certificate.field().unwrap();
        let expected = json!({ "certificate": "C\n", "private_key": "K\n" });
        assert_eq!(field, Some(expected));
        assert_eq!(parsed(&[]).unwrap().certificate.field().unwrap(), None);
        assert!(parsed(&both[..2]).is_err() && parsed(&both[2..]).is_err());
    }
}
