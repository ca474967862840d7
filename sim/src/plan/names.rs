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
    /// Its name, as in the coverage matrix.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Status(200..300) => "ok",
            Self::Status(300..400) => "redirect",
            Self::Status(410) => "gone",
            Self::Status(429) | Self::RetryAfter(429, _) => "too_many_requests",
            Self::Status(400..500) | Self::RetryAfter(400..500, _) => "rejection",
            Self::Status(_) => "server_error",
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
