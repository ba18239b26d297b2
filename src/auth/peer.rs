//! Who really asks: addresses as they are written in headers, and which of them to believe.
//! Forwarding headers count only when the TCP peer is a configured proxy; 4.9 believed anybody.

use crate::config::Cidr;
use crate::http::Call;
use std::net::{IpAddr, Ipv6Addr};

/// The headers by which a proxy shows itself (contract rest.md 2.8).
const FORWARDING: [&str; 9] = [
    "x-forwarded-for",
    "x-real-ip",
    "x-forwarded-proto",
    "x-forwarded-host",
    "forwarded",
    "cf-ray",
    "cf-connecting-ip",
    "x-forwarded-server",
    "x-forwarded-port",
];
/// Items of a forwarding header that are looked at; more is an attack.
const MOST_HOPS: usize = 32;

/// What the forwarding headers of a trusted proxy say; without one, what the socket says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub peer: IpAddr,
    /// The client speaks HTTPS, to us or to the proxy in front.
    pub https: bool,
    /// The request came through a trusted proxy.
    pub proxied: bool,
    /// `X-Forwarded-Host` of a trusted proxy, else `Host`.
    pub host: String,
}

/// Finds out who asks.
pub fn origin(call: &Call, trusted: &[Cidr]) -> Origin {
    let socket = call.tcp_peer.to_canonical();
    let is_trusted = |ip: IpAddr| trusted.iter().any(|range| range.contains(ip));
    let host = call.header("host").unwrap_or("").trim().to_owned();
    if !is_trusted(socket) || !has_forwarding(call) {
        return Origin { peer: socket, https: call.tls, proxied: false, host };
    }
    let peer = nearest_stranger(&hops(call), socket, is_trusted);
    let https = match call.header("x-forwarded-proto") {
        Some(scheme) => first_item(scheme).eq_ignore_ascii_case("https"),
        None => forwarded_value(call, "proto").map_or(call.tls, |v| v.eq_ignore_ascii_case("https")),
    };
    let host =
        call.header("x-forwarded-host").map(|h| first_item(h).to_owned()).filter(|h| !h.is_empty()).unwrap_or(host);
    Origin { peer, https, proxied: true, host }
}

/// Some proxy had its hands on this request (or somebody wants it to look so).
pub fn has_forwarding(call: &Call) -> bool {
    FORWARDING.iter().any(|name| call.header(name).is_some())
}

/// From the nearest hop outwards: the first address that is not one of our own proxies. What cannot be read as an
/// address ends the search, because whoever wrote it could have written anything before it.
fn nearest_stranger(hops: &[Option<IpAddr>], socket: IpAddr, is_trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    let mut peer = socket;
    for hop in hops.iter().rev().take(MOST_HOPS) {
        match hop {
            Some(ip) => peer = *ip,
            None => return peer,
        }
        if !is_trusted(peer) {
            return peer;
        }
    }
    peer
}

/// The addresses of the request's way, client first: `X-Forwarded-For`, else `Forwarded`, else `X-Real-IP`.
fn hops(call: &Call) -> Vec<Option<IpAddr>> {
    let all = |name: &str| {
        let lines = call.headers().iter().filter(|(k, _)| k.eq_ignore_ascii_case(name));
        lines.map(|(_, v)| v.as_str()).collect::<Vec<_>>().join(",")
    };
    let list = all("x-forwarded-for");
    if !list.trim().is_empty() {
        return list.split(',').map(parse_address).collect();
    }
    let list = all("forwarded");
    if !list.trim().is_empty() {
        return list.split(',').map(|hop| parameter(hop, "for").and_then(parse_address)).collect();
    }
    call.header("x-real-ip").map(parse_address).into_iter().collect()
}

fn first_item(list: &str) -> &str {
    list.split(',').next().unwrap_or("").trim()
}

fn forwarded_value<'a>(call: &'a Call, name: &str) -> Option<&'a str> {
    parameter(first_item(call.header("forwarded")?), name)
}

/// `for="[2001:db8::1]:4711";proto=https` (RFC 7239).
fn parameter<'a>(hop: &'a str, name: &str) -> Option<&'a str> {
    let pairs = hop.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(k, _)| k.trim().eq_ignore_ascii_case(name)).map(|(_, v)| v.trim().trim_matches('"'))
}

/// Reads an address with or without port, brackets, zone: `10.0.0.1`, `10.0.0.1:80`, `::1`, `[::1]:80`, `fe80::1%eth0`.
/// IPv4 inside IPv6 becomes IPv4.
pub fn parse_address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = match text.strip_prefix('[') {
        Some(inside) => inside.split_once(']')?.0,
        // One colon is a port; more is an address.
        None if text.matches(':').count() == 1 => text.split_once(':')?.0,
        None => text,
    };
    let bare = bare.split_once('%').map_or(bare, |(address, _zone)| address);
    bare.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// Loopback, link-local and private ranges of both families (contract rest.md 2.12).
pub fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// What limits and locks count: an address, or the /64 from which a host of the public IPv6 internet can take addresses
/// at will. (A private /64 is a whole house: there each address counts for itself.)
pub fn counted(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) if !is_private(ip) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Method;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn call(peer: &str, headers: &[(&str, &str)]) -> Call {
        let headers = headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Call::new(Method::Get, "/", headers, Vec::new(), ip(peer), false)
    }

    #[test]
    fn every_way_to_write_an_address_is_read() {
        for (text, expected) in [
            ("10.0.0.1", "10.0.0.1"),
            (" 10.0.0.1:8080 ", "10.0.0.1"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("[2001:db8::7]:443", "2001:db8::7"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%25eth0]:80", "fe80::1"),
            ("::ffff:192.168.1.9", "192.168.1.9"),
            ("\"[2001:db8::7]:443\"", "2001:db8::7"),
        ] {
            assert_eq!(parse_address(text), Some(ip(expected)), "{text}");
        }
        for text in ["", "unknown", "_hidden", "10.0.0", "[::1", "10.0.0.1:80:90", "host:80"] {
            assert_eq!(parse_address(text), None, "{text}");
        }
    }

    // 4.9 took the first item of X-Forwarded-For from anybody: limits, lock-out and the private-network rule were
    // whatever the client said.
    #[test]
    fn forwarding_headers_count_only_from_a_configured_proxy() {
        let forged = call("203.0.113.5", &[("X-Forwarded-For", "10.0.0.1"), ("X-Forwarded-Proto", "https")]);
        let seen = origin(&forged, &[]);
        assert_eq!((seen.peer, seen.https, seen.proxied), (ip("203.0.113.5"), false, false));

        let trusted = Cidr::parse_list("127.0.0.1, 10.9.0.0/16").0;
        let through = |value: &str| origin(&call("127.0.0.1", &[("X-Forwarded-For", value)]), &trusted).peer;
        assert_eq!(through("198.51.100.7"), ip("198.51.100.7"));
        assert_eq!(
            through("10.0.0.1, 198.51.100.7"),
            ip("198.51.100.7"),
            "what the client put in front does not count"
        );
        assert_eq!(through("198.51.100.7, 10.9.3.4"), ip("198.51.100.7"), "our own proxies are passed over");
        assert_eq!(through("10.0.0.1, nonsense"), ip("127.0.0.1"));
        assert_eq!(through("2001:db8::1"), ip("2001:db8::1"));
        let both = call("::ffff:127.0.0.1", &[("Forwarded", "for=\"[2001:db8::2]:9\";proto=https")]);
        let seen = origin(&both, &trusted);
        assert_eq!((seen.peer, seen.https), (ip("2001:db8::2"), true));
    }

    #[test]
    fn private_means_private_in_both_families() {
        for yes in [
            "127.0.0.1",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.0.9",
            "169.254.1.1",
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(is_private(ip(yes)), "{yes}");
        }
        for no in ["8.8.8.8", "172.32.0.1", "2001:db8::1", "::ffff:8.8.8.8", "0.0.0.0"] {
            assert!(!is_private(ip(no)), "{no}");
        }
    }

    #[test]
    fn an_ipv6_host_counts_once_whatever_address_it_takes() {
        assert_eq!(counted(ip("2001:db8:1:2:aaaa::1")), counted(ip("2001:db8:1:2:bbbb::2")));
        assert_ne!(counted(ip("2001:db8:1:2::1")), counted(ip("2001:db8:1:3::1")));
        assert_eq!(counted(ip("::ffff:10.0.0.1")), ip("10.0.0.1"));
        assert_ne!(counted(ip("fd00::1")), counted(ip("fd00::2")), "a house is not one host");
    }
}
