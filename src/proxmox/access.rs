//! Where a host is and how to get in. Knows how an address and a credential are written; asks nothing.

use super::Error;
use std::fmt;
use std::time::Duration;

/// Which product answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Pve,
    Pbs,
}

impl Kind {
    /// `pve` or `pbs`, as the configuration routes say.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Pve => "pve",
            Kind::Pbs => "pbs",
        }
    }
    /// The port the product listens on.
    pub fn port(self) -> u16 {
        match self {
            Kind::Pve => 8006,
            Kind::Pbs => 8007,
        }
    }
}

/// Everything a client needs to reach one host. `Debug` hides the secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// `https://pve.lan:8006`; a bare host gets `https://` and the product's port is not guessed.
    pub base_url: String,
    pub auth: Auth,
    pub tls: Tls,
    /// The longest an ordinary request may take.
    pub timeout: Duration,
}

/// How to prove who we are.
#[derive(Clone, PartialEq, Eq)]
pub enum Auth {
    /// `user` is `user@realm`, `name` the token's own name; a full `user@realm!name` in `name` wins over `user`.
    Token { user: String, name: String, secret: String },
    /// `user` is `user@realm`.
    Password { user: String, secret: String },
}

/// Which certificates to accept. Handshake signatures are checked in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Signed by a known authority for this name.
    Verify,
    /// Any.
    Off,
    /// Only the one with this SHA-256.
    Pin([u8; 32]),
}

impl Access {
    /// The same scheme and port at another host or address.
    pub fn at(&self, host: &str) -> Result<String, Error> {
        let place = Place { host: host.to_owned(), ..Place::parse(&self.base_url)? };
        Place::parse(&place.url()).map(|p| p.url())
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Auth::Token { user, name, .. } => write!(f, "Token({user}!{name})"),
            Auth::Password { user, .. } => write!(f, "Password({user})"),
        }
    }
}

impl Auth {
    /// The `Authorization` header of a token; `None` for a password. PVE separates the secret by `=`, PBS by `:`.
    pub(super) fn header(&self, kind: Kind) -> Option<String> {
        let Auth::Token { user, name, secret } = self else { return None };
        let id = if name.contains('!') {
            name.clone()
        } else if user.contains('!') {
            user.clone()
        } else {
            let realm = if user.contains('@') { "" } else { default_realm(kind) };
            format!("{user}{realm}!{name}")
        };
        Some(match kind {
            Kind::Pve => format!("PVEAPIToken={id}={secret}"),
            Kind::Pbs => format!("PBSAPIToken={id}:{secret}"),
        })
    }
}

fn default_realm(kind: Kind) -> &'static str {
    match kind {
        Kind::Pve => "@pam",
        Kind::Pbs => "@pbs",
    }
}

/// Scheme, host (without brackets) and port of a base URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub https: bool,
    pub host: String,
    pub port: u16,
}

impl Place {
    /// Reads `https://host:8006/`, `host:8006`, `https://[fd00::1]:8006`. No path, no user, no query.
    pub fn parse(base_url: &str) -> Result<Place, Error> {
        let text = base_url.trim().trim_end_matches('/');
        let (https, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            Some((scheme, _)) => {
                return Err(Error::Address(format!("unknown scheme {}", super::error::clean(scheme, 20))));
            }
            None => (true, text),
        };
        let (host, port) = split_port(rest).ok_or_else(|| Error::Address("the port is not a number".into()))?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let fit = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
        if bare.is_empty() || bare.len() > 253 || !bare.chars().all(fit) {
            return Err(Error::Address("the host name is not valid".into()));
        }
        Ok(Place { https, host: bare.to_owned(), port: port.unwrap_or(if https { 443 } else { 80 }) })
    }
    /// `https://host:port`, brackets around an IPv6 address.
    pub fn url(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        format!("{scheme}://{open}{}{close}:{}", self.host, self.port)
    }
    /// The host is this machine.
    pub fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

/// `host:1` into host and port. `None` when the port is no number; a bare IPv6 address has no port.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    if let Some((host, rest)) = text.split_once(']') {
        return match rest.strip_prefix(':') {
            Some(port) => Some((host, Some(port.parse().ok()?))),
            None => rest.is_empty().then_some((host, None)),
        };
    }
    match text.rsplit_once(':') {
        Some((host, _)) if host.contains(':') => Some((text, None)),
        Some((host, port)) => Some((host, Some(port.parse().ok()?))),
        None => Some((text, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_type_them() {
        let at = |text: &str| Place::parse(text).map(|p| p.url());
        assert_eq!(at("https://pve.lan:8006/").unwrap(), "https://pve.lan:8006");
        assert_eq!(at("pve.lan:8006").unwrap(), "https://pve.lan:8006");
        assert_eq!(at("HTTP://10.0.0.1").unwrap(), "http://10.0.0.1:80");
        assert_eq!(at("https://[fd00::1]:8006").unwrap(), "https://[fd00::1]:8006");
        assert_eq!(at("fd00::1").unwrap(), "https://[fd00::1]:443");
        for bad in ["", "https://", "ftp://x", "https://x:port", "https://user@x", "https://x/y", "https://a b:1"] {
            assert!(matches!(at(bad), Err(Error::Address(_))), "{bad}");
        }
    }

    #[test]
    fn another_host_keeps_scheme_and_port() {
        let access = |url: &str| Access {
            base_url: url.into(),
            auth: Auth::Password { user: "u@pam".into(), secret: "s".into() },
            tls: Tls::Off,
            timeout: Duration::from_secs(1),
        };
        assert_eq!(access("https://pve.lan:8007/").at("10.0.0.1").unwrap(), "https://10.0.0.1:8007");
        assert_eq!(access("https://[fd00::1]").at("fd00::2").unwrap(), "https://[fd00::2]:443");
        assert!(access("https://pve.lan").at("a b").is_err());
    }

    #[test]
    fn the_two_products_write_a_token_differently() {
        let auth = |user: &str, name: &str| Auth::Token { user: user.into(), name: name.into(), secret: "s".into() };
        assert_eq!(auth("u@pam", "n").header(Kind::Pve).unwrap(), "PVEAPIToken=u@pam!n=s");
        assert_eq!(auth("", "u@pam!n").header(Kind::Pve).unwrap(), "PVEAPIToken=u@pam!n=s");
        assert_eq!(auth("u@pbs", "n").header(Kind::Pbs).unwrap(), "PBSAPIToken=u@pbs!n:s");
        assert_eq!(auth("u", "n").header(Kind::Pbs).unwrap(), "PBSAPIToken=u@pbs!n:s");
        assert_eq!(format!("{:?}", auth("u@pam", "n")), "Token(u@pam!n)");
    }
}
