//! First set-up, changing the password, replacing the token, and `.env` changing underneath.

use super::gate::{Gate, PASSWORD, TOKEN, USER, basic, cheap_hash};
use crate::support::folder::Folder;
use serde_json::{Value, json};
use std::time::Duration;

const SETUP: &str = "/api/security/quick-setup";

fn setup() -> Value {
    json!({"username": USER, "password": PASSWORD, "apiToken": "0123456789abcdef0123456789abcdef0123456789abcdef"})
}

fn env_of(gate: &Gate) -> String {
    String::from_utf8(gate.folder.read(".env")).unwrap()
}

#[test]
fn the_first_set_up_counts_at_once_and_after_a_restart() {
    let mut gate = Gate::open();
    assert_eq!(gate.get("/api/security/status", &[]).body["hasAuthentication"], false);
    let reply = gate.post(SETUP, &[], &setup());
    assert_eq!(
        (reply.status, &reply.body["success"], &reply.body["requiresManualRestart"]),
        (200, &json!(true), &json!(false))
    );
    for key in ["message", "method", "envFile", "deploymentType"] {
        assert!(reply.body[key].is_string(), "{key}");
    }
    assert_eq!(gate.get("/api/state", &[]).status, 401);
    assert_eq!(gate.get("/api/security/status", &[]).body["hasAuthentication"], true);
    assert_eq!(gate.login(USER, PASSWORD).status, 200);
    let token = setup()["apiToken"].as_str().unwrap().to_owned();
    assert_eq!(gate.get("/api/state", &[("X-API-Token", &token)]).status, 200);
    let env = env_of(&gate);
    assert!(
        env.contains("PULSE_AUTH_USER='admin'")
            && env.contains("PULSE_AUTH_PASS='$2")
            && !env.contains(PASSWORD)
            && !env.contains(&token)
    );
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(gate.folder.path().join(".env")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut gate = gate.restarted(&[]);
    assert_eq!(gate.login(USER, PASSWORD).status, 200);
    assert_eq!(gate.get("/api/state", &[("X-API-Token", &token)]).status, 200);
}

#[test]
fn set_up_can_make_the_token_and_leaves_other_settings_alone() {
    let folder = Folder::new("setup");
    folder
        .write("system.json", r#"{"pollingInterval":30,"connectionTimeout":20,"theme":"dark","allowEmbedding":true}"#);
    folder.write(".env", "# mine\nLOG_LEVEL=debug\n");
    let mut gate = Gate::over(folder, &[]);
    let reply = gate.post(
        SETUP,
        &[],
        &json!({"username": USER, "password": PASSWORD, "generateApiToken": true, "pollingInterval": 15}),
    );
    let token = reply.body["apiToken"].as_str().unwrap();
    assert!(token.len() >= 32 && reply.body["token"] == token);
    assert_eq!(gate.get("/api/state", &[("X-API-Token", token)]).status, 200);
    let system: Value = serde_json::from_slice(&gate.folder.read("system.json")).unwrap();
    assert_eq!(
        (&system["pollingInterval"], &system["connectionTimeout"], &system["theme"], &system["allowEmbedding"]),
        (&json!(15), &json!(20), &json!("dark"), &json!(true))
    );
    assert!(env_of(&gate).starts_with("# mine\nLOG_LEVEL=debug\n"));
}

// With 4.9 anybody could set a password on an instance that had only a token, a proxy or a user name.
#[test]
fn nobody_takes_over_an_instance_that_has_any_credential() {
    let hash = cheap_hash(PASSWORD);
    for vars in [
        vec![("API_TOKEN", TOKEN)],
        vec![("PROXY_AUTH_SECRET", "x")],
        vec![("PULSE_AUTH_USER", USER)],
        vec![("PULSE_AUTH_PASS", hash.as_str())],
    ] {
        let mut gate = Gate::with(&vars);
        assert_eq!(gate.post(SETUP, &[], &setup()).status, 401, "{:?}", vars[0].0);
        assert!(!gate.folder.has(".env"));
    }
    let mut token_only = Gate::with(&[("API_TOKEN", TOKEN)]);
    assert_eq!(token_only.post(SETUP, &[("X-API-Token", TOKEN)], &setup()).status, 200, "its owner adds a password");
    let mut closed = Gate::closed();
    let reply = closed.post(SETUP, &[], &setup());
    assert_eq!((reply.status, &reply.body["skipped"]), (200, &json!(true)));
    assert_eq!(closed.login(USER, PASSWORD).status, 200);
}

#[test]
fn from_outside_the_first_set_up_takes_the_code_of_the_log() {
    let mut gate = Gate::open();
    gate.from("203.0.113.9");
    let refused = gate.post(SETUP, &[("X-Forwarded-For", "10.0.0.1")], &setup());
    assert_eq!(refused.status, 403);
    let mut with_code = setup();
    with_code["setupCode"] = "guess".into();
    assert_eq!(gate.post(SETUP, &[], &with_code).status, 403);
    let code = gate.desk.core.doors.bootstrap().unwrap().expose().to_owned();
    with_code["setupCode"] = code.into();
    assert_eq!(gate.post(SETUP, &[], &with_code).status, 200);
    assert!(gate.desk.core.doors.bootstrap().is_none(), "its work is done");
}

#[test]
fn two_set_ups_at_once_make_one_account() {
    let mut gate = Gate::open();
    let mut other = setup();
    other["username"] = "second".into();
    let calls = [setup(), other].map(|body| gate.call(pulse::http::Method::Post, SETUP, &[], &body.to_string()));
    let waiting: Vec<_> = calls
        .into_iter()
        .map(|call| {
            let answer = pulse::web::router::handle(&mut gate.desk.core, call);
            let (reply, waiting) = crossbeam_channel::bounded(1);
            gate.desk.core.finish(answer, Some(reply));
            waiting
        })
        .collect();
    let replies: Vec<_> = waiting.iter().map(|w| super::gate::reply_of(&gate.desk.wait(w))).collect();
    let made = replies.iter().filter(|r| r.status == 200 && r.body["skipped"].is_null()).count();
    assert_eq!(made, 1);
}

#[test]
fn what_cannot_be_an_account_is_refused() {
    let mut gate = Gate::open();
    for (key, value) in [
        ("username", json!("")),
        ("username", json!("a\nDISABLE_AUTH=true")),
        ("username", json!("o'neill")),
        ("password", json!("short")),
        ("password", json!("x".repeat(73))),
        ("apiToken", json!("")),
        ("apiToken", json!("short")),
        ("username", json!(7)),
    ] {
        let mut body = setup();
        body[key] = value.clone();
        let reply = gate.unlimited().post(SETUP, &[], &body);
        assert_eq!(reply.status, 400, "{key}: {value}");
        assert!(reply.body["error"].is_string());
    }
    assert!(!gate.folder.has(".env"));
}

// 4.9 never looked at the current password: any text in an Authorization header was enough.
#[test]
fn changing_the_password_takes_the_current_one() {
    let mut gate = Gate::closed();
    let session = gate.session();
    let change = "/api/security/change-password";
    let wish = |current: &str| json!({"currentPassword": current, "newPassword": "brand new words"});
    for headers in [vec![], vec![("Authorization", "anything")]] {
        assert_eq!(gate.post(change, &headers, &wish(PASSWORD)).status, 401);
    }
    let cookies = session.cookies();
    let by_header = basic(USER, PASSWORD);
    let all =
        [("Cookie", cookies.as_str()), ("X-CSRF-Token", session.csrf.as_str()), ("Authorization", by_header.as_str())];
    for current in ["", "wrong"] {
        let reply = gate.post(change, &all, &wish(current));
        assert_eq!(
            (reply.status, &reply.body["code"]),
            (401, &json!("unauthorized")),
            "the header does not replace it"
        );
    }
    let short = gate.post_in(&session, change, &json!({"currentPassword": PASSWORD, "newPassword": "short"}));
    assert_eq!((short.status, &short.body["code"]), (400, &json!("invalid_password")));
    let reply = gate.post_in(&session, change, &wish(PASSWORD));
    assert_eq!((reply.status, &reply.body["success"]), (200, &json!(true)));
    assert_eq!(gate.get_in(&session, "/api/state").status, 401, "all sessions have ended");
    assert_eq!(gate.get("/api/state", &[("Authorization", &by_header)]).status, 401, "also where it was remembered");
    assert_eq!(gate.unlimited().login(USER, "brand new words").status, 200);
    let hash = cheap_hash(PASSWORD);
    let mut gate = gate.restarted(&[("PULSE_AUTH_USER", USER), ("PULSE_AUTH_PASS", &hash), ("API_TOKEN", TOKEN)]);
    assert_eq!(gate.login(USER, "brand new words").status, 200, "and it stays changed");
    assert_eq!(gate.get("/api/state", &[("X-API-Token", TOKEN)]).status, 200, "the token was not touched");
}

#[test]
fn guessing_the_current_password_with_a_stolen_session_locks() {
    let mut gate = Gate::closed();
    let session = gate.session();
    for _ in 0..5 {
        let guess = json!({"currentPassword": "guess", "newPassword": "brand new words"});
        assert_eq!(gate.post_in(&session, "/api/security/change-password", &guess).status, 401);
    }
    let right = json!({"currentPassword": PASSWORD, "newPassword": "brand new words"});
    assert_eq!(gate.unlimited().post_in(&session, "/api/security/change-password", &right).status, 403);
}

// 4.9 replaced the running token before it looked for the file, and then had nothing to write it into.
#[test]
fn a_new_token_is_durable_before_the_old_one_ends() {
    let mut gate = Gate::closed();
    let reply = gate.post("/api/security/regenerate-token", &[("X-API-Token", TOKEN)], &json!({}));
    assert_eq!(reply.status, 200, "{}", reply.text);
    let token = reply.body["token"].as_str().unwrap().to_owned();
    assert_eq!(token.len(), 64);
    assert_eq!(gate.get("/api/state", &[("X-API-Token", TOKEN)]).status, 401);
    assert_eq!(gate.get("/api/state", &[("X-API-Token", &token)]).status, 200);
    assert!(!env_of(&gate).contains(&token));
    assert_eq!(gate.login(USER, PASSWORD).status, 200, "the account of the environment stays");
    let stored =
        env_of(&gate).lines().find_map(|l| l.strip_prefix("API_TOKEN=")).unwrap().trim_matches('\'').to_owned();
    assert_eq!(gate.get("/api/state", &[("X-API-Token", &stored)]).status, 401, "the stored hash opens nothing");
}

#[test]
fn when_the_disk_refuses_the_old_credentials_stay() {
    let mut gate = Gate::closed();
    std::fs::create_dir(gate.folder.path().join(".env")).unwrap();
    let reply = gate.post("/api/security/regenerate-token", &[("X-API-Token", TOKEN)], &json!({}));
    assert_eq!(reply.status, 500);
    assert_eq!(gate.get("/api/state", &[("X-API-Token", TOKEN)]).status, 200);
    let session = gate.session();
    let change = json!({"currentPassword": PASSWORD, "newPassword": "brand new words"});
    assert_eq!(gate.post_in(&session, "/api/security/change-password", &change).status, 500);
    assert_eq!(gate.get_in(&session, "/api/state").status, 200);
    assert_eq!(gate.login(USER, PASSWORD).status, 200);
}

#[test]
fn an_open_instance_becomes_token_only_by_asking_for_a_token() {
    let mut gate = Gate::open();
    gate.from("203.0.113.9");
    assert_eq!(gate.post("/api/security/regenerate-token", &[], &json!({})).status, 403, "not by a stranger");
    gate.from("192.168.1.20");
    let token = gate.post("/api/security/regenerate-token", &[], &json!({})).body["token"].as_str().unwrap().to_owned();
    assert_eq!(gate.get("/api/state", &[]).status, 200, "reading stays open");
    assert_eq!(gate.post("/api/security/reset-lockout", &[], &json!({"identifier": "x"})).status, 401);
    assert_eq!(
        gate.post("/api/security/reset-lockout", &[("X-API-Token", &token)], &json!({"identifier": "x"})).status,
        200
    );
    assert_eq!(
        gate.get("/api/security/status", &[]).body["hasAuthentication"],
        true,
        "4.9's page would show set-up otherwise"
    );
}

// With 4.9 any event on `.env` dropped the credentials of the environment, and a broken line opened the instance.
#[test]
fn a_change_of_env_from_outside_counts_and_never_opens() {
    let mut gate = Gate::closed();
    let session = gate.session();
    gate.folder.write(".env", "LOG_LEVEL=debug\n");
    gate.desk.core.config.writer.look();
    gate.desk.idle(Duration::from_millis(150));
    assert_eq!(gate.get_in(&session, "/api/state").status, 200, "the environment's account still counts");
    gate.folder.write(".env", "this is no line\n");
    gate.desk.core.config.writer.look();
    gate.desk.idle(Duration::from_millis(150));
    assert_eq!(gate.get("/api/state", &[]).status, 401);
    gate.folder.write(".env", format!("PULSE_AUTH_USER=other\nPULSE_AUTH_PASS='{}'\n", cheap_hash("other words")));
    gate.desk.core.config.writer.look();
    gate.desk.idle(Duration::from_millis(150));
    assert_eq!(gate.get_in(&session, "/api/state").status, 401, "another account: sessions have ended");
    assert_eq!(gate.login("other", "other words").status, 200);
    assert_eq!(gate.get("/api/state", &[("X-API-Token", TOKEN)]).status, 200);
}
