//! Instants as the wire writes them, and `Now`, the time that enters with every event.

use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The moment an event is handled. Logic takes it as a parameter and never reads a clock itself,
/// so that weeks can be simulated in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Wall clock, nanoseconds since 1970 (UTC). May step backwards.
    pub wall: Time,
    /// Monotonic milliseconds since the process started. Never steps.
    pub mono_ms: u64,
}

impl Now {
    /// Reads both clocks; only the shells (`app`, the pollers, tests) call this.
    pub fn read(started: Instant) -> Now {
        Now { wall: Time::from_system(SystemTime::now()), mono_ms: started.elapsed().as_millis() as u64 }
    }
    /// A moment of a simulation: `ms` since 1970 on both clocks.
    pub fn simulated(ms: i64) -> Now {
        Now { wall: Time::from_millis(ms), mono_ms: ms.max(0) as u64 }
    }
    /// Whole seconds since 1970.
    pub fn unix_secs(&self) -> i64 {
        self.wall.unix_secs()
    }
    /// Milliseconds since 1970.
    pub fn unix_millis(&self) -> i64 {
        self.wall.unix_millis()
    }
    /// This moment plus a duration, on both clocks.
    pub fn plus(&self, by: Duration) -> Now {
        Now {
            wall: Time(self.wall.0.saturating_add(by.as_nanos() as i64)),
            mono_ms: self.mono_ms.saturating_add(by.as_millis() as u64),
        }
    }
}

/// A wall-clock instant: nanoseconds since 1970 UTC, written as RFC 3339 in the server's own zone
/// with trailing zeros of the fraction trimmed. `Time::UNSET` is written `0001-01-01T00:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

impl Default for Time {
    fn default() -> Self {
        Time::UNSET
    }
}

impl Time {
    /// "No such moment": what the wire shows for optional times that are not known.
    pub const UNSET: Time = Time(i64::MIN);

    pub fn from_system(t: SystemTime) -> Time {
        match t.duration_since(UNIX_EPOCH) {
            Ok(d) => Time(i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)),
            Err(_) => Time(0),
        }
    }
    pub fn from_unix(secs: i64) -> Time {
        Time(secs.saturating_mul(1_000_000_000))
    }
    pub fn from_millis(ms: i64) -> Time {
        Time(ms.saturating_mul(1_000_000))
    }
    pub fn is_set(self) -> bool {
        self != Time::UNSET
    }
    /// Whole seconds since 1970; 0 when unset.
    pub fn unix_secs(self) -> i64 {
        if self.is_set() { self.0.div_euclid(1_000_000_000) } else { 0 }
    }
    /// Milliseconds since 1970; 0 when unset.
    pub fn unix_millis(self) -> i64 {
        if self.is_set() { self.0.div_euclid(1_000_000) } else { 0 }
    }
    /// Time from `earlier` to here, zero when it lies in the future or either is unset.
    pub fn since(self, earlier: Time) -> Duration {
        if !self.is_set() || !earlier.is_set() {
            return Duration::ZERO;
        }
        Duration::from_nanos(self.0.saturating_sub(earlier.0).max(0) as u64)
    }
    pub fn plus(self, by: Duration) -> Time {
        if self.is_set() { Time(self.0.saturating_add(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX))) } else { self }
    }
    /// RFC 3339 in the given zone.
    pub fn rfc3339_in(self, zone: &TimeZone) -> String {
        let Ok(ts) = Timestamp::from_nanosecond(i128::from(self.0)) else {
            return UNSET_TEXT.to_owned();
        };
        if !self.is_set() {
            return UNSET_TEXT.to_owned();
        }
        let offset = zone.to_offset(ts);
        if offset.seconds() == 0 {
            return ts.to_string();
        }
        ts.display_with_offset(offset).to_string()
    }
    /// RFC 3339 in the server's zone, as every document writes it.
    pub fn rfc3339(self) -> String {
        self.rfc3339_in(local_zone())
    }
    /// Reads RFC 3339; the zero time of the wire is `UNSET`.
    pub fn parse(text: &str) -> Option<Time> {
        if text.starts_with("0001-01-01T00:00:00") {
            return Some(Time::UNSET);
        }
        let ts: Timestamp = text.parse().ok()?;
        Some(Time(i64::try_from(ts.as_nanosecond()).ok()?))
    }
}

const UNSET_TEXT: &str = "0001-01-01T00:00:00Z";

/// The server's zone (`TZ`, `/etc/localtime`), found once.
pub fn local_zone() -> &'static TimeZone {
    static ZONE: std::sync::OnceLock<TimeZone> = std::sync::OnceLock::new();
    ZONE.get_or_init(super::zones::of_host)
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.rfc3339())
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Time, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(d)?;
        Time::parse(&text).ok_or_else(|| serde::de::Error::custom("not an RFC 3339 time"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_trimmed_and_the_unset_time_is_year_one() {
        let utc = TimeZone::UTC;
        assert_eq!(Time::from_unix(1_756_289_720).rfc3339_in(&utc), "2025-08-27T10:15:20Z");
        assert_eq!(Time(1_756_289_720_250_000_000).rfc3339_in(&utc), "2025-08-27T10:15:20.25Z");
        assert_eq!(Time::UNSET.rfc3339_in(&utc), "0001-01-01T00:00:00Z");
        let east = TimeZone::fixed(jiff::tz::offset(2));
        assert_eq!(Time::from_unix(1_756_289_720).rfc3339_in(&east), "2025-08-27T12:15:20+02:00");
    }

    #[test]
    fn what_is_written_is_read_back() {
        let t = Time(1_756_289_720_123_456_789);
        assert_eq!(Time::parse(&t.rfc3339()), Some(t));
        assert_eq!(Time::parse("0001-01-01T00:00:00Z"), Some(Time::UNSET));
        assert_eq!(Time::parse("yesterday"), None);
    }
}
