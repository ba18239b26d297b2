//! Which texts of a query may become part of a script that root runs. Everything is quoted as well; what no honest
//! caller sends is refused all the same, because such a link was made by somebody with a plan.

use crate::config::address::{bare_host, normalise};
use crate::proxmox::Kind;
use std::net::Ipv6Addr;

/// Longest address or secret in a query.
const MOST_BYTES: usize = 512;

/// The address of a Proxmox host in its one form.
pub fn shell_safe_host(kind: Kind, text: &str) -> Result<String, &'static str> {
    if text.len() > MOST_BYTES || !text.bytes().all(is_plain) {
        return Err("Invalid host format");
    }
    normalise(kind, text)
}

/// The address of this Pulse: scheme, host, perhaps a port and a path, without a slash at the end.
pub fn pulse_url(text: &str) -> Option<String> {
    let text = text.trim().trim_end_matches('/');
    let (scheme, rest) = text.split_once("://")?;
    let scheme = ["http", "https"].into_iter().find(|s| scheme.eq_ignore_ascii_case(s))?;
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let plain_path = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~".contains(&b));
    let fits = text.len() <= MOST_BYTES && plain_path && is_authority(authority);
    fits.then(|| format!("{scheme}://{authority}{path}"))
}

/// The host of a Pulse address without port, fit for a token's name: `pulse.lan:7655` gives `pulse-lan`.
pub fn pulse_host(url: &str) -> String {
    let host = bare_host(url);
    let named: String = host.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let named = named.trim_matches('-');
    named.get(..named.len().min(48)).unwrap_or(named).to_owned()
}

/// A setup code or an API token, as they are made.
pub fn shell_safe_secret(text: &str) -> bool {
    text.len() <= MOST_BYTES && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/=@:".contains(&b))
}

fn is_authority(text: &str) -> bool {
    let port_fits = |port: &str| port.parse::<u16>().is_ok_and(|p| p > 0) && port.bytes().all(|b| b.is_ascii_digit());
    let (host, port) = match text.strip_prefix('[').and_then(|t| t.split_once(']')) {
        Some((inner, after)) if inner.parse::<Ipv6Addr>().is_ok() => {
            return after.is_empty() || after.strip_prefix(':').is_some_and(port_fits);
        }
        _ => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    !host.is_empty() && host.bytes().all(plain) && !host.starts_with(['-', '.']) && port.is_none_or(port_fits)
}

/// Scheme, names, addresses, ports: nothing that means something to a shell outside of quotes.
fn is_plain(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b":/.-_[] ".contains(&b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_pulse_are_plain() {
        for (text, expected) in [
            ("http://pulse.lan:7655", "http://pulse.lan:7655"),
            ("HTTPS://10.0.0.5/", "https://10.0.0.5"),
            ("https://[fd00::5]:7655", "https://[fd00::5]:7655"),
            ("https://lan/pulse/", "https://lan/pulse"),
        ] {
            assert_eq!(pulse_url(text).as_deref(), Some(expected));
        }
        let hostile = ["", "pulse", "ftp://a", "http://", "http://a:0", "http://a:99999", "http://[::1", "http://a b"];
        let shell = ["http://a';id;'", "http://a$(id)", "http://a`id`", "http://a/\nid", "http://a\"", "http://u@a"];
        for text in hostile.iter().chain(&shell) {
            assert_eq!(pulse_url(text), None, "{text}");
        }
        assert_eq!(pulse_host("https://10.0.0.5:7655"), "10-0-0-5");
        assert_eq!(pulse_host("https://[fd00::5]"), "fd00--5");
    }

    #[test]
    fn hosts_and_secrets_hold_nothing_for_a_shell() {
        assert_eq!(shell_safe_host(Kind::Pve, "pve.lan").as_deref(), Ok("https://pve.lan:8006"));
        for text in ["a;id", "a$(id)", "https://a'", "a\nb", "a|b", "a&b", "a\u{e9}", "a=b", "{a,b}", "~root", "a*"] {
            assert!(shell_safe_host(Kind::Pve, text).is_err(), "{text}");
            assert!(text == "a=b" || text == "~root" || !shell_safe_secret(text), "{text}");
        }
        assert!(shell_safe_secret("A7K9P2"));
    }
}
