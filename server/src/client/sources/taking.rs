//! How a source takes requests and answers them: what making one and changing one have in common.

use crate::client::ClientError;
use crate::client::spec::parsed;
use serde_json::{Map, Value, json};

#[derive(clap::Args)]
pub(super) struct Taking {
    /// What its provider is answered: JSON with `status`, `content_type` and `body`, `@FILE`, or `-`
    #[arg(long, value_name = "JSON")]
    answer: Option<String>,
    /// How it answers a provider that asks whether it is there: JSON, `@FILE`, or `-`
    #[arg(long, value_name = "JSON")]
    handshake: Option<String>,
    /// The largest body that it takes, in bytes, up to 25 MiB
    #[arg(long, value_name = "BYTES")]
    body_bytes_max: Option<u64>,
    /// Headers of its requests that its events keep, with commas between; none, if it is empty
    #[arg(long, value_name = "NAMES")]
    headers: Option<String>,
}

impl Taking {
    /// What is given of it, as fields of a request.
    pub(super) fn fields(&self) -> Result<Map<String, Value>, ClientError> {
        let mut fields = Map::new();
        if let Some(answer) = &self.answer {
            fields.insert("answer".to_owned(), parsed("--answer", answer)?);
        }
        if let Some(handshake) = &self.handshake {
            fields.insert("handshake".to_owned(), parsed("--handshake", handshake)?);
        }
        if let Some(bytes) = self.body_bytes_max {
            fields.insert("body_bytes_max".to_owned(), json!(bytes));
        }
        if let Some(names) = &self.headers {
            let names = names.split(',').map(str::trim);
            let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
            fields.insert("headers".to_owned(), json!(names));
        }
        Ok(fields)
    }
}
