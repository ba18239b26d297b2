//! Time zones: the host's data first, then what is built in for hosts that have none. The data is that of IANA,
//! packed when the program is built (`build.rs`); unpacked as a whole, which happens a few times in a program's life.

use flate2::{Decompress, FlushDecompress};
use jiff::tz::TimeZone;
use std::io::Read;

/// For each zone: lengths of its names and its data (two bytes each, big-endian), its names one to a line, its data.
static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/zones.deflate"));
include!(concat!(env!("OUT_DIR"), "/zones.rs"));

/// Where Debian keeps the data; what it says is newer than what is built in.
const FOLDER: &str = "/usr/share/zoneinfo/";
/// The largest zone has less than 4 kB.
const MOST_BYTES: u64 = 64 * 1024;

/// The zone of an IANA name, e.g. `Europe/Vienna`; capitals do not count.
pub fn zone(name: &str) -> Option<TimeZone> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+');
    if name.is_empty() || name.starts_with('/') || !name.chars().all(plain) {
        return None;
    }
    from_file(name, &format!("{FOLDER}{name}")).or_else(|| built_in(name))
}

/// The server's zone: `TZ`, then `/etc/localtime`, then UTC. Either may name a zone whose data the host lacks. Only
/// what is named is read: searching the host's whole folder costs a start more than anything else.
pub(super) fn of_host() -> TimeZone {
    let told = std::env::var("TZ").ok().filter(|text| !text.is_empty());
    let found = match &told {
        Some(text) => told_by(text.trim_start_matches(':')),
        None => linked().or_else(|| from_file("Local", "/etc/localtime")),
    };
    found.unwrap_or(TimeZone::UTC)
}

/// What `TZ` may hold: a name, the path of a file, or the rule itself in the manner of POSIX.
fn told_by(text: &str) -> Option<TimeZone> {
    match text.strip_prefix(FOLDER) {
        Some(name) => zone(name),
        None if text.starts_with('/') => from_file("Local", text),
        None => zone(text).or_else(|| TimeZone::posix(text).ok()),
    }
}

fn linked() -> Option<TimeZone> {
    let path = std::fs::read_link("/etc/localtime").ok()?;
    let (_, name) = path.to_str()?.split_once("zoneinfo/")?;
    zone(name)
}

fn from_file(name: &str, path: &str) -> Option<TimeZone> {
    let mut data = Vec::new();
    std::fs::File::open(path).ok()?.take(MOST_BYTES).read_to_end(&mut data).ok()?;
    TimeZone::tzif(name, &data).ok()
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

    #[test]
    fn a_zone_is_told_by_name_by_path_or_by_rule() {
        let noon = "2026-07-01T12:00:00Z".parse::<jiff::Timestamp>().unwrap();
        for told in ["Europe/Vienna", "/usr/share/zoneinfo/Europe/Vienna", "CET-1CEST,M3.5.0,M10.5.0/3"] {
            assert_eq!(told_by(told).unwrap().to_offset(noon).seconds(), 7200, "{told}");
        }
        for wrong in ["", "../../etc/passwd", "/dev/null", "/etc/passwd", "Europe", "Nowhere/At all"] {
            assert!(told_by(wrong).is_none(), "{wrong}");
        }
    }
}
