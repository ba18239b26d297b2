//! Which addresses receivers may have. Home networks are private, so private ranges and this machine are fine; what
//! is never a receiver of notifications but gives secrets away when it is called is not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

/// Addresses at which clouds hand out credentials to whoever asks, outside the link-local ranges.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192), Ipv4Addr::new(168, 63, 129, 16)];
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

/// Why an address may not be called; `None`: it may.
pub fn forbidden(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(v4) => forbidden_v4(v4),
        IpAddr::V6(v6) => match embedded_v4(v6) {
            Some(v4) => forbidden_v4(v4),
            None => forbidden_v6(v6),
        },
    }
}

fn forbidden_v4(ip: Ipv4Addr) -> Option<&'static str> {
    if ip.is_link_local() {
        Some("link-local addresses are not allowed")
    } else if METADATA_V4.contains(&ip) {
        Some("metadata services of clouds are not allowed")
    } else if ip.octets()[0] == 0 || ip.is_multicast() || ip.is_broadcast() {
        Some("it is not the address of a host")
    } else {
        None
    }
}

fn forbidden_v6(ip: Ipv6Addr) -> Option<&'static str> {
    if ip.is_unicast_link_local() {
        Some("link-local addresses are not allowed")
    } else if METADATA_V6.contains(&ip) {
        Some("metadata services of clouds are not allowed")
    } else if ip.is_unspecified() || ip.is_multicast() {
        Some("it is not the address of a host")
    } else {
        None
    }
}

/// The IPv4 address that an IPv6 address leads to: mapped, compatible, 6to4 or through NAT64.
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let low = |hi: u16, lo: u16| {
        let ([a, b], [c, d]) = (hi.to_be_bytes(), lo.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match ip.segments() {
        [0, 0, 0, 0, 0, 0xffff, hi, lo] => Some(low(hi, lo)),
        [0x64, 0xff9b, 0, 0, 0, 0, hi, lo] => Some(low(hi, lo)),
        [0x2002, hi, lo, ..] => Some(low(hi, lo)),
        [0, 0, 0, 0, 0, 0, hi, lo] if hi != 0 => Some(low(hi, lo)),
        _ => None,
    }
}

/// Looks a name up and gives the addresses that may be called. Blocks no longer than `within`; the look-up itself
/// cannot be interrupted and ends on a thread of its own.
pub fn resolve(host: &str, port: u16, within: Duration) -> Result<Vec<SocketAddr>, String> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let found: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        Ok(ip) => vec![SocketAddr::new(ip, port)],
        Err(_) => {
            let name = host.to_owned();
            let (tell, told) = crossbeam_channel::bounded(1);
            std::thread::Builder::new()
                .name("look-up".to_owned())
                .stack_size(128 << 10)
                .spawn(move || {
                    let found = (name.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
                    let _ = tell.send(found);
                })
                .map_err(|e| format!("failed to look up {host}: {e}"))?;
            let answer =
                told.recv_timeout(within).map_err(|_| format!("failed to look up {host}: no answer in time"))?;
            answer.map_err(|e| format!("failed to look up {host}: {e}"))?
        }
    };
    let mut refused = None;
    let allowed: Vec<SocketAddr> = found
        .into_iter()
        .filter(|a| {
            let why = forbidden(a.ip());
            if let Some(why) = why {
                refused = Some(format!("{host} may not be called: {} is refused, {why}", a.ip()));
            }
            why.is_none()
        })
        .take(16)
        .collect();
    if allowed.is_empty() {
        return Err(refused.unwrap_or_else(|| format!("failed to look up {host}: it has no address")));
    }
    Ok(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_and_metadata_addresses_are_refused_in_every_disguise() {
        for ip in [
            "169.254.169.254",
            "169.254.1.1",
            "100.100.100.200",
            "192.0.0.192",
            "168.63.129.16",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "fe80::1",
            "febf::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "::",
            "ff02::1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "::169.254.169.254",
        ] {
            assert!(forbidden(ip.parse().unwrap()).is_some(), "{ip}");
        }
    }

    #[test]
    fn home_networks_this_machine_and_the_internet_are_fine() {
        for ip in [
            "127.0.0.1",
            "::1",
            "10.0.0.5",
            "172.16.3.4",
            "192.168.1.10",
            "100.64.0.1",
            "fd12:3456::1",
            "8.8.8.8",
            "2606:4700::1111",
            "::ffff:192.168.1.10",
            "64:ff9b::808:808",
        ] {
            assert_eq!(forbidden(ip.parse().unwrap()), None, "{ip}");
        }
    }

    #[test]
    fn literal_addresses_need_no_look_up_and_are_checked_too() {
        let at = |host: &str| resolve(host, 80, Duration::from_secs(1));
        assert_eq!(at("[::1]").unwrap(), ["[::1]:80".parse().unwrap()]);
        assert!(at("169.254.169.254").unwrap_err().contains("may not be called"));
        assert!(at("localhost").unwrap().iter().all(|a| a.ip().is_loopback()));
    }
}
