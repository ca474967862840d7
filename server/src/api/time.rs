//! Times as they travel: RFC 3339, in UTC, with milliseconds.

use jiff::Timestamp;
use postrider::Wall;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::ToSchema;

/// A time: `2026-11-22T21:06:27.123Z` (RFC 3339).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-11-22T21:06:27.123Z")]
pub(crate) struct Time(pub(crate) Wall);

impl From<Wall> for Time {
    fn from(wall: Wall) -> Self {
        Self(wall)
    }
}

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = i64::try_from(self.0.0).unwrap_or(i64::MAX);
        // The calendar of an engine does not run to the year 10,000.
        let time = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
        write!(f, "{time:.3}")
    }
}

impl std::str::FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || "expected a time as in RFC 3339, such as 2026-11-22T21:06:27Z".to_owned();
        let time: Timestamp = text.parse().map_err(|_| refused())?;
        // Nothing happened here before 1970.
        let ms = u64::try_from(time.as_millisecond()).unwrap_or(0);
        Ok(Self(Wall(ms)))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_back_as_it_was_written() {
        let time = Time(Wall(1_795_380_387_123));
        assert_eq!(time.to_string().parse(), Ok(time));
        assert_eq!(Time(Wall(0)).to_string(), "1970-01-01T00:00:00.000Z");
        assert!("yesterday".parse::<Time>().is_err());
        assert_eq!("1969-01-01T00:00:00Z".parse(), Ok(Time(Wall(0))));
    }
}
