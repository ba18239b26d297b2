//! API tokens: the one of the environment, API-only mode, and the named ones.

use super::gate::{Gate, PASSWORD, TOKEN, USER};
use pulse::auth::digest::Hash;
use pulse::http::Method;
use serde_json::{Value, json};
use std::time::Duration;

const TOKENS: &str = "/api/security/tokens";
const MAIN: [(&str, &str); 1] = [("X-API-Token", TOKEN)];

fn make(gate: &mut Gate, body: Value) -> (String, String) {
    let made = gate.post(TOKENS, &MAIN, &body);
    assert_eq!(made.status, 200, "{}", made.text);
    (made.body["info"]["id"].as_str().unwrap().to_owned(), made.body["token"].as_str().unwrap().to_owned())
}

// In API-only mode 4.9 accepted the stored hash and refused the token.
#[test]
fn with_a_token_alone_reading_is_open_and_changing_takes_the_token_not_its_hash() {
    let hash = Hash::of(TOKEN).hex();
    for configured in [TOKEN, &hash] {
        let mut gate = Gate::with(&[("API_TOKEN", configured)]);
        for path in ["/api/state", "/api/snapshots", "/api/backups", "/api/config/nodes"] {
            assert_eq!(gate.get(path, &[]).status, 200, "{path}");
        }
        let body = json!({"identifier": "x"});
        let refused = gate.post("/api/security/reset-lockout", &[], &body);
        assert_eq!((refused.status, &refused.body["error"]), (401, &json!("API token required")));
        assert_eq!(refused.header("WWW-Authenticate"), Some("Bearer realm=\"API Token Required\""));
        let by_hash = gate.post("/api/security/reset-lockout", &[("X-API-Token", &hash)], &body);
        assert_eq!((by_hash.status, &by_hash.body["error"]), (401, &json!("Invalid API token")));
        assert_eq!(gate.post("/api/security/reset-lockout", &MAIN, &body).status, 200);
        assert_eq!(gate.get("/api/state", &[("X-API-Token", "guess")]).status, 401, "a wrong token is told");
        assert_eq!(gate.get("/api/health", &[("X-API-Token", "guess")]).status, 200, "but not where none is needed");
    }
}

#[test]
fn a_named_token_does_what_its_scopes_say_and_is_shown_once() {
    let mut gate = Gate::closed();
    let (_, token) = make(&mut gate, json!({"name": "grafana", "scopes": ["read"]}));
    let header = [("X-API-Token", token.as_str())];
    assert_eq!(gate.get("/api/state", &header).status, 200);
    assert_eq!(gate.post("/api/security/reset-lockout", &header, &json!({"identifier": "x"})).status, 403);
    assert_eq!(gate.get(TOKENS, &header).status, 403);
    let list = gate.get(TOKENS, &MAIN);
    assert!(!list.text.contains(&token) && !list.text.contains(&Hash::of(&token).hex()));
    let shown = &list.body["tokens"][0];
    assert_eq!(
        (&shown["name"], &shown["scopes"], &shown["expires"]),
        (&json!("grafana"), &json!(["read"]), &Value::Null)
    );
    assert_eq!(shown["hint"].as_str().unwrap(), format!("...{}", &token[token.len() - 4..]));
    assert!(shown["lastUsed"].is_string());
    let file = String::from_utf8(gate.folder.read("api_tokens.json")).unwrap();
    assert!(!file.contains(&token));
}

#[test]
fn named_tokens_outlive_a_restart_and_end_by_date_or_revocation() {
    let mut gate = Gate::closed();
    let (id, revoked) = make(&mut gate, json!({"name": "a", "scopes": ["read"]}));
    let (_, ending) = make(&mut gate, json!({"name": "b", "scopes": ["read"], "expiresInDays": 1}));
    let hash = super::gate::cheap_hash(PASSWORD);
    let vars = [("PULSE_AUTH_USER", USER), ("PULSE_AUTH_PASS", hash.as_str()), ("API_TOKEN", TOKEN)];
    let mut gate = gate.restarted(&vars);
    for token in [&revoked, &ending] {
        assert_eq!(gate.get("/api/state", &[("X-API-Token", token)]).status, 200);
    }
    assert_eq!(gate.ask(Method::Delete, &format!("{TOKENS}/{id}"), &MAIN, "").status, 200);
    assert_eq!(gate.ask(Method::Delete, &format!("{TOKENS}/{id}"), &MAIN, "").status, 404);
    assert_eq!(gate.get("/api/state", &[("X-API-Token", &revoked)]).status, 401);
    gate.later(Duration::from_secs(86_400));
    assert_eq!(gate.get("/api/state", &[("X-API-Token", &ending)]).status, 401);
    assert_eq!(gate.get(TOKENS, &MAIN).body["tokens"][0]["expired"], true);
}

#[test]
fn a_token_cannot_give_itself_more_than_it_has() {
    let mut gate = Gate::closed();
    let (_, manager) = make(&mut gate, json!({"name": "m", "scopes": ["manage"]}));
    let header = [("X-API-Token", manager.as_str())];
    assert_eq!(gate.post(TOKENS, &header, &json!({"name": "x", "scopes": ["export"]})).status, 403);
    assert_eq!(gate.post("/api/security/regenerate-token", &header, &json!({})).status, 403);
    let mut alone = Gate::with(&[("API_TOKEN", TOKEN)]);
    let (_, manager_there) = make(&mut alone, json!({"name": "m", "scopes": ["manage"]}));
    let setup = json!({"username": USER, "password": PASSWORD, "generateApiToken": true});
    assert_eq!(alone.post("/api/security/quick-setup", &[("X-API-Token", &manager_there)], &setup).status, 403);
    assert_eq!(gate.post(TOKENS, &header, &json!({"name": "x", "scopes": ["read"]})).status, 200);
    for bad in [
        json!({"name": "", "scopes": ["read"]}),
        json!({"name": "y"}),
        json!({"name": "y", "scopes": ["root"]}),
        json!({"name": "y", "scopes": ["read"], "expiresInDays": -1}),
        json!([]),
    ] {
        assert_eq!(gate.post(TOKENS, &header, &bad).status, 400, "{bad}");
    }
}

#[test]
fn the_last_credential_cannot_be_revoked() {
    let mut gate = Gate::open();
    let made = gate.post(TOKENS, &[], &json!({"name": "only", "scopes": ["manage"]}));
    let token = made.body["token"].as_str().unwrap().to_owned();
    let id = made.body["info"]["id"].as_str().unwrap().to_owned();
    let reply = gate.ask(Method::Delete, &format!("{TOKENS}?id={id}"), &[("X-API-Token", &token)], "");
    assert_eq!(reply.status, 409, "everybody could change Pulse afterwards");
}

#[test]
fn a_damaged_token_file_keeps_pulse_from_starting_open() {
    let folder = crate::support::folder::Folder::new("tokens");
    folder.write("api_tokens.json", r#"{"tokens":[{"id":"#);
    assert!(crate::support::desk::Desk::try_open(&folder, &[]).is_err());
}

#[test]
fn what_authorised_a_socket_closes_it_when_it_ends() {
    let mut gate = Gate::closed();
    let (id, token) = make(&mut gate, json!({"name": "s", "scopes": ["read"]}));
    let session = gate.session();
    let cookies = session.cookies();
    let key = |gate: &mut Gate, headers: &[(&str, &str)]| {
        let all: Vec<_> = [("Upgrade", "websocket")].into_iter().chain(headers.iter().copied()).collect();
        gate.unlimited().get("/ws", &all).header("X-Pulse-Session").unwrap().to_owned()
    };
    let by_token = key(&mut gate, &[("X-API-Token", &token)]);
    let by_main = key(&mut gate, &MAIN);
    let by_session = key(&mut gate, &[("Cookie", &cookies)]);
    let by_basic = key(&mut gate, &[("Authorization", &super::gate::basic(USER, PASSWORD))]);
    let open = |gate: &Gate, key: &str| {
        let core = &gate.desk.core;
        core.doors.still_open(key, &core.config.settings, core.now)
    };
    for key in [&by_token, &by_main, &by_session, &by_basic] {
        assert!(open(&gate, key), "{key}");
        assert!(!key.contains(&token) && !key.contains(TOKEN) && !key.contains(&session.id));
    }
    assert!(!open(&gate, ""), "needs something here");
    gate.ask(Method::Delete, &format!("{TOKENS}/{id}"), &MAIN, "");
    assert!(!open(&gate, &by_token) && open(&gate, &by_main));
    gate.post("/api/security/regenerate-token", &MAIN, &json!({}));
    assert!(!open(&gate, &by_main) && open(&gate, &by_session) && open(&gate, &by_basic));
    let change = json!({"currentPassword": PASSWORD, "newPassword": "brand new words"});
    assert_eq!(gate.post_in(&session, "/api/security/change-password", &change).status, 200);
    assert!(!open(&gate, &by_session) && !open(&gate, &by_basic));
}
