//! Typed ids: a prefix, an underscore, and a UUIDv7 in 26 base-32 characters.
//!
//! The form is TypeID 0.3 (<https://github.com/jetify-com/typeid>), the number a UUIDv7
//! (RFC 9562, section 5.7). Time and randomness are injected: the same seed gives the same ids.

use crate::time::Wall;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::fmt;
use std::str::FromStr;

/// Crockford's base 32 in lower case, as TypeID orders it.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Characters after the underscore: 128 bits, five each, the first character at most `7`.
const SUFFIX_CHARS: usize = 26;

/// Why a text is not the id that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not an id of this kind: expected `{prefix}_` and 26 characters of 0-9 a-z without i l o u"
)]
pub struct InvalidId {
    /// The prefix that the id must have.
    pub prefix: &'static str,
    /// The text, cut to 64 characters.
    pub text: String,
}

macro_rules! typed_id {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// The text before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// The id with this UUID.
            #[must_use]
            pub const fn from_u128(uuid: u128) -> Self {
                Self(uuid)
            }

            /// The UUID.
            #[must_use]
            pub const fn as_u128(self) -> u128 {
                self.0
            }

            /// The smallest id that can be made at this time: those made before it are smaller.
            #[must_use]
            pub const fn first_at(wall: Wall) -> Self {
                Self(((wall.0 & 0xffff_ffff_ffff) as u128) << 80)
            }

            /// The id made at this time from the lowest 74 bits of this random number, for a host
            /// that makes ids beside the core. The core itself makes its own.
            #[must_use]
            pub const fn from_parts(wall: Wall, random: u128) -> Self {
                Self(version_7(wall.0, random))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let suffix = encode(self.0);
                f.write_str(concat!($prefix, "_"))?;
                f.write_str(std::str::from_utf8(&suffix).map_err(|_| fmt::Error)?)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix(concat!($prefix, "_")).and_then(decode).map(Self).ok_or_else(|| {
                    InvalidId { prefix: $prefix, text: text.chars().take(64).collect() }
                })
            }
        }
    )*};
}

typed_id! {
    /// An endpoint: `ep_…`.
    EndpointId = "ep";
    /// An event: `evt_…`.
    EventId = "evt";
    /// A delivery of one event to one endpoint: `dlv_…`.
    DeliveryId = "dlv";
    /// One HTTP request of a delivery: `att_…`.
    AttemptId = "att";
    /// A replay of many deliveries: `rpl_…`.
    ReplayId = "rpl";
    /// A key of an API over the engine: `key_…`.
    KeyId = "key";
    /// A tenant of an API over the engine: `tnt_…`. Its text is the [`crate::TenantId`] under which
    /// the engine keeps what that tenant has: of two tenants that had one name, each has its own.
    TenantUid = "tnt";
    /// A place that webhooks come in from: `src_…`.
    SourceId = "src";
    /// An entry of the log of who did what: `aud_…`.
    NoteId = "aud";
    /// A link to the portal of a tenant: `plk_…`.
    PortalLinkId = "plk";
}

fn encode(uuid: u128) -> [u8; SUFFIX_CHARS] {
    let mut suffix = [0; SUFFIX_CHARS];
    for (place, character) in suffix.iter_mut().enumerate() {
        let digit = (uuid >> (5 * (SUFFIX_CHARS - 1 - place))) & 31;
        *character = ALPHABET[digit as usize];
    }
    suffix
}

fn decode(suffix: &str) -> Option<u128> {
    if suffix.len() != SUFFIX_CHARS || suffix.as_bytes()[0] > b'7' {
        return None;
    }
    suffix.bytes().try_fold(0, |uuid: u128, character| {
        let digit = ALPHABET.iter().position(|known| *known == character)?;
        Some((uuid << 5) | digit as u128)
    })
}

/// The message id of several events that go together: `bat_…`, made of their digest.
pub(crate) fn of_batch(digest: [u8; 32]) -> String {
    let number = digest.iter().take(16);
    let number = number.fold(0, |number: u128, byte| (number << 8) | u128::from(*byte));
    let suffix = encode(number);
    format!("bat_{}", suffix.map(char::from).iter().collect::<String>())
}

/// The name of a lane for its receiver: 80 bits of its digest.
pub(crate) fn of_lane(digest: [u8; 32]) -> String {
    let number = digest.iter().take(16);
    let number = number.fold(0, |number: u128, byte| (number << 8) | u128::from(*byte));
    let suffix = encode(number).into_iter().skip(SUFFIX_CHARS - 16);
    suffix.map(char::from).collect()
}

/// The random bits of a UUIDv7: 12 after the version, 62 after the variant.
const RANDOM_BITS: u32 = 74;

/// A UUIDv7 (RFC 9562, section 5.7): the lowest 48 bits of the milliseconds, the lowest 74 of the
/// random number.
const fn version_7(unix_ms: u64, random: u128) -> u128 {
    let time = ((unix_ms & 0xffff_ffff_ffff) as u128) << 80;
    let high = ((random >> 62) & 0xfff) << 64;
    let low = random & ((1 << 62) - 1);
    time | (0x7 << 76) | high | (0b10 << 62) | low
}

/// The engine's only source of chance: ids, jitter, generated secrets.
pub(crate) struct Chance {
    stream: ChaCha12Rng,
    last_ms: u64,
    last_random: u128,
}

impl Chance {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self {
            stream: ChaCha12Rng::from_seed(seed),
            last_ms: 0,
            last_random: 0,
        }
    }

    /// A UUIDv7 greater than every one before it, even within a millisecond or when the calendar
    /// goes back (RFC 9562, section 6.2, method 2: a random step from the last one).
    fn uuid(&mut self, wall: Wall) -> u128 {
        const MASK: u128 = (1 << RANDOM_BITS) - 1;
        if wall.0 > self.last_ms {
            self.last_ms = wall.0;
            self.last_random = ((u128::from(self.stream.next_u64()) << 64)
                | u128::from(self.stream.next_u64()))
                & (MASK >> 1);
        } else {
            self.last_random += 1 + u128::from(self.stream.next_u32());
            if self.last_random > MASK {
                self.last_random &= MASK >> 1;
                self.last_ms += 1;
            }
        }
        version_7(self.last_ms, self.last_random)
    }

    pub(crate) fn endpoint_id(&mut self, wall: Wall) -> EndpointId {
        EndpointId(self.uuid(wall))
    }

    pub(crate) fn event_id(&mut self, wall: Wall) -> EventId {
        EventId(self.uuid(wall))
    }

    pub(crate) fn delivery_id(&mut self, wall: Wall) -> DeliveryId {
        DeliveryId(self.uuid(wall))
    }

    pub(crate) fn attempt_id(&mut self, wall: Wall) -> AttemptId {
        AttemptId(self.uuid(wall))
    }

    /// 32 random bytes, for a generated secret.
    pub(crate) fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.stream.fill_bytes(&mut bytes);
        bytes
    }

    /// A number from `0` to `most`, both included.
    pub(crate) fn up_to(&mut self, most: u64) -> u64 {
        // Multiply-shift: its bias is below one in 2^64 / most, far under what a delay can show.
        ((u128::from(self.stream.next_u64()) * (u128::from(most) + 1)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_it_was_written() {
        let mut chance = Chance::new([7; 32]);
        let id = chance.event_id(Wall(1_700_000_000_000));
        assert_eq!(id.to_string().parse::<EventId>(), Ok(id));
        assert!(id.to_string().starts_with("evt_01"));
        assert_eq!(id.to_string().len(), 30);
    }

    #[test]
    fn the_number_is_a_version_7_uuid_of_the_given_time() {
        let id = Chance::new([1; 32])
            .event_id(Wall(0x0123_4567_89ab))
            .as_u128();
        assert_eq!(id >> 80, 0x0123_4567_89ab);
        assert_eq!((id >> 76) & 0xf, 7);
        assert_eq!((id >> 62) & 0b11, 0b10);
    }

    #[test]
    fn an_id_from_parts_has_the_form_of_every_other_one() {
        for random in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef] {
            let id = EventId::from_parts(Wall(0x0123_4567_89ab), random).as_u128();
            assert_eq!(id >> 80, 0x0123_4567_89ab);
            assert_eq!((id >> 76) & 0xf, 7);
            assert_eq!((id >> 62) & 0b11, 0b10);
            let kept = ((id >> 64) & 0xfff) << 62 | (id & ((1 << 62) - 1));
            assert_eq!(kept, random & ((1 << RANDOM_BITS) - 1));
        }
    }

    #[test]
    fn ids_grow_within_a_millisecond_and_when_the_calendar_goes_back() {
        let mut chance = Chance::new([2; 32]);
        let mut last = chance.event_id(Wall(5_000));
        for wall in [5_000, 5_000, 4_000, 1, 5_000, 5_001] {
            let next = chance.event_id(Wall(wall));
            assert!(next > last);
            last = next;
        }
    }

    #[test]
    fn a_foreign_prefix_a_bad_character_and_an_overflow_are_refused() {
        for text in [
            "dlv_01h455vb4pex5vsknk084sn02q",
            "evt_01h455vb4pex5vsknk084sn02",
            "evt_01h455vb4pex5vsknk084sn02u",
            "evt_81h455vb4pex5vsknk084sn02q",
            "evt_01H455VB4PEX5VSKNK084SN02Q",
            "evt_é1h455vb4pex5vsknk084sn02",
            "",
        ] {
            assert!(text.parse::<EventId>().is_err(), "{text}");
        }
        assert!("evt_01h455vb4pex5vsknk084sn02q".parse::<EventId>().is_ok());
    }
}
