//! Who may ask: logins, tickets with their expiry, API tokens, privileges. Pure: time is a parameter.

use super::ask::{Ask, Outcome, Refusal, data};
use super::catalog::Route;
use super::noise::hash;
use super::scene::Scene;
use super::world::{Host, World};
use crate::json::json;
use crate::order::Pairs;
use ring::hmac;

/// How long a ticket lasts, as on a real host.
pub const TICKET_SECS: i64 = 7200;

/// The one user of a host, and its token.
#[derive(Clone, PartialEq, Eq)]
pub struct Access {
    /// `name@realm`.
    pub user: String,
    pub password: String,
    /// `name@realm!token`.
    pub token_id: String,
    pub token_secret: String,
    /// Tickets from before this second are void.
    pub valid_from: i64,
    /// The secret that signs tickets.
    key: [u8; 16],
    pbs: bool,
}

/// Never shows a secret.
impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("user", &self.user).field("token_id", &self.token_id).finish_non_exhaustive()
    }
}

/// The headers that prove who asks.
#[derive(Default, Clone)]
pub struct Proof {
    pub authorization: Option<String>,
    pub cookie: Option<String>,
}

impl Access {
    /// The login of a host, derived from the seed: the same in every run of a spec.
    pub fn of(world: &World, host: usize) -> Access {
        let pbs = matches!(world.hosts.get(host), Some(Host::Pbs(_)));
        let user = if pbs { "pulse-monitor@pbs" } else { "pulse-monitor@pam" };
        let draw = |n: u64| hash(world.seed, host as u64 + 0xACCE, n);
        let (a, b) = (draw(1), draw(2));
        let mut key = [0; 16];
        key[..8].copy_from_slice(&draw(3).to_le_bytes());
        key[8..].copy_from_slice(&draw(4).to_le_bytes());
        Access {
            user: user.to_owned(),
            password: format!("pw-{:012x}", draw(5) & 0xFFFF_FFFF_FFFF),
            token_id: format!("{user}!pulse"),
            token_secret: uuid(a, b),
            valid_from: i64::MIN,
            key,
            pbs,
        }
    }
    /// The value of an `Authorization` header with the token.
    pub fn authorization(&self) -> String {
        let (scheme, between) = if self.pbs { ("PBSAPIToken", ':') } else { ("PVEAPIToken", '=') };
        format!("{scheme}={}{between}{}", self.token_id, self.token_secret)
    }
    fn prefix(&self) -> &'static str {
        if self.pbs { "PBS" } else { "PVE" }
    }
    fn sign(&self, text: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.key);
        hex(hmac::sign(&key, text.as_bytes()).as_ref())
    }
    /// A ticket made at second `t`.
    pub fn ticket(&self, t: i64) -> String {
        let text = format!("{}:{}:{:08X}", self.prefix(), self.user, t);
        format!("{text}::{}", self.sign(&text))
    }
    fn ticket_holds(&self, ticket: &str, t: i64) -> bool {
        let Some((text, signature)) = ticket.split_once("::") else { return false };
        let made = text.rsplit(':').next().and_then(|hex| i64::from_str_radix(hex, 16).ok());
        let Some(made) = made else { return false };
        self.sign(text) == signature && made >= self.valid_from && (made - 300..=made + TICKET_SECS).contains(&t)
    }

    /// Whether the proof is that of the user or its token, at second `t`.
    pub fn identify(&self, proof: &Proof, t: i64) -> Result<(), Refusal> {
        if let Some(header) = &proof.authorization {
            return if *header == self.authorization() {
                Ok(())
            } else if header.contains(&self.token_id) {
                Err(Refusal::new(401, "invalid token value!"))
            } else {
                Err(Refusal::new(401, "no such token"))
            };
        }
        let name = format!("{}AuthCookie=", self.prefix());
        let cookie = proof.cookie.as_deref().unwrap_or_default();
        let ticket = cookie.split(';').find_map(|c| c.trim().strip_prefix(name.as_str()));
        match ticket.map(percent_decode) {
            None => Err(Refusal::new(401, "No ticket")),
            Some(ticket) if self.ticket_holds(&ticket, t) => Ok(()),
            Some(_) => Err(Refusal::new(401, format!("permission denied - invalid {} ticket", self.prefix()))),
        }
    }
}

/// `POST /access/ticket`: a password, or a ticket that still holds, buys a new ticket.
pub fn login(ask: &Ask) -> Outcome {
    let access = ask.scene.access.get(ask.host).ok_or_else(|| Refusal::new(500, "no realm"))?;
    let mut user = ask.param("username").unwrap_or_default().to_owned();
    if let Some(realm) = ask.param("realm").filter(|_| !user.contains('@')) {
        user = format!("{user}@{realm}");
    }
    let password = ask.param("password").unwrap_or_default();
    if user != access.user || (password != access.password && !access.ticket_holds(password, ask.t)) {
        let text = if access.pbs { "permission check failed." } else { "authentication failure" };
        return Err(Refusal::new(401, text));
    }
    let csrf = format!("{:08X}:{}", ask.t, access.sign("csrf"));
    let mut answer = json!({ "username": user, "ticket": access.ticket(ask.t), "CSRFPreventionToken": csrf });
    if let Some(pve) = ask.world().pve(ask.host) {
        let rights: serde_json::Map<String, serde_json::Value> =
            pve.privileges.iter().map(|p| (p.clone(), json!(1))).mapped();
        answer["cap"] = json!({ "dc": rights });
        if pve.cluster {
            answer["clustername"] = json!(pve.name);
        }
    }
    data(answer)
}

/// Whether the login has one of the privileges that a route needs.
pub fn permit(ask: &Ask, route: &Route) -> Result<(), Refusal> {
    let version = ask.world().pve(ask.host).map(|pve| pve.version);
    let real = |name: &'static str| match (name, version) {
        ("@agent", Some(v)) => v.agent_privilege(),
        ("@file", Some(v)) => v.file_privilege(),
        _ => name,
    };
    let wanted: Vec<&str> = route.needs.iter().map(|n| real(n)).filter(|n| !n.starts_with('@')).collect();
    if wanted.is_empty() || wanted.iter().any(|p| ask.may(p)) {
        return Ok(());
    }
    if version.is_none() {
        return Err(Refusal::new(403, "permission check failed."));
    }
    let object =
        |part: &str, folder: &str| (!ask.part(part).is_empty()).then(|| format!("{folder}/{}", ask.part(part)));
    let path = object("vmid", "/vms").or_else(|| object("storage", "/storage")).or_else(|| object("node", "/nodes"));
    let path = path.unwrap_or_else(|| "/".to_owned());
    Err(Refusal::new(403, format!("Permission check failed ({path}, {})", wanted.join("|"))))
}

/// `GET /access/permissions`: everything is granted on `/`.
pub fn permissions(ask: &Ask) -> Outcome {
    let pbs = ask.world().pbs(ask.host).is_some();
    let value = if pbs { json!(true) } else { json!(1) };
    let rights: serde_json::Map<String, serde_json::Value> =
        ask.privileges.iter().map(|p| (p.clone(), value.clone())).mapped();
    data(json!({ (ask.param("path").unwrap_or("/")): rights }))
}

/// The privileges that hold at a host.
pub fn privileges(scene: &Scene, host: usize) -> Option<&std::collections::BTreeSet<String>> {
    scene.world.hosts.get(host).map(Host::privileges)
}

fn uuid(a: u64, b: u64) -> String {
    let node = b & 0xFFFF_FFFF_FFFF;
    format!("{:08x}-{:04x}-4{:03x}-a{:03x}-{node:012x}", a >> 32, a >> 16 & 0xFFFF, a & 0xFFF, b >> 48 & 0xFFF)
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Undoes percent encoding; what is not valid stays as it is.
pub fn percent_decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let pair = tail.get(..2).and_then(|p| std::str::from_utf8(p).ok());
        match pair.and_then(|p| u8::from_str_radix(p, 16).ok()).filter(|_| byte == b'%') {
            Some(decoded) => {
                out.push(decoded);
                rest = &tail[2..];
            }
            None => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
