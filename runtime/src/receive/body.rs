//! Reading the body of a request, as far as it may go.

use super::Refusal;
use axum_core::BoxError;
use bytes::{Buf as _, BufMut as _, Bytes};
use http_body_util::BodyExt as _;
use hyper::body::Body;
use std::pin::pin;

/// Reads a body to its end, or until it is longer than allowed. One that says beforehand that it
/// will be is not read at all. Trailers are thrown away.
pub(super) async fn read<B>(body: B, body_bytes_max: usize) -> Result<Bytes, Refusal>
where
    B: Body<Error: Into<BoxError>>,
{
    let too_large = || Refusal::BodyTooLarge { body_bytes_max };
    // A server knows it from `Content-Length`.
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > body_bytes_max {
        return Err(too_large());
    }
    let mut body = pin!(body);
    // One buffer, not a list of frames: a frame of one byte costs many. It grows with what has
    // come, not with what is announced: an announcement costs the sender nothing.
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Refusal::BodyUnreadable(error.into()))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if data.remaining() > body_bytes_max - bytes.len() {
            return Err(too_large());
        }
        bytes.put(data);
    }
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::body::{Frame, SizeHint};
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    /// A body of three bytes a frame that never ends, and counts what was taken from it.
    struct Endless<'t> {
        taken: &'t mut usize,
        announced: u64,
    }

    impl Body for Endless<'_> {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            *self.taken += 3;
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"abc")))))
        }

        fn size_hint(&self) -> SizeHint {
            let mut hint = SizeHint::new();
            hint.set_lower(self.announced);
            hint
        }
    }

    /// How much of such a body is read before it is refused.
    async fn taken(announced: u64, body_bytes_max: usize) -> usize {
        let mut taken = 0;
        let body = Endless {
            taken: &mut taken,
            announced,
        };
        let refusal = read(body, body_bytes_max).await.unwrap_err();
        assert_eq!(refusal.code(), "BODY_TOO_LARGE");
        taken
    }

    #[tokio::test]
    async fn what_is_announced_too_long_is_not_read() {
        assert_eq!(taken(11, 10).await, 0);
        assert_eq!(taken(u64::MAX, 10).await, 0);
    }

    #[tokio::test]
    async fn reading_stops_at_the_bound() {
        assert_eq!(taken(0, 10).await, 12);
        assert_eq!(taken(10, 9).await, 0);
        assert_eq!(taken(9, 9).await, 12);
        assert_eq!(taken(0, 0).await, 3);
    }
}
