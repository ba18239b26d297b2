//! Hosts that register themselves: setup codes, the script, and the registration (contract rest.md 9). Nothing is
//! registered without a code or a token, also on an instance without credentials.

use super::nodes::{not_saved, with_cluster};
use super::routes::{Limit, Policy, Route};
use crate::auth::audit::Outcome;
use crate::auth::identify::given_token;
use crate::auth::tokens::Scope;
use crate::auth::{entry, peer};
use crate::config::address::bare_host;
use crate::config::fields::Fields;
use crate::config::{Node, NodeRequest, Nodes, Secret};
use crate::http::{Call, Method, Response};
use crate::json::json;
use crate::owner::{Answer, Core};
use crate::proxmox::Kind;
use crate::setup::{LIFETIME, Script, pulse_url, shell_safe_host, shell_safe_secret};
use serde_json::Value;

pub const ROUTES: &[Route] = &[
    Route::new(Method::Post, "/api/setup-script-url", Policy::Manage, "A link to a setup script, and its code", link).gives(r#"{"type":"object","required":["url","command","setupCode","expires"],"properties":{"url":{"type":"string"},"command":{"type":"string"},"setupCode":{"type":"string"},"expires":{"type":"integer"}}}"#)
        .takes(r#"{"type":"object","required":["type","host"],"properties":{"type":{"enum":["pve","pbs"]},"host":{"type":"string"},"backupPerms":{"type":"boolean"}}}"#),
    Route::new(Method::Get, "/api/setup-script", Policy::Open, "The script that prepares a Proxmox host", script)
        .asks(&["type", "host", "pulse_url", "backup_perms", "auth_token"]).also(&[400]),
    Route::new(Method::Post, "/api/auto-register", Policy::Open, "Register a Proxmox host", register)
        .takes(r#"{"type":"object","required":["type","host","tokenId","tokenValue"],"properties":{"type":{"enum":["pve","pbs"]},"host":{"type":"string"},"serverName":{"type":"string"},"tokenId":{"type":"string"},"tokenValue":{"type":"string"},"setupCode":{"type":"string"}}}"#)
        .limited(Limit::Auth).also(&[401, 409]),
];

fn product(text: &str) -> Option<Kind> {
    match text {
        "pve" => Some(Kind::Pve),
        "pbs" => Some(Kind::Pbs),
        _ => None,
    }
}

fn bad(words: &str) -> Response {
    Response::error(400, words)
}

/// The address under which the caller reached Pulse.
fn own_url(core: &Core, call: &Call) -> Option<String> {
    let origin = peer::origin(call, &core.config.settings.trusted_proxies);
    let scheme = if origin.https { "https" } else { "http" };
    pulse_url(&format!("{scheme}://{}", origin.host))
}

fn link(core: &mut Core, call: &Call) -> Answer {
    match make_link(core, call) {
        Ok(answer) | Err(answer) => answer.into(),
    }
}

/// The code is told beside the link, never in it: links end up in histories and logs.
fn make_link(core: &mut Core, call: &Call) -> Result<Response, Response> {
    let invalid = |_| bad("Invalid request");
    let mut fields = Fields::of_body(&call.body).map_err(invalid)?;
    let mut text = |name: &str| fields.text(name).map(Option::unwrap_or_default).map_err(invalid);
    let (kind, host) = (text("type")?, text("host")?);
    let backup_perms = fields.flag("backupPerms").map_err(invalid)?.unwrap_or(false);
    let kind = product(&kind).ok_or_else(|| bad("Invalid type (must be 'pve' or 'pbs')"))?;
    if host.trim().is_empty() {
        return Err(bad("Host is required"));
    }
    let host = shell_safe_host(kind, &host).map_err(bad)?;
    let own = own_url(core, call).ok_or_else(|| bad("Invalid Host header"))?;
    let code = core.setup.issue(kind, &host, core.now).map_err(|e| Response::error(500, &e))?;
    let mut url = format!(
        "{own}/api/setup-script?type={}&host={}&pulse_url={}",
        kind.as_str(),
        query_escape(&host),
        query_escape(&own)
    );
    if backup_perms && kind == Kind::Pve {
        url += "&backup_perms=true";
    }
    let details = format!("setup code for {} {host}", kind.as_str());
    core.doors.note(entry("setup_code", call, &call.who.actor, Outcome::Success, &details, core.now));
    Ok(Response::json(&json!({
        "command": format!("curl -sSL \"{url}\" | bash"),
        "url": url,
        "setupCode": code,
        "expires": core.now.plus(LIFETIME).unix_secs(),
    }))
    .with("Cache-Control", "no-store"))
}

fn query_escape(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn script(core: &mut Core, call: &Call) -> Answer {
    match make_script(core, call) {
        Ok(script) => {
            let file = format!("attachment; filename=\"{}\"", script.file_name());
            Response::text(200, &script.text()).with("Content-Disposition", file).with("Cache-Control", "no-store")
        }
        Err(refused) => refused,
    }
    .into()
}

fn make_script(core: &Core, call: &Call) -> Result<Script, Response> {
    let given = |name: &str| call.query.get(name).map(str::trim).unwrap_or_default();
    let missing = || bad("Missing required parameter: type (must be 'pve' or 'pbs')");
    let kind = product(given("type")).ok_or_else(missing)?;
    let host = match given("host") {
        "" => String::new(),
        host => shell_safe_host(kind, host).map_err(bad)?,
    };
    let pulse_url = match given("pulse_url") {
        "" => own_url(core, call).ok_or_else(|| bad("Invalid Host header"))?,
        url => pulse_url(url).ok_or_else(|| bad("Invalid parameter: pulse_url"))?,
    };
    let code = given("auth_token");
    if !shell_safe_secret(code) {
        return Err(bad("Invalid parameter: auth_token"));
    }
    Ok(Script { kind, host, pulse_url, backup_perms: given("backup_perms") == "true", code: code.to_owned() })
}

/// What a script sends.
struct Registration {
    kind: String,
    host: String,
    name: String,
    token_id: String,
    token_value: Secret,
    /// A setup code or an API token.
    code: Secret,
}

impl Registration {
    /// Unlike most bodies the whole of it must be JSON (contract rest.md 1.5).
    fn read(body: &[u8]) -> Result<Registration, String> {
        let value: Value = serde_json::from_slice(body).map_err(|e| e.to_string())?;
        let mut fields = Fields::of(value, "registration")?;
        let mut text = |name: &str| fields.text(name).map(|t| t.unwrap_or_default().trim().to_owned());
        let (code, token) = (text("setupCode")?, text("authToken")?);
        Ok(Registration {
            kind: text("type")?,
            host: text("host")?,
            name: text("serverName")?,
            token_id: text("tokenId")?,
            token_value: Secret::new(text("tokenValue")?),
            code: Secret::new(if token.is_empty() { code } else { token }),
        })
    }

    /// The connection it describes: everything is asked for but garbage collection, as 4.9 had it.
    fn to_node(&self) -> Result<Node, Response> {
        let filled = [&self.kind, &self.host, &self.token_id].iter().all(|t| !t.is_empty());
        if !filled || self.token_value.is_empty() {
            return Err(bad("Missing required fields"));
        }
        if !self.token_id.contains('!') || !shell_safe_secret(self.token_value.expose()) {
            return Err(bad("Invalid token: a full token ID (user@realm!name) and its secret expected"));
        }
        let mut body = json!({
            "type": self.kind, "host": self.host, "name": self.name, "verifySSL": false,
            "tokenName": self.token_id, "tokenValue": self.token_value.expose(),
        });
        for flag in ["VMs", "Containers", "Storage", "Backups", "Datastores", "SyncJobs", "VerifyJobs", "PruneJobs"] {
            body[format!("monitor{flag}")] = json!(true);
        }
        let request = NodeRequest::read(body.to_string().as_bytes()).map_err(|_| bad("Invalid request format"))?;
        request.to_node().map_err(|refusal| Response::error(refusal.0, &refusal.1))
    }
}

fn register(core: &mut Core, call: &Call) -> Answer {
    match begin(core, call) {
        Ok(node) => {
            let noted = entry("auto_register", call, &call.who.actor, Outcome::Success, &node.host, core.now);
            with_cluster(core, node, move |core, node| {
                core.doors.note(noted);
                keep(core, node)
            })
        }
        Err(refused) => refused.into(),
    }
}

/// Judges a registration. A code is used up only when everything else is right.
fn begin(core: &mut Core, call: &Call) -> Result<Node, Response> {
    if core.config.settings.mock {
        return Err(Response::error(403, "Cannot modify nodes in mock mode"));
    }
    let registration = Registration::read(&call.body).map_err(|_| bad("Invalid request format"))?;
    let code = registration.code.expose();
    if code.is_empty() && !has_credential(core, call) {
        return Err(refused(core, call, "Pulse requires authentication"));
    }
    let node = registration.to_node()?;
    if !code.is_empty() && !is_token(core, code) && !core.setup.take(code, node.kind, &node.host, core.now) {
        return Err(refused(core, call, "Invalid or expired setup code"));
    }
    Ok(node)
}

fn refused(core: &mut Core, call: &Call, words: &str) -> Response {
    let noted = entry("auto_register", call, &call.who.actor, Outcome::Failure, words, core.now);
    core.doors.note_seldom(noted, call.peer, core.now);
    Response::error(401, words)
}

/// An API token that may change things.
fn is_token(core: &mut Core, given: &str) -> bool {
    core.doors.token(given, core.now).is_some_and(|opened| opened.may(Scope::Manage))
}

/// A credential in the request itself. That an instance is open is none.
fn has_credential(core: &mut Core, call: &Call) -> bool {
    let settings = core.config.settings.clone();
    let is_open = settings.auth.disabled || core.doors.is_unclaimed(&settings);
    (call.who.manage && !is_open) || given_token(call).is_some_and(|given| is_token(core, given))
}

/// Adds the connection, or gives the one of the same host its new token.
fn keep(core: &mut Core, mut node: Node) -> Answer {
    let mut next = Nodes::clone(core.config.nodes.latest());
    let same = |other: &Node| other.host.eq_ignore_ascii_case(&node.host);
    let list = next.of_mut(node.kind);
    let told = match list.iter_mut().find(|other| same(other)) {
        Some(old) => {
            old.user.clear();
            old.password = Secret::default();
            old.token_name = node.token_name;
            old.token_value = node.token_value;
            if node.is_cluster {
                old.set_cluster(&node.cluster_name, &node.cluster_endpoints);
            }
            told(old)
        }
        None => {
            node.name = free_name(list, &node);
            let told = told(&node);
            list.push(node);
            told
        }
    };
    core.save_nodes(
        next,
        Box::new(move |core, outcome| match outcome {
            Ok(()) => {
                core.announce("node_auto_registered", &told);
                core.tell_servers_of_change(false);
                let host = told["host"].as_str().unwrap_or_default();
                let message = format!("Node {host} auto-registered successfully");
                Response::json(&json!({ "status": "success", "message": message, "nodeId": host })).into()
            }
            Err(detail) => not_saved(&detail).into(),
        }),
    )
}

/// What clients hear of it (contract rest.md 9.4).
fn told(node: &Node) -> Value {
    json!({
        "type": node.kind.as_str(), "host": node.host, "name": node.name, "tokenId": node.token_name,
        "hasToken": true, "verifySSL": node.verify_ssl, "status": "connected",
    })
}

/// Two hosts may call themselves `pve`; names of connections are unique.
fn free_name(list: &[Node], node: &Node) -> String {
    let is_taken = |name: &str| list.iter().any(|other| other.name == name);
    let long = format!("{} ({})", node.name, bare_host(&node.host));
    let numbered = (2..).map(|n| format!("{long} {n}"));
    let mut names = [node.name.clone(), long.clone()].into_iter().chain(numbered);
    names.find(|name| !is_taken(name)).unwrap_or(long)
}
