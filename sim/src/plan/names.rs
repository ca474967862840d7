//! What faults and answers are called.

use super::{Answer, FaultKind};

impl FaultKind {
    /// Its name, as in the coverage matrix.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Kill { .. } => "kill",
            Self::PowerLoss { .. } => "power_loss",
            Self::DiskFull { .. } => "disk_full",
            Self::WriteError { .. } => "write_error",
            Self::ReadError { .. } => "read_error",
            Self::SlowDisk { .. } => "slow_disk",
            Self::WallJump { .. } => "wall_jump",
            Self::Storm { answer, .. } => answer.name(),
            Self::Latency { .. } => "latency",
            Self::ReceiverCrash { .. } => "receiver_crash",
            Self::LoseResponse => "lose_response",
            Self::DelayResponse { .. } => "delay_response",
            Self::ResetResponse => "reset_response",
            Self::Panic => "panic",
            Self::Forget => "forget",
            Self::RepeatOutcome => "repeat_outcome",
            Self::ClientWay { .. } => "client_way",
        }
    }
}

impl Answer {
    /// What a receiver that takes one request in so many milliseconds says to this one; `taken_ms`
    /// is when it has taken the last one.
    #[must_use]
    pub fn at(&self, taken_ms: &mut Option<u64>, at_ms: u64) -> Self {
        let Self::OneEvery(every_ms) = *self else {
            return self.clone();
        };
        let next_ms = taken_ms.map_or(0, |taken| taken.saturating_add(every_ms));
        if at_ms < next_ms {
            let wait_s = (next_ms - at_ms).div_ceil(1_000);
            return Self::RetryAfter(429, wait_s.to_string());
        }
        *taken_ms = Some(at_ms);
        Self::Status(200)
    }

    /// Its name, as in the coverage matrix.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Status(200..300) | Self::Untidy(200..300) => "ok",
            Self::Status(300..400) => "redirect",
            Self::Status(410) => "gone",
            Self::Status(429) | Self::RetryAfter(429, _) | Self::OneEvery(_) => "too_many_requests",
            Self::Status(400..500) | Self::RetryAfter(400..500, _) => "rejection",
            Self::Status(_) | Self::Untidy(_) => "server_error",
            Self::RetryAfter(..) => "retry_after",
            Self::Late(..) => "late",
            Self::Hang => "hang",
            Self::Drip(..) => "drip",
            Self::Reset => "reset",
            Self::ResetInBody(_) => "reset_in_body",
            Self::Malformed => "malformed",
            Self::EndlessHead => "endless_head",
            Self::EndlessBody(_) => "endless_body",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::NoName => "no_name",
            Self::PrivateAddress => "private_address",
            Self::BadTls => "bad_tls",
        }
    }
}
