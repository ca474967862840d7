//! What JavaScript has written: options, and the headers of a request.

use postrider_signature::{HeaderNames, Scheme, Secret, SecretError, Verifier};

/// Bytes that are read from their beginning.
pub(crate) struct Bytes<'i>(pub(crate) &'i [u8]);

impl<'i> Bytes<'i> {
    pub(crate) fn take(&mut self, length: usize) -> Option<&'i [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number of four bytes, the least one first.
    fn number(&mut self) -> Option<usize> {
        let bytes = self.take(4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    }

    /// A text after its length in bytes.
    pub(crate) fn text(&mut self) -> Option<&'i str> {
        let length = self.number()?;
        core::str::from_utf8(self.take(length)?).ok()
    }
}

/// The options of a verifier or a signer.
pub(crate) struct Options<'i> {
    pub(crate) scheme: Scheme,
    names: [&'i str; 4],
    secrets: Vec<&'i str>,
}

impl<'i> Options<'i> {
    /// Reads, as texts: the scheme; the names of the headers of the id, the timestamp, the
    /// signature and the second signature, empty for the scheme's own; then the secrets.
    pub(crate) fn read(bytes: &mut Bytes<'i>) -> Option<Self> {
        let scheme = bytes.text()?.parse().ok()?;
        let mut names = [""; 4];
        for name in &mut names {
            *name = bytes.text()?;
        }
        let mut secrets = Vec::new();
        for _ in 0..bytes.number()? {
            secrets.push(bytes.text()?);
        }
        Some(Self {
            scheme,
            names,
            secrets,
        })
    }

    pub(crate) fn names(&self) -> HeaderNames {
        let name = |index: usize| {
            let name: &str = self.names[index];
            (!name.is_empty()).then(|| name.to_owned())
        };
        HeaderNames {
            id: name(0),
            timestamp: name(1),
            signature: name(2),
            body_signature: name(3),
        }
    }

    pub(crate) fn secrets(&self) -> Result<Vec<Secret>, SecretError> {
        let mut secrets = Vec::with_capacity(self.secrets.len());
        for text in &self.secrets {
            secrets.push(Secret::parse(*text)?);
        }
        Ok(secrets)
    }
}

/// The record of a header with a name of its own.
const OTHER: u8 = 3;

/// The headers of a request, as records: one byte that tells which header it is (0 that of the id,
/// 1 that of the timestamp, 2 that of the signature, 3 another one, whose name follows after its
/// length in one byte), the length of the value in two bytes, the least one first, and the value.
#[derive(Clone)]
pub(crate) struct Headers<'i> {
    bytes: &'i [u8],
    own: [&'i str; 3],
}

impl<'i> Headers<'i> {
    pub(crate) fn new(verifier: &'i Verifier, bytes: &'i [u8]) -> Self {
        let (id, timestamp, signature) = verifier.looks_at();
        let own = [
            id.unwrap_or_default(),
            timestamp.unwrap_or_default(),
            signature,
        ];
        Self { bytes, own }
    }

    fn record(bytes: &mut Bytes<'i>, own: [&'i str; 3]) -> Option<(&'i str, &'i [u8])> {
        let [kind] = bytes.take(1)? else { return None };
        let name = if *kind == OTHER {
            let [length] = bytes.take(1)? else {
                return None;
            };
            core::str::from_utf8(bytes.take(usize::from(*length))?).ok()?
        } else {
            own.get(usize::from(*kind))?
        };
        let length = u16::from_le_bytes(bytes.take(2)?.try_into().ok()?);
        Some((name, bytes.take(usize::from(length))?))
    }
}

impl<'i> Iterator for Headers<'i> {
    type Item = (&'i str, &'i [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let mut bytes = Bytes(self.bytes);
        let record = Self::record(&mut bytes, self.own);
        self.bytes = bytes.0;
        record
    }
}
