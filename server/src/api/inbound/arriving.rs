//! A body, and whether it is signed: both as it comes.
//!
//! The HMACs are made part by part, so that the task of a large body does not stop for them at its end.
//! What the headers claim is looked at first: a request that cannot be right is given no more room than a
//! small one has.

use crate::api::extract::{read, read_by_parts};
use crate::api::problem::{Code, Problem};
use axum::body::Body;
use axum::http::HeaderMap;
use bytes::Bytes;
use postrider::signature::{Claim, Verified, Verifier, VerifyError};

/// What is read of a body whose headers are refused, in bytes: of a ping it is all.
const REFUSED_BYTES_MAX: usize = 256 << 10;

/// A body that has come.
pub(super) struct Arrived<'h> {
    pub(super) body: Bytes,
    /// Whether that is all of it: what is refused by its headers is not read to any length.
    pub(super) is_whole: bool,
    /// What was signed, or why that is refused, if it was judged as it came.
    pub(super) verified: Option<Result<Verified<'h>, VerifyError>>,
}

/// Reads a body of at most `most` bytes, and verifies it if there is a scheme for it: what is proven in
/// another way is judged whole.
pub(super) async fn arrived<'h>(
    verifier: Option<&Verifier>,
    headers: &'h HeaderMap,
    (body, most): (Body, usize),
    now_unix_seconds: u64,
) -> Result<Arrived<'h>, Problem> {
    let Some(verifier) = verifier else {
        return Ok(Arrived {
            body: read(body, most).await?,
            is_whole: true,
            verified: None,
        });
    };
    let claim = match verifier.read(lines(headers), now_unix_seconds) {
        Ok(claim) => claim,
        Err(error) => return refused(error, (body, most)).await,
    };
    let Some(mut hmacs) = verifier.begin_hmacs() else {
        // Another kind of signature, which needs the whole.
        let body = read(body, most).await?;
        let verified = verifier.verify(lines(headers), &body, now_unix_seconds);
        return Ok(Arrived {
            body,
            is_whole: true,
            verified: Some(verified),
        });
    };
    for part in claim.signed_prefix() {
        hmacs.update(part);
    }
    let body = read_by_parts(body, most, |part| hmacs.update(part)).await?;
    let verified = settled(verifier, claim, &hmacs.finish());
    Ok(Arrived {
        body,
        is_whole: true,
        verified: Some(verified),
    })
}

fn lines(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    let lines = headers.iter();
    lines.map(|(name, value)| (name.as_str(), value.as_bytes()))
}

/// What has come of a request whose headers are refused.
async fn refused<'h>(
    error: VerifyError,
    (body, most): (Body, usize),
) -> Result<Arrived<'h>, Problem> {
    let read = read(body, most.min(REFUSED_BYTES_MAX)).await;
    let (body, is_whole) = match read {
        Ok(body) => (body, true),
        Err(problem) if problem.is(Code::BodyTooLarge) => (Bytes::new(), false),
        Err(problem) => return Err(problem),
    };
    Ok(Arrived {
        body,
        is_whole,
        verified: Some(Err(error)),
    })
}

fn settled<'h>(
    verifier: &Verifier,
    claim: Claim<'h>,
    hmacs: &[[u8; 32]],
) -> Result<Verified<'h>, VerifyError> {
    let (timestamp, id) = (claim.timestamp(), claim.id());
    let key_index = verifier.settle(&claim.into_signatures(), hmacs)?;
    Ok(Verified {
        key_index,
        timestamp,
        id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::body::Frame;
    use postrider::Secret;
    use postrider::signature::{Message, Scheme, Signer};
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    #[tokio::test]
    async fn a_body_in_parts_is_verified_as_a_whole_one_is() {
        let secret = Secret::parse("a secret of the test").unwrap();
        for scheme in [Scheme::Stripe, Scheme::Github, Scheme::Slack] {
            let text = "x".repeat(100_000);
            let signer = Signer::new(scheme, std::slice::from_ref(&secret)).unwrap();
            let message = Message {
                id: "",
                timestamp: 1_700_000_000,
                body: text.as_bytes(),
            };
            let mut headers = HeaderMap::new();
            for header in signer.sign(&message).unwrap() {
                let name: axum::http::HeaderName = header.name.parse().unwrap();
                headers.insert(name, header.value.parse().unwrap());
            }
            let verifier = Verifier::new(scheme, std::slice::from_ref(&secret)).unwrap();
            for (sent, is_right) in [(text.clone(), true), (format!("{text} "), false)] {
                let body = Body::new(Parts(sent.clone().into()));
                let arrived = arrived(Some(&verifier), &headers, (body, 1 << 20), 1_700_000_000);
                let arrived = arrived.await.unwrap();
                assert_eq!(arrived.body, sent);
                assert_eq!(arrived.verified.unwrap().is_ok(), is_right, "{scheme}");
            }
        }
    }

    /// A body that comes in small parts.
    struct Parts(Bytes);

    impl hyper::body::Body for Parts {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            if self.0.is_empty() {
                return Poll::Ready(None);
            }
            let most = self.0.len().min(7_000);
            Poll::Ready(Some(Ok(Frame::data(self.0.split_to(most)))))
        }
    }
}
