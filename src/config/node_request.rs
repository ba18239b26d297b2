//! What a client sends to add or change a connection, and the rules of doing so (contract rest.md 5.10, 5.11).

use super::Secret;
use super::address::{bare_host, normalise};
use super::fields::Fields;
use super::nodes::{Node, flags};
use crate::proxmox::{Fingerprint, Kind};

/// What a client sends to add or change a connection. Absent fields are `None`; a blank secret means "keep".
#[derive(Clone, Default)]
pub struct NodeRequest {
    pub kind: Option<String>,
    pub name: Option<String>,
    pub host: Option<String>,
    pub user: Option<String>,
    pub password: Secret,
    pub token_name: Option<String>,
    pub token_value: Secret,
    pub fingerprint: Option<String>,
    pub verify_ssl: Option<bool>,
    flags: Vec<(&'static str, bool)>,
}

/// Why a request is refused: an HTTP status and 4.9's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(pub u16, pub String);

impl Refusal {
    fn bad(words: &str) -> Refusal {
        Refusal(400, words.to_owned())
    }
}

/// Longest name, user or token name.
const MOST_TEXT: usize = 512;

impl NodeRequest {
    pub fn read(body: &[u8]) -> Result<NodeRequest, String> {
        let mut f = Fields::of_body(body)?;
        let mut text = |name: &str| f.text(name).map(|t| t.map(|t| t.trim().to_owned()));
        let (kind, name, host, user) = (text("type")?, text("name")?, text("host")?, text("user")?);
        let (token_name, fingerprint) = (text("tokenName")?, text("fingerprint")?);
        for long in [&name, &host, &user, &token_name, &fingerprint].into_iter().flatten() {
            if long.len() > MOST_TEXT || long.contains(char::is_control) {
                return Err("a text is too long or has control characters".to_owned());
            }
        }
        let mut secret = |name: &str| f.text(name).map(|t| Secret::new(t.unwrap_or_default()));
        let (password, token_value) = (secret("password")?, secret("tokenValue")?);
        let verify_ssl = f.flag("verifySSL")?;
        let mut set = Vec::new();
        for (name, _) in flags(Kind::Pve).iter().chain(flags(Kind::Pbs)) {
            if let Some(on) = f.flag(name)? {
                set.push((*name, on));
            }
        }
        Ok(NodeRequest {
            kind,
            name,
            host,
            user,
            password,
            token_name,
            token_value,
            fingerprint,
            verify_ssl,
            flags: set,
        })
    }

    /// A new connection. An empty name is taken from the host, as the page's "auto-detect" expects.
    pub fn to_node(&self) -> Result<Node, Refusal> {
        let host = self.host.as_deref().unwrap_or_default();
        match (self.name.is_none() && host.is_empty(), self.kind.as_deref().unwrap_or_default(), host) {
            (true, ..) => return Err(Refusal::bad("Name is required")),
            (_, "", _) => return Err(Refusal::bad("Type is required")),
            (_, _, "") => return Err(Refusal::bad("Host is required")),
            _ => {}
        }
        let kind = self.product();
        // The address is judged before the type, as in 4.9.
        let host = normalise(kind.unwrap_or(Kind::Pve), host).map_err(Refusal::bad)?;
        let kind = kind.ok_or_else(|| Refusal::bad("Invalid node type"))?;
        let name = match self.name.as_deref().unwrap_or_default() {
            "" => bare_host(&host),
            name => name.to_owned(),
        };
        let mut node = Node::new(kind, &name, &host);
        self.apply_plain(&mut node)?;
        self.apply_credentials(&mut node);
        if !node.has_credentials() {
            return Err(Refusal::bad("Authentication credentials required"));
        }
        Ok(node)
    }

    /// The same connection after a change; what is absent stays (contract rest.md 5.11).
    pub fn to_changed(&self, old: &Node) -> Result<Node, Refusal> {
        let mut node = old.clone();
        if let Some(name) = self.name.as_deref().filter(|n| !n.is_empty()) {
            node.name = name.to_owned();
        }
        if let Some(host) = self.host.as_deref().filter(|h| !h.is_empty()) {
            node.host = normalise(old.kind, host).map_err(Refusal::bad)?;
        }
        if bare_host(&node.host) != bare_host(&old.host) {
            node.set_cluster("", &[]);
        }
        self.apply_plain(&mut node)?;
        self.apply_credentials(&mut node);
        if !node.has_credentials() {
            return Err(Refusal::bad("Authentication credentials required"));
        }
        Ok(node)
    }

    pub fn product(&self) -> Option<Kind> {
        match self.kind.as_deref() {
            Some("pve") => Some(Kind::Pve),
            Some("pbs") => Some(Kind::Pbs),
            _ => None,
        }
    }

    fn apply_plain(&self, node: &mut Node) -> Result<(), Refusal> {
        if let Some(fingerprint) = &self.fingerprint {
            if !fingerprint.is_empty() && Fingerprint::parse(fingerprint).is_none() {
                return Err(Refusal::bad("Invalid fingerprint: 64 hexadecimal digits expected"));
            }
            node.fingerprint = fingerprint.clone();
        }
        if let Some(verify) = self.verify_ssl {
            node.verify_ssl = verify;
        }
        for (name, on) in &self.flags {
            if let Some((_, flag)) = flags(node.kind).iter().find(|(known, _)| known == name) {
                *flag(&mut node.monitor) = *on;
            }
        }
        if node.kind == Kind::Pbs {
            node.monitor.backups = true;
        }
        Ok(())
    }

    /// One method at a time: a token replaces a password and the other way round. Blank secrets are kept.
    fn apply_credentials(&self, node: &mut Node) {
        let user = self.user.as_deref().filter(|u| !u.is_empty());
        let token_name = self.token_name.as_deref().filter(|t| !t.is_empty());
        if token_name.is_some() || !self.token_value.is_empty() {
            let owner = user.unwrap_or(&node.user).to_owned();
            if let Some(name) = token_name {
                node.token_name = full_token_name(node.kind, &owner, name);
            }
            if !self.token_value.is_empty() {
                node.token_value = self.token_value.clone();
            }
            if !node.token_value.is_empty() {
                node.user.clear();
                node.password = Secret::default();
            }
            return;
        }
        if !self.password.is_empty() {
            node.password = self.password.clone();
        }
        if let Some(user) = user {
            node.user = with_realm(node.kind, user);
        }
        // A user alone beside a stored token changes nothing but the name, unless there is a password to use.
        if !self.password.is_empty() || (user.is_some() && !node.password.is_empty()) {
            node.token_name.clear();
            node.token_value = Secret::default();
        }
    }
}

fn with_realm(kind: Kind, user: &str) -> String {
    match (user.contains('@'), kind) {
        (true, _) => user.to_owned(),
        (false, Kind::Pve) => format!("{user}@pam"),
        (false, Kind::Pbs) => format!("{user}@pbs"),
    }
}

/// A bare token name gets its owner in front; 4.9 sent it without one and was refused.
fn full_token_name(kind: Kind, owner: &str, name: &str) -> String {
    if name.contains('!') || owner.is_empty() {
        return name.to_owned();
    }
    format!("{}!{name}", with_realm(kind, owner))
}
