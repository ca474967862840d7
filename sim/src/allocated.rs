//! What the program's allocator has given out, if the program counts it: that the engine's own
//! account of its memory is true is shown by what comes back when it is dropped.

use std::sync::OnceLock;

static COUNTER: OnceLock<fn() -> usize> = OnceLock::new();

/// From now on what engines held is weighed by this count of bytes, for programs that run one plan
/// at a time: bytes that other threads free meanwhile would be taken for the engine's.
pub fn count_by(bytes: fn() -> usize) {
    COUNTER.get_or_init(|| bytes);
}

/// Drops it, and says how many bytes that gives back, if somebody counts.
pub(crate) fn freed_by<T>(it: T) -> Option<usize> {
    let Some(bytes) = COUNTER.get() else {
        drop(it);
        return None;
    };
    let before = bytes();
    drop(it);
    Some(before.saturating_sub(bytes()))
}
