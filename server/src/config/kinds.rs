//! What the text of a setting can be, and what is said to do where it is not that.

use postrider::egress::EgressGuard;
use postrider_server::{FrameOrigins, Networks, PublicUrl};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

/// A value that is written as text.
pub(super) trait Kind: Sized {
    /// Reads it, or says how to write it.
    fn read(text: &str) -> Result<Self, String>;
}

impl Kind for bool {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("write true or false".to_owned()),
        }
    }
}

impl Kind for u32 {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| whole_number(0, Self::MAX.into()))
    }
}

impl Kind for NonZeroU32 {
    fn read(text: &str) -> Result<Self, String> {
        let most = u64::from(u32::MAX);
        text.parse().map_err(|_| whole_number(1, most))
    }
}

impl Kind for u64 {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| whole_number(0, Self::MAX))
    }
}

/// A number that is no larger than this.
pub(super) fn at_most(text: &str, most: u64) -> Result<u64, String> {
    let number = text.parse::<u64>().ok().filter(|number| *number <= most);
    number.ok_or_else(|| whole_number(0, most))
}

fn whole_number(least: u64, most: u64) -> String {
    format!("write a whole number from {least} to {most}, in digits alone")
}

impl Kind for SocketAddr {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| {
            "write an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080".to_owned()
        })
    }
}

impl Kind for PathBuf {
    fn read(text: &str) -> Result<Self, String> {
        match text.is_empty() {
            true => Err("name a directory".to_owned()),
            false => Ok(text.into()),
        }
    }
}

impl Kind for EgressGuard {
    fn read(text: &str) -> Result<Self, String> {
        text.parse::<Self>().map_err(|error| error.to_string())
    }
}

impl Kind for Networks {
    fn read(text: &str) -> Result<Self, String> {
        text.parse::<Self>().map_err(|error| error.to_string())
    }
}

impl Kind for PublicUrl {
    fn read(text: &str) -> Result<Self, String> {
        text.parse::<Self>().map_err(|error| error.to_string())
    }
}

impl Kind for FrameOrigins {
    fn read(text: &str) -> Result<Self, String> {
        text.parse::<Self>().map_err(|error| error.to_string())
    }
}
