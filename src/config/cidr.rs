//! Address ranges as variables name them: `10.0.0.0/8`, `fd00::/8`, or one address.

use std::net::IpAddr;

/// A range of addresses of one family. IPv4 addresses inside IPv6 (`::ffff:10.0.0.1`) count as IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    base: IpAddr,
    bits: u8,
}

impl Cidr {
    /// Reads a range, or one address as a range of one.
    pub fn parse(text: &str) -> Option<Cidr> {
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
            None => (text.trim(), None),
        };
        let base = address.parse::<IpAddr>().ok()?.to_canonical();
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Cidr { base, bits })
    }
    /// Reads a list separated by commas; the second value names the parts that are no ranges.
    pub fn parse_list(text: &str) -> (Vec<Cidr>, Vec<String>) {
        let mut good = Vec::new();
        let mut bad = Vec::new();
        for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            match Cidr::parse(part) {
                Some(range) => good.push(range),
                None => bad.push(part.to_owned()),
            }
        }
        (good, bad)
    }
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                base.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V6(base), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                base.to_bits() & mask == other.to_bits() & mask
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_its_addresses_and_no_others() {
        let range = Cidr::parse("192.168.1.77/24").unwrap();
        assert!(range.contains("192.168.1.200".parse().unwrap()));
        assert!(range.contains("::ffff:192.168.1.200".parse().unwrap()));
        assert!(!range.contains("192.168.2.1".parse().unwrap()));
        assert!(Cidr::parse("0.0.0.0/0").unwrap().contains("8.8.8.8".parse().unwrap()));
        assert!(Cidr::parse("fd00::/8").unwrap().contains("fd12::1".parse().unwrap()));
        assert!(!Cidr::parse("10.1.2.3").unwrap().contains("10.1.2.4".parse().unwrap()));
    }

    #[test]
    fn a_list_names_what_it_could_not_read() {
        let (good, bad) = Cidr::parse_list("10.0.0.0/8, home ,10.0.0.0/33,::1");
        assert_eq!(good.len(), 2);
        assert_eq!(bad, ["home", "10.0.0.0/33"]);
    }
}
