//! How people write the address of a Proxmox host, and the one form it is kept in. The rules and the words of the
//! errors are 4.9's (contract rest.md 5.10), which clients show.

use crate::proxmox::Kind;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Checks an address and completes it: `pve.lan` becomes `https://pve.lan:8006`. A PVE over plain http keeps having no
/// port, as in 4.9. Unlike 4.9 a final slash and a bare IPv6 address are fine.
pub fn normalise(kind: Kind, text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => ("https", rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => ("http", rest),
        Some(_) => return Err("Invalid host format"),
        None => ("https", text),
    };
    let (host, port) = split(rest.strip_suffix('/').unwrap_or(rest))?;
    let port = port.map(read_port).transpose()?;
    let port = port.or(match (kind, scheme) {
        (Kind::Pbs, _) => Some(8007),
        (Kind::Pve, "https") => Some(8006),
        _ => None,
    });
    Ok(match port {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}

/// Host (an IPv6 address in brackets) and the text of the port.
fn split(rest: &str) -> Result<(String, Option<&str>), &'static str> {
    if let Some(inner) = rest.strip_prefix('[') {
        let (address, after) = inner.split_once(']').ok_or("Invalid IPv6 address")?;
        let address: Ipv6Addr = address.parse().map_err(|_| "Invalid IPv6 address")?;
        let port = match after.strip_prefix(':') {
            Some(port) => Some(port),
            None if after.is_empty() => None,
            None => return Err("Invalid host format"),
        };
        return Ok((format!("[{address}]"), port));
    }
    if let Ok(address) = rest.parse::<Ipv6Addr>() {
        return Ok((format!("[{address}]"), None));
    }
    let (host, port) = match rest.split_once(':') {
        Some((_, port)) if port.contains(':') => return Err("Invalid host format"),
        Some((host, port)) => (host, Some(port)),
        None => (rest, None),
    };
    check_name(host)?;
    Ok((host.to_owned(), port))
}

fn check_name(host: &str) -> Result<(), &'static str> {
    if host.is_empty() {
        return Err("Invalid host format");
    }
    if host.starts_with(|c: char| c.is_ascii_digit()) && host.parse::<Ipv4Addr>().is_err() {
        return Err("Invalid IP address");
    }
    let foreign = |c: char| c.is_whitespace() || c.is_control() || "/\\<>|'\"`;@?#%[](){}&$!*,".contains(c);
    if host.len() > 253 || host.contains(foreign) {
        return Err("Invalid hostname");
    }
    Ok(())
}

fn read_port(text: &str) -> Result<u16, &'static str> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse::<u16>().ok().filter(|port| digits && *port > 0).ok_or("Invalid port number")
}

/// Host without scheme and port, for comparing two addresses: `https://PVE.lan:8006` and `pve.lan` are one host.
pub fn bare_host(address: &str) -> String {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let rest = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = match rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
        Some((inner, _)) => inner,
        None if rest.parse::<Ipv6Addr>().is_ok() => rest,
        None => rest.split(':').next().unwrap_or(rest),
    };
    host.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_completed_by_product() {
        let samples = [
            (Kind::Pve, "pve.lan", "https://pve.lan:8006"),
            (Kind::Pve, " https://10.0.0.5/ ", "https://10.0.0.5:8006"),
            (Kind::Pve, "https://10.0.0.5:8006/", "https://10.0.0.5:8006"),
            (Kind::Pve, "https://pve.lan:443", "https://pve.lan:443"),
            (Kind::Pve, "http://pve.lan", "http://pve.lan"),
            (Kind::Pve, "[fd00::5]", "https://[fd00::5]:8006"),
            (Kind::Pve, "fd00::5", "https://[fd00::5]:8006"),
            (Kind::Pbs, "pbs", "https://pbs:8007"),
            (Kind::Pbs, "http://pbs", "http://pbs:8007"),
            (Kind::Pbs, "HTTPS://pbs:9000", "https://pbs:9000"),
        ];
        for (kind, text, expected) in samples {
            assert_eq!(normalise(kind, text).as_deref(), Ok(expected), "{text}");
            assert_eq!(normalise(kind, expected).as_deref(), Ok(expected), "a second time");
        }
    }

    #[test]
    fn what_is_no_address_gets_the_words_of_4_9() {
        let samples = [
            ("", "Invalid host format"),
            ("https://", "Invalid host format"),
            ("a:b:c", "Invalid host format"),
            ("ftp://pve", "Invalid host format"),
            ("1host.lan", "Invalid IP address"),
            ("999.1.1.1", "Invalid IP address"),
            ("[fd00::zz]:8006", "Invalid IPv6 address"),
            ("pve lan", "Invalid hostname"),
            ("pve/api", "Invalid hostname"),
            ("pve;reboot", "Invalid hostname"),
            ("user@pve", "Invalid hostname"),
            ("pve:0", "Invalid port number"),
            ("pve:70000", "Invalid port number"),
            ("pve:+80", "Invalid port number"),
            ("pve:8006/path", "Invalid port number"),
        ];
        for (text, expected) in samples {
            assert_eq!(normalise(Kind::Pve, text), Err(expected), "{text}");
        }
    }

    #[test]
    fn two_ways_to_write_a_host_are_one_host() {
        for text in ["https://PVE.lan:8006", "pve.lan", "http://pve.lan/", "pve.lan:443"] {
            assert_eq!(bare_host(text), "pve.lan");
        }
        assert_eq!(bare_host("https://[fd00::5]:8006"), "fd00::5");
        assert_eq!(bare_host("fd00::5"), "fd00::5");
    }
}
