//! What the full module has and the core has not: texts, likely causes, and signing.

use crate::input::{Bytes, Headers, Options};
use crate::state::{MISUSE, State, count, seconds};
use postrider_signature::{Message, SignedHeader, Signer, Verifier};
use std::error::Error;

impl State {
    pub(crate) fn problem(&mut self, length: usize) -> i32 {
        let problem = problem(self.written(length)).err();
        self.answer(problem.map_or_else(String::new, |error| error.to_string()))
    }

    pub(crate) fn explain(&mut self, handle: usize, headers: usize, body: usize, now: f64) -> i32 {
        let text = self.verifier(handle).and_then(|verifier| {
            let written = self.written(headers + body);
            let (headers, body) = written.split_at_checked(headers)?;
            let headers = Headers::new(verifier, headers);
            explain(verifier, headers, body, seconds(now))
        });
        match text {
            Some(text) => self.answer(text),
            None => MISUSE.0,
        }
    }

    pub(crate) fn sign(&mut self, length: usize) -> i32 {
        let text = sign(self.written(length));
        self.answer(text.unwrap_or_else(|error| format!("!{error}")))
    }

    fn answer(&mut self, text: String) -> i32 {
        self.output = text.into_bytes();
        count(self.output.len())
    }
}

fn options<'i>(bytes: &mut Bytes<'i>) -> Result<Options<'i>, Box<dyn Error>> {
    Ok(Options::read(bytes).ok_or("the options cannot be read")?)
}

fn problem(written: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut bytes = Bytes(written);
    bytes.take(8); // the tolerance
    let options = options(&mut bytes)?;
    Verifier::new(options.scheme, &options.secrets()?)?.header_names(&options.names())?;
    Ok(())
}

fn explain(verifier: &Verifier, headers: Headers<'_>, body: &[u8], now: u64) -> Option<String> {
    let error = verifier.verify(headers.clone(), body, now).err()?;
    let cause = verifier.explain(headers, body, now);
    let cause = cause.map_or_else(String::new, |cause| cause.to_string());
    Some(format!("{error}\n{cause}"))
}

fn sign(written: &[u8]) -> Result<String, Box<dyn Error>> {
    let mut bytes = Bytes(written);
    let options = options(&mut bytes)?;
    let short = "the message cannot be read";
    let (id, timestamp) = (bytes.text().ok_or(short)?, bytes.text().ok_or(short)?);
    let signer =
        Signer::new(options.scheme, &options.secrets()?)?.header_names(&options.names())?;
    let headers = signer.sign(&Message {
        id,
        timestamp: timestamp.parse()?,
        body: bytes.0,
    })?;
    let line = |header: &SignedHeader<'_>| format!("{} {}\n", header.name, header.value);
    Ok(headers.iter().map(line).collect())
}
