//! What the module remembers between calls, and what each call does.

use crate::input::{Bytes, Headers, Options};
use core::cell::RefCell;
use postrider_signature::{
    HeaderNameError, HeaderNames, Hmacs, KeyError, KeyProblem, SecretError, Signatures, Verifier,
    VerifyError,
};

thread_local! {
    pub(crate) static STATE: RefCell<State> = const { RefCell::new(State::new()) };
}

/// An error as JavaScript gets it: a number below zero. `js/errors.ts` has the same lists.
#[derive(Clone, Copy)]
pub(crate) struct Refusal(pub(crate) i32);

/// The arguments are not what they must be: a fault of the JavaScript beside this module.
pub(crate) const MISUSE: Refusal = Refusal(-100);

pub(crate) struct State {
    input: Vec<u8>,
    pub(crate) output: Vec<u8>,
    verifiers: Vec<Option<Verifier>>,
    /// Of the request that was read and not settled yet.
    signatures: Option<Signatures>,
    /// Of its body, as far as it has come.
    hmacs: Option<Hmacs>,
}

impl State {
    const fn new() -> Self {
        Self {
            input: Vec::new(),
            output: Vec::new(),
            verifiers: Vec::new(),
            signatures: None,
            hmacs: None,
        }
    }

    pub(crate) fn input(&mut self, length: usize) -> usize {
        if self.input.len() < length {
            self.input = vec![0; length.next_power_of_two()];
        }
        self.input.as_ptr().addr()
    }

    pub(crate) fn written(&self, length: usize) -> &[u8] {
        self.input.get(..length).unwrap_or_default()
    }

    pub(crate) fn prepare(&mut self, length: usize) -> i32 {
        let made = verifier(self.written(length));
        self.input.fill(0); // of the secrets
        let verifier = match made {
            Ok(verifier) => verifier,
            Err(refusal) => return refusal.0,
        };
        let free = self.verifiers.iter().position(Option::is_none);
        let handle = free.unwrap_or_else(|| {
            self.verifiers.push(None);
            self.verifiers.len() - 1
        });
        self.verifiers[handle] = Some(verifier);
        count(handle)
    }

    pub(crate) fn release(&mut self, handle: usize) -> i32 {
        if let Some(verifier) = self.verifiers.get_mut(handle) {
            *verifier = None;
        }
        0
    }

    pub(crate) fn verifier(&self, handle: usize) -> Option<&Verifier> {
        self.verifiers.get(handle)?.as_ref()
    }

    pub(crate) fn names(&mut self, handle: usize) -> i32 {
        let Some(verifier) = self.verifier(handle) else {
            return MISUSE.0;
        };
        let (id, timestamp, signature) = verifier.looks_at();
        let mut names = Vec::new();
        for name in [id, timestamp, Some(signature)] {
            names.extend_from_slice(name.unwrap_or_default().as_bytes());
            names.push(b'\n');
        }
        if verifier.scheme().holds_one_signature() {
            names.extend_from_slice(signature.as_bytes());
            names.extend_from_slice(HeaderNames::NEXT.as_bytes());
        }
        self.output = names;
        count(self.output.len())
    }

    pub(crate) fn verify(&mut self, handle: usize, headers: usize, body: usize, now: f64) -> i32 {
        let written = self.input.get(..headers + body);
        let (Some(verifier), Some(written)) = (self.verifier(handle), written) else {
            return MISUSE.0;
        };
        let (headers, body) = written.split_at(headers);
        match verifier.verify(Headers::new(verifier, headers), body, seconds(now)) {
            Ok(verified) => {
                let (key_index, timestamp) = (verified.key_index, verified.timestamp);
                self.output.clear();
                self.output.extend_from_slice(&seconds_to_bytes(timestamp));
                count(key_index)
            }
            Err(error) => refusal(&error).0,
        }
    }

    pub(crate) fn read(&mut self, handle: usize, headers: usize, now: f64) -> i32 {
        let verifier = self.verifiers.get(handle).and_then(Option::as_ref);
        let (Some(verifier), Some(headers)) = (verifier, self.input.get(..headers)) else {
            return MISUSE.0;
        };
        match verifier.read(Headers::new(verifier, headers), seconds(now)) {
            Ok(claim) => {
                let output = &mut self.output;
                output.clear();
                output.extend_from_slice(&seconds_to_bytes(claim.timestamp()));
                for piece in claim.signed_prefix() {
                    output.extend_from_slice(piece);
                }
                self.signatures = Some(claim.into_signatures());
                self.hmacs = None;
                count(self.output.len())
            }
            Err(error) => refusal(&error).0,
        }
    }

    pub(crate) fn update(&mut self, handle: usize, length: usize) -> i32 {
        if self.hmacs.is_none() {
            self.hmacs = self.verifier(handle).and_then(Verifier::begin_hmacs);
        }
        match (&mut self.hmacs, self.input.get(..length)) {
            (Some(hmacs), Some(part)) => hmacs.update(part),
            _ => return MISUSE.0,
        }
        0
    }

    pub(crate) fn settle(&mut self, handle: usize, hmacs: usize) -> i32 {
        let (signatures, made) = (self.signatures.take(), self.hmacs.take());
        let (Some(verifier), Some(signatures)) = (self.verifier(handle), signatures) else {
            return MISUSE.0;
        };
        let settled = match made {
            Some(made) => verifier.settle(&signatures, &made.finish()),
            None => verifier.settle(&signatures, self.written(hmacs * 32).as_chunks().0),
        };
        match settled {
            Ok(key_index) => count(key_index),
            Err(error) => refusal(&error).0,
        }
    }

    pub(crate) fn key(&mut self, handle: usize, index: usize) -> i32 {
        let verifier = self.verifier(handle);
        match verifier.and_then(|verifier| verifier.hmac_key(index)) {
            Some(key) => {
                self.output = key.to_vec();
                count(self.output.len())
            }
            None => -1,
        }
    }
}

/// As JavaScript reads it: not a number for none.
fn seconds_to_bytes(timestamp: Option<u64>) -> [u8; 8] {
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds beyond 2^53 are no time that anyone lives in"
    )]
    let timestamp = timestamp.map_or(f64::NAN, |timestamp| timestamp as f64);
    timestamp.to_le_bytes()
}

fn verifier(written: &[u8]) -> Result<Verifier, Refusal> {
    let mut bytes = Bytes(written);
    let tolerance = bytes.take(8).and_then(|bytes| bytes.try_into().ok());
    let tolerance = seconds(f64::from_le_bytes(tolerance.ok_or(MISUSE)?));
    let options = Options::read(&mut bytes).ok_or(MISUSE)?;
    let secrets = options.secrets()?;
    let verifier = Verifier::new(options.scheme, &secrets)?;
    let verifier = verifier.header_names(&options.names())?;
    Ok(verifier.tolerance_seconds(tolerance))
}

/// Whole seconds; what is infinite is for ever.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast keeps to the bounds, and what is less than a second is not judged"
)]
pub(crate) fn seconds(number: f64) -> u64 {
    number as u64
}

pub(crate) fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(MISUSE.0)
}

/// From -1 on, in the order of `errors.ts`.
pub(crate) fn refusal(error: &VerifyError) -> Refusal {
    Refusal(match error {
        VerifyError::MissingHeader { .. } => -1,
        VerifyError::MalformedHeader { .. } => -2,
        VerifyError::MalformedTimestamp { .. } => -3,
        VerifyError::MalformedSignature { .. } => -4,
        VerifyError::TimestampTooOld { .. } => -5,
        VerifyError::TimestampTooNew { .. } => -6,
        VerifyError::NoMatch { .. } => -7,
    })
}

impl From<SecretError> for Refusal {
    fn from(error: SecretError) -> Self {
        Self(match error {
            SecretError::Empty => -20,
            SecretError::OnlyPrefix { .. } => -21,
        })
    }
}

impl From<KeyError> for Refusal {
    fn from(error: KeyError) -> Self {
        Self(match error {
            KeyError::NoSecret => -22,
            KeyError::TooManySecrets { .. } => -23,
            KeyError::Unusable { problem, .. } => match problem {
                KeyProblem::Base64 { .. } => -24,
                KeyProblem::SigningKeyLength { .. } | KeyProblem::VerifyingKeyLength { .. } => -25,
                KeyProblem::KeyPairMismatch | KeyProblem::UnsoundVerifyingKey => -26,
                KeyProblem::NoEd25519Form { .. } => -27,
                KeyProblem::NoEd25519 => -28,
                KeyProblem::CannotSign | KeyProblem::NotEd25519 => -29,
            },
        })
    }
}

impl From<HeaderNameError> for Refusal {
    fn from(error: HeaderNameError) -> Self {
        Self(match error {
            HeaderNameError::Malformed { .. } => -30,
            HeaderNameError::Repeated { .. } => -31,
            HeaderNameError::Unused { .. } => -32,
        })
    }
}
