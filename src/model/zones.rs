//! Time zones: the host's data first, then what is built in for hosts that have none. The data is that of IANA,
//! packed when the program is built (`build.rs`); unpacked as a whole, which happens a few times in a program's life.

use flate2::{Decompress, FlushDecompress};
use jiff::tz::TimeZone;

/// For each zone: lengths of its names and its data (two bytes each, big-endian), its names one to a line, its data.
static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/zones.deflate"));
include!(concat!(env!("OUT_DIR"), "/zones.rs"));

/// The zone of an IANA name, e.g. `Europe/Vienna`; capitals do not count.
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok().or_else(|| built_in(name))
}

/// The server's zone: `TZ`, then `/etc/localtime`, then UTC. Either may name a zone whose data the host lacks.
pub(super) fn of_host() -> TimeZone {
    if let Ok(found) = TimeZone::try_system()
        && !found.is_unknown()
    {
        return found;
    }
    let named = std::env::var("TZ").ok().filter(|text| !text.is_empty());
    let linked = || Some(std::fs::read_link("/etc/localtime").ok()?.to_string_lossy().into_owned());
    let place = named.or_else(linked).unwrap_or_default();
    let name = place.rsplit_once("zoneinfo/").map_or(place.trim_start_matches(':'), |(_, name)| name);
    built_in(name).unwrap_or(TimeZone::UTC)
}

fn built_in(name: &str) -> Option<TimeZone> {
    let mut all = Vec::with_capacity(UNPACKED);
    Decompress::new(false).decompress_vec(PACKED, &mut all, FlushDecompress::Finish).ok()?;
    let mut rest = all.as_slice();
    while let Some((lengths, after)) = rest.split_first_chunk::<4>() {
        let [a, b, c, d] = *lengths;
        let (names, after) = after.split_at_checked(usize::from(u16::from_be_bytes([a, b])))?;
        let (data, after) = after.split_at_checked(usize::from(u16::from_be_bytes([c, d])))?;
        let mut names = names.split(|byte| *byte == b'\n');
        if names.any(|known| known.eq_ignore_ascii_case(name.as_bytes())) {
            return TimeZone::tzif(name, data).ok();
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_built_in_under_all_their_names() {
        let noon = "2026-07-01T12:00:00Z".parse::<jiff::Timestamp>().unwrap();
        for (name, hours) in [("Europe/Vienna", 2), ("america/new_york", -4), ("Asia/Calcutta", 5), ("UTC", 0)] {
            let zone = built_in(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(zone.to_offset(noon).seconds() / 3600, hours, "{name}");
        }
        let winter = "2040-01-15T12:00:00Z".parse::<jiff::Timestamp>().unwrap();
        assert_eq!(built_in("Europe/Vienna").unwrap().to_offset(winter).seconds(), 3600, "for all years to come");
        assert!(built_in("Europe/Nowhere").is_none() && built_in("").is_none());
    }
}
