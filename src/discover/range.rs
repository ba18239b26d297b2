//! Which addresses may be asked: ranges read from settings, private ones only, and few enough.
//! Pure values; nothing is sent from here.

use std::fmt;
use std::net::Ipv4Addr;

/// Addresses asked at most in one scan (contract rest.md 11).
pub const MOST_HOSTS: usize = 1024;
/// Ranges read at most from one setting.
const MOST_RANGES: usize = 16;
/// RFC 1918. Link-local addresses, those of providers' NAT and everything public are never asked.
const PRIVATE: [Range; 3] = [range([10, 0, 0, 0], 8), range([172, 16, 0, 0], 12), range([192, 168, 0, 0], 16)];

const fn range(at: [u8; 4], bits: u8) -> Range {
    Range { first: u32::from_be_bytes(at), bits }
}

/// An IPv4 network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    first: u32,
    bits: u8,
}

impl Range {
    /// The network of `bits` that `address` lies in; `bits` beyond 32 count as 32.
    pub fn around(address: Ipv4Addr, bits: u8) -> Range {
        let bits = bits.min(32);
        Range { first: u32::from(address) & mask(bits), bits }
    }

    /// Reads `192.168.1.0/24`; bits behind the mask do not matter.
    pub fn parse(text: &str) -> Option<Range> {
        let (address, bits) = text.split_once('/')?;
        let digits = (1..=2).contains(&bits.len()) && bits.bytes().all(|b| b.is_ascii_digit());
        let bits = bits.parse().ok().filter(|bits| digits && *bits <= 32)?;
        Some(Range::around(address.parse().ok()?, bits))
    }

    pub fn bits(self) -> u8 {
        self.bits
    }

    pub fn contains(self, other: Range) -> bool {
        self.bits <= other.bits && other.first & mask(self.bits) == self.first
    }

    /// Whether all of it lies in one of the private blocks.
    pub fn is_private(self) -> bool {
        PRIVATE.iter().any(|block| block.contains(self))
    }

    /// The addresses that hosts have: without the network's own and the one for all, and without those that end in 0
    /// or 255 (contract rest.md 11), the first [`MOST_HOSTS`] of them.
    pub fn hosts(self) -> impl Iterator<Item = Ipv4Addr> {
        let last = self.first | !mask(self.bits);
        let ends = self.bits < 31;
        let is_host = move |n: &u32| !(ends && (*n == self.first || *n == last || [0, 255].contains(&(n & 255))));
        (self.first..=last).filter(is_host).take(MOST_HOSTS).map(Ipv4Addr::from)
    }

    /// Whether it has more addresses than are asked of one.
    pub fn is_large(self) -> bool {
        self.bits < 22
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.first), self.bits)
    }
}

fn mask(bits: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0)
}

/// What a setting asks for: `None` is `auto`, the machine's own networks. Several ranges are separated by commas.
pub fn wanted(text: &str) -> Result<Option<Vec<Range>>, String> {
    let text = text.trim();
    if text.is_empty() || text.eq_ignore_ascii_case("auto") {
        return Ok(None);
    }
    let mut ranges = Vec::new();
    for part in text.split(',').map(str::trim) {
        let shown: String = part.chars().filter(|c| !c.is_control()).take(40).collect();
        let range = Range::parse(part).ok_or_else(|| format!("'{shown}' is not an IPv4 range like 192.168.1.0/24"))?;
        if !range.is_private() {
            return Err(format!("{range} is not private: only 10/8, 172.16/12 and 192.168/16 are ever asked"));
        }
        if ranges.len() == MOST_RANGES {
            return Err(format!("more than {MOST_RANGES} ranges"));
        }
        ranges.push(range);
    }
    Ok(Some(ranges))
}

/// The addresses of some ranges, each once, and what was left out because it is too much.
pub fn addresses(ranges: &[Range]) -> (Vec<Ipv4Addr>, Vec<String>) {
    let (mut out, mut left_out) = (Vec::new(), Vec::new());
    for (at, range) in ranges.iter().enumerate() {
        let before = ranges.get(..at).unwrap_or_default();
        let is_new = |host: &Ipv4Addr| !before.iter().any(|b| b.contains(Range::around(*host, 32)));
        let room = MOST_HOSTS - out.len();
        let hosts: Vec<Ipv4Addr> = range.hosts().filter(is_new).take(room + 1).collect();
        if range.is_large() || hosts.len() > room {
            let asked = hosts.len().min(room);
            left_out.push(format!("{range}: only {asked} addresses are asked, {MOST_HOSTS} in one scan at most"));
        }
        out.extend(hosts.into_iter().take(room));
    }
    (out, left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(text: &str) -> Vec<String> {
        Range::parse(text).unwrap().hosts().map(|a| a.to_string()).collect()
    }

    #[test]
    fn hosts_of_a_range() {
        assert_eq!(hosts("192.168.1.9/30"), ["192.168.1.9", "192.168.1.10"]);
        assert_eq!(hosts("192.168.1.0/24").len(), 254);
        assert_eq!(hosts("10.0.0.0/22").len(), 4 * 254);
        assert_eq!(hosts("10.0.0.0/8").len(), MOST_HOSTS);
        assert_eq!(hosts("10.0.0.7/32"), ["10.0.0.7"]);
        assert_eq!(hosts("10.0.0.6/31"), ["10.0.0.6", "10.0.0.7"]);
        assert_eq!(hosts("255.255.255.255/32"), ["255.255.255.255"]);
    }

    #[test]
    fn only_private_ranges_are_taken() {
        for text in ["10.0.0.0/8", "10.1.2.0/24", "172.16.0.0/12", "172.31.9.1/32", "192.168.0.0/16"] {
            assert!(Range::parse(text).unwrap().is_private(), "{text}");
        }
        let public = [
            "0.0.0.0/0",
            "8.8.8.8/32",
            "10.0.0.0/7",
            "172.0.0.0/8",
            "172.32.0.0/16",
            "192.168.0.0/15",
            "169.254.0.0/16",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "224.0.0.0/4",
        ];
        for text in public {
            assert!(!Range::parse(text).unwrap().is_private(), "{text}");
            assert!(wanted(text).unwrap_err().contains("private"), "{text}");
        }
    }

    #[test]
    fn hostile_texts_are_no_ranges() {
        let long = "1".repeat(4096);
        let many = vec!["10.0.0.0/24"; 17].join(",");
        for text in [
            "10.0.0.0",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/008",
            "10.0.0/24",
            "10.0.0.0.0/24",
            "010.0.0.0/24",
            "10.0.0.256/24",
            "fd00::/64",
            "::ffff:10.0.0.0/24",
            "10.0.0.0/24,",
            "10.0.0.0/24 10.0.1.0/24",
            "10.0.0.0/24;id",
            "pve.lan/24",
            "/",
            &long,
            &many,
        ] {
            let why = wanted(text).unwrap_err();
            assert!(why.len() < 120 && !why.contains(char::is_control), "{why}");
        }
        assert!(wanted("10.0.0.0\u{1b}[31m/24").is_err_and(|why| !why.contains('\u{1b}')));
        assert_eq!(wanted(" AUTO ").unwrap(), None);
        assert_eq!(wanted("").unwrap(), None);
        assert_eq!(wanted("10.0.0.0/24, 192.168.1.5/24").unwrap().unwrap().len(), 2);
    }

    #[test]
    fn one_scan_has_a_bound_and_no_address_twice() {
        let ranges = |text: &str| wanted(text).unwrap().unwrap();
        let (all, left_out) = addresses(&ranges("10.0.0.0/24,10.0.0.0/23"));
        assert_eq!((all.len(), left_out.len()), (508, 0));
        let (all, left_out) = addresses(&ranges("10.0.0.0/22,10.0.4.0/24"));
        assert_eq!((all.len(), left_out.len()), (MOST_HOSTS, 1));
        assert!(left_out[0].starts_with("10.0.4.0/24: only 8 addresses"), "{left_out:?}");
        let (all, left_out) = addresses(&ranges("10.0.0.0/8"));
        assert_eq!((all.len(), left_out.len()), (MOST_HOSTS, 1));
        assert_eq!(addresses(&[]), (vec![], vec![]));
    }
}
