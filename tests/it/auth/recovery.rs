//! Getting back in, disabled authentication, and what the status tells.

use super::gate::{Gate, PASSWORD, TOKEN, USER, cheap_hash};
use crate::support::folder::Folder;
use pulse::http::Method;
use serde_json::json;
use std::time::Duration;

const RECOVERY: &str = "/api/security/recovery";

// 4.9 kept the route behind the very login that was locked, believed any proxy on the same host, and never ended the mode.
#[test]
fn from_this_machine_recovery_opens_pulse_for_an_hour() {
    let mut gate = Gate::closed();
    gate.here();
    for _ in 0..5 {
        gate.login(USER, "wrong");
    }
    let show = gate.get(RECOVERY, &[]);
    assert_eq!((show.status, &show.body["recovery_mode"]), (200, &json!(false)));
    assert_eq!(gate.get("/api/state", &[]).status, 401);
    assert_eq!(gate.post(RECOVERY, &[], &json!({"action": "disable_auth"})).body["success"], true);
    let state = gate.get("/api/state", &[]);
    assert_eq!((state.status, state.header("X-Auth-Recovery")), (200, Some("true")));
    assert_eq!(
        gate.get("/api/state", &[("X-Forwarded-For", "127.0.0.1")]).status,
        401,
        "a proxy on this machine is not this machine"
    );
    for elsewhere in ["192.168.1.20", "203.0.113.9", "::ffff:10.0.0.1"] {
        assert_eq!(gate.from(elsewhere).get("/api/state", &[]).status, 401, "{elsewhere}");
    }
    assert_eq!(gate.from("::1").get("/api/state", &[]).status, 200);
    assert_eq!(gate.from("::ffff:127.0.0.1").get("/api/state", &[]).status, 200);
    assert!(gate.folder.has(".auth_recovery"));
    gate.later(Duration::from_secs(3600));
    assert_eq!(gate.get("/api/state", &[]).status, 401);
    gate.tick();
    assert!(!gate.folder.has(".auth_recovery"), "the flag goes with it");
}

#[test]
fn the_flag_can_be_made_and_removed_by_hand() {
    let mut gate = Gate::closed();
    gate.here();
    for (flag, status) in [(true, 200), (false, 401)] {
        if flag {
            gate.folder.write(".auth_recovery", "");
        } else {
            std::fs::remove_file(gate.folder.path().join(".auth_recovery")).unwrap();
        }
        gate.desk.core.config.writer.look();
        gate.desk.idle(Duration::from_millis(150));
        assert_eq!(gate.get("/api/state", &[]).status, status);
    }
}

// A website whose name is made to point to 127.0.0.1 is "the same origin" to a browser on this machine.
#[test]
fn a_name_that_points_here_is_not_this_machine() {
    let mut gate = Gate::closed();
    gate.from("127.0.0.1").host = "evil.example:7655";
    assert_eq!(gate.post(RECOVERY, &[], &json!({"action": "disable_auth"})).status, 403);
    for host in ["localhost:7655", "127.0.0.1:7655", "[::1]:7655", "::1", "192.168.1.5"] {
        gate.host = host;
        assert_eq!(gate.unlimited().get(RECOVERY, &[]).status, 200, "{host}");
    }
}

#[test]
fn recovery_ends_when_told_and_knows_its_actions() {
    let mut gate = Gate::closed();
    gate.here();
    assert_eq!(gate.post(RECOVERY, &[], &json!({"action": "enable_auth"})).body["success"], false);
    gate.post(RECOVERY, &[], &json!({"action": "disable_auth"}));
    assert_eq!(gate.post(RECOVERY, &[], &json!({"action": "enable_auth"})).body["success"], true);
    assert_eq!(gate.get("/api/state", &[]).status, 401);
    let odd = gate.post(RECOVERY, &[], &json!({"action": "dance"}));
    assert_eq!(
        (odd.status, &odd.body["message"]),
        (200, &json!("Invalid action. Use 'disable_auth' or 'enable_auth'"))
    );
    assert_eq!(gate.ask(Method::Post, RECOVERY, &[], "{").status, 400);
    let forged = gate.ask(
        Method::Post,
        RECOVERY,
        &[("Origin", "https://evil.example"), ("Content-Type", "text/plain")],
        r#"{"action":"disable_auth"}"#,
    );
    assert_eq!(forged.status, 403, "a website in this machine's browser");
}

#[test]
fn elsewhere_recovery_takes_a_token_and_only_once() {
    let mut gate = Gate::closed();
    for headers in [
        vec![],
        vec![("X-Recovery-Token", "guess")],
        vec![("X-Forwarded-For", "127.0.0.1")],
        vec![("X-API-Token", TOKEN)],
    ] {
        assert_eq!(gate.get(RECOVERY, &headers).status, 403, "{headers:?}");
    }
    gate.here();
    let made = gate.post(RECOVERY, &[], &json!({"action": "generate_token", "duration": 5}));
    assert_eq!((made.body["token"].as_str().unwrap().len(), &made.body["expires_in_minutes"]), (64, &json!(5)));
    let token = made.body["token"].as_str().unwrap().to_owned();
    gate.from("192.168.1.20");
    assert_eq!(gate.get(RECOVERY, &[("X-Recovery-Token", &token)]).status, 200);
    assert_eq!(gate.get(RECOVERY, &[("X-Recovery-Token", &token)]).status, 403, "used");
    gate.here();
    let late =
        gate.post(RECOVERY, &[], &json!({"action": "generate_token"})).body["token"].as_str().unwrap().to_owned();
    gate.from("192.168.1.20").later(Duration::from_secs(15 * 60));
    assert_eq!(gate.get(RECOVERY, &[("X-Recovery-Token", &late)]).status, 403, "too late");
}

#[test]
fn a_flag_left_by_4_9_does_not_open_the_instance_for_ever() {
    let folder = Folder::new("flag");
    folder.write(".auth_recovery", "Recovery mode enabled\n");
    let hash = cheap_hash(PASSWORD);
    let mut gate = Gate::over(folder, &[("PULSE_AUTH_USER", USER), ("PULSE_AUTH_PASS", &hash)]);
    assert_eq!(gate.get("/api/state", &[]).status, 401);
    assert_eq!(gate.here().get("/api/state", &[]).status, 200);
    gate.later(Duration::from_secs(3600));
    assert_eq!(gate.get("/api/state", &[]).status, 401);
}

#[test]
fn restarting_leaves_no_flag_and_happens_only_under_systemd() {
    let mut gate = Gate::closed();
    let reply = gate.post("/api/security/apply-restart", &[("X-API-Token", TOKEN)], &json!({}));
    assert_eq!((reply.status, &reply.body["success"]), (200, &json!(false)));
    assert!(!gate.folder.has(".auth_recovery"));
    let hash = cheap_hash(PASSWORD);
    let mut gate = Gate::with(&[
        ("PULSE_AUTH_USER", USER),
        ("PULSE_AUTH_PASS", &hash),
        ("API_TOKEN", TOKEN),
        ("INVOCATION_ID", "1"),
    ]);
    let reply = gate.post("/api/security/apply-restart", &[("X-API-Token", TOKEN)], &json!({}));
    assert_eq!((reply.status, &reply.body["success"]), (200, &json!(true)));
    assert!(!gate.folder.has(".auth_recovery"));
}

#[test]
fn with_authentication_disabled_everything_is_open_but_a_wrong_token_and_the_export() {
    let hash = cheap_hash(PASSWORD);
    let mut gate = Gate::with(&[
        ("PULSE_AUTH_USER", USER),
        ("PULSE_AUTH_PASS", &hash),
        ("API_TOKEN", TOKEN),
        ("DISABLE_AUTH", "true"),
    ]);
    let state = gate.from("203.0.113.9").get("/api/state", &[]);
    assert_eq!((state.status, state.header("X-Auth-Disabled")), (200, Some("true")));
    let right = gate.get("/api/state", &[("X-API-Token", TOKEN)]);
    assert_eq!((right.status, right.header("X-Auth-Method")), (200, Some("api-token")));
    let wrong = gate.get("/api/state", &[("X-API-Token", "guess")]);
    assert_eq!((wrong.status, &wrong.body["error"]), (401, &json!("Invalid API token")));
    let export = json!({"passphrase": "long enough for this"});
    assert_eq!(gate.post("/api/config/export", &[], &export).status, 401);
    assert_eq!(gate.post("/api/config/export", &[("X-API-Token", TOKEN)], &export).status, 200);
    let status = gate.get("/api/security/status", &[]).body;
    assert_eq!(
        (&status["disabled"], &status["configured"], &status["hasAuthentication"]),
        (&json!(true), &json!(false), &json!(false))
    );
}

#[test]
fn the_status_has_every_key_of_4_9_and_tells_strangers_nothing_secret() {
    let mut gate = Gate::closed();
    let status = gate.get("/api/security/status", &[]).body;
    for key in [
        "hasAuthentication",
        "requiresAuth",
        "apiTokenConfigured",
        "apiTokenHint",
        "configuredButPendingRestart",
        "exportProtected",
        "unprotectedExportAllowed",
        "hasAuditLogging",
        "credentialsEncrypted",
        "hasHTTPS",
        "clientIP",
        "isPrivateNetwork",
        "publicAccess",
        "isTrustedNetwork",
        "hasProxyAuth",
        "proxyAuthLogoutURL",
        "proxyAuthUsername",
        "proxyAuthIsAdmin",
    ] {
        assert!(!status[key].is_null(), "{key}");
    }
    assert_eq!(
        (&status["apiTokenHint"], &status["authenticated"], &status["username"]),
        (&json!(""), &json!(false), &json!(""))
    );
    let known = gate.get("/api/security/status", &[("X-API-Token", TOKEN)]).body;
    let hint = known["apiTokenHint"].as_str().unwrap();
    assert!(hint.len() == 11 && hint.contains("..."));
}

#[test]
fn an_open_instance_may_be_exported_from_its_own_network_only() {
    let export = json!({"passphrase": "long enough for this"});
    let mut gate = Gate::open();
    assert_eq!(gate.post("/api/config/export", &[], &export).status, 200);
    let refused = gate.from("203.0.113.9").post("/api/config/export", &[], &export);
    assert_eq!(
        (refused.status, &refused.body["error"]),
        (403, &json!("Export requires authentication on public networks"))
    );
    let mut allowed = Gate::with(&[("ALLOW_UNPROTECTED_EXPORT", "true")]);
    assert_eq!(allowed.from("203.0.113.9").post("/api/config/export", &[], &export).status, 200);
}
