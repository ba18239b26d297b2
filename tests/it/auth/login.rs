//! Logging in, sessions, Basic, lock-out.

use super::gate::{Gate, PASSWORD, TOKEN, USER, basic, cheap_hash};
use crate::support::folder::Folder;
use pulse::http::Method;
use serde_json::json;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_login_gives_both_cookies_and_the_session_reads_and_changes() {
    let mut gate = Gate::closed();
    let reply = gate.login(USER, PASSWORD);
    assert_eq!(
        (reply.status, &reply.body["success"], &reply.body["message"]),
        (200, &json!(true), &json!("Successfully logged in"))
    );
    let session = reply.set_cookie("pulse_session").unwrap();
    assert!(
        session.contains("HttpOnly")
            && session.contains("SameSite=Lax")
            && session.contains("Max-Age=86400")
            && session.contains("Path=/")
    );
    assert!(!session.contains("Secure"), "plain HTTP: a Secure cookie would be dropped");
    let csrf = reply.set_cookie("pulse_csrf").unwrap();
    assert!(!csrf.contains("HttpOnly"), "the page reads it");
    assert!(!reply.cookie("pulse_csrf").unwrap().contains('='), "4.9's page cuts the value at '='");
    let session = gate.session();
    assert_eq!(gate.get_in(&session, "/api/state").status, 200);
    assert_eq!(gate.post_in(&session, "/api/security/reset-lockout", &json!({"identifier": "x"})).status, 200);
}

#[test]
fn cookies_are_secure_behind_tls() {
    let mut gate = Gate::closed();
    let mut call =
        gate.call(Method::Post, "/api/login", &[], &json!({"username": USER, "password": PASSWORD}).to_string());
    call.tls = true;
    let answer = pulse::web::router::handle(&mut gate.desk.core, call);
    let reply = gate.settle(answer);
    assert!(reply.set_cookie("pulse_session").unwrap().contains("; Secure"));
}

#[test]
fn a_session_ends_by_logout_by_time_and_not_by_restart() {
    let mut gate = Gate::closed();
    let (first, second) = (gate.session(), gate.session());
    assert_eq!(gate.post_in(&first, "/api/logout", &json!({})).status, 200);
    assert_eq!(gate.get_in(&first, "/api/state").status, 401);
    gate.tick();
    let hash = cheap_hash("another");
    let vars = [("PULSE_AUTH_USER", USER), ("PULSE_AUTH_PASS", hash.as_str()), ("API_TOKEN", TOKEN)];
    let mut gate = gate.restarted(&vars);
    assert_eq!(gate.get_in(&second, "/api/state").status, 200, "kept over a restart");
    assert_eq!(gate.get_in(&first, "/api/state").status, 401);
    let file = String::from_utf8(gate.folder.read("sessions.json")).unwrap();
    assert!(!file.contains(&second.id) && !file.contains(&second.csrf), "only hashes on disk");
    gate.later(24 * 60 * MINUTE);
    assert_eq!(gate.get_in(&second, "/api/state").status, 401);
}

#[test]
fn logout_clears_both_cookies() {
    let mut gate = Gate::closed();
    let session = gate.session();
    let reply = gate.post_in(&session, "/api/logout", &json!({}));
    for name in ["pulse_session", "pulse_csrf"] {
        assert!(reply.set_cookie(name).unwrap().contains("Max-Age=0"), "{name}");
    }
    assert_eq!(gate.post("/api/logout", &[], &json!({})).status, 401);
}

#[test]
fn sessions_of_4_9_stay_logged_in() {
    let id = "0123456789abcdef".repeat(4);
    let folder = Folder::new("sessions");
    let entry = json!({ &id: {"token": id, "expires_at": "2025-08-27T20:00:00+02:00", "created_at": "2025-08-27T10:00:00Z", "ip": "10.0.0.1"} });
    folder.write("sessions.json", entry.to_string());
    let hash = cheap_hash(PASSWORD);
    let mut gate = Gate::over(folder, &[("PULSE_AUTH_USER", USER), ("PULSE_AUTH_PASS", &hash)]);
    let reply = gate.get("/api/state", &[("Cookie", &format!("pulse_session={id}"))]);
    assert_eq!(reply.status, 200);
    assert!(reply.cookie("pulse_csrf").is_some(), "it is given the CSRF token of the present version");
}

#[test]
fn wrong_logins_count_down_and_lock_the_peer() {
    let mut gate = Gate::closed();
    for left in (1..=4).rev() {
        let reply = gate.login(USER, "wrong");
        assert_eq!((reply.status, &reply.body["error"]), (401, &json!("invalid_credentials")));
        assert_eq!(
            (&reply.body["remaining"], &reply.body["attempts"], &reply.body["maxAttempts"]),
            (&json!(left), &json!(5 - left), &json!(5))
        );
        assert!(reply.body["message"].as_str().unwrap().contains(&left.to_string()));
    }
    let fifth = gate.login("nobody", "wrong");
    assert_eq!(
        (fifth.status, &fifth.body["locked"], &fifth.body["lockoutDuration"]),
        (401, &json!(true), &json!("15 minutes"))
    );
    let right = gate.login(USER, PASSWORD);
    assert_eq!(
        (right.status, &right.body["error"], &right.body["remainingMinutes"]),
        (403, &json!("account_locked"), &json!(15))
    );
    assert!(right.body["lockedUntil"].as_str().unwrap().contains('T'));
    let by_basic = gate.get("/api/state", &[("Authorization", &basic(USER, PASSWORD))]);
    assert_eq!((by_basic.status, &by_basic.body["error"]), (403, &json!("Account temporarily locked")));
    assert_eq!(gate.get("/api/state", &[("X-API-Token", TOKEN)]).status, 200, "tokens are not locked");

    gate.from("192.168.1.21");
    assert_eq!(gate.login(USER, PASSWORD).status, 200, "the user is not locked, only the peer is");
    gate.from("192.168.1.20").later(15 * MINUTE);
    assert_eq!(gate.login(USER, PASSWORD).status, 200, "the lock ends");
}

// 4.9 did not reset its counter: after a lock had run out one slip locked again.
#[test]
fn after_a_lock_a_slip_costs_one_attempt() {
    let mut gate = Gate::closed();
    for _ in 0..5 {
        gate.login(USER, "wrong");
    }
    gate.later(16 * MINUTE);
    assert_eq!(gate.login(USER, "wrong").body["remaining"], 4);
}

#[test]
fn a_lock_is_lifted_by_address_or_name_with_a_credential() {
    let mut gate = Gate::closed();
    for identifier in ["192.168.1.20", USER] {
        gate.from("192.168.1.20").later(2 * MINUTE);
        for _ in 0..5 {
            gate.login(USER, "wrong");
        }
        assert_eq!(gate.login(USER, PASSWORD).status, 403);
        gate.later(2 * MINUTE);
        gate.from("192.168.1.30");
        let body = json!({ "identifier": identifier });
        assert_eq!(gate.post("/api/security/reset-lockout", &[], &body).status, 401);
        let reset = gate.post("/api/security/reset-lockout", &[("X-API-Token", TOKEN)], &body);
        assert_eq!((reset.status, &reset.body["message"]), (200, &json!(format!("Lockout reset for {identifier}"))));
        gate.from("192.168.1.20");
        assert_eq!(gate.login(USER, PASSWORD).status, 200, "{identifier}");
    }
    let missing = gate.post("/api/security/reset-lockout", &[("X-API-Token", TOKEN)], &json!({}));
    assert_eq!((missing.status, &missing.body["code"]), (400, &json!("missing_identifier")));
}

#[test]
fn basic_works_on_every_path_and_wrong_basic_counts_as_a_failure() {
    let mut gate = Gate::closed();
    assert_eq!(gate.get("/api/state", &[("Authorization", &basic(USER, PASSWORD))]).status, 200);
    assert_eq!(gate.get("/api/state", &[("Authorization", &basic(USER, ""))]).status, 401);
    assert_eq!(gate.login(USER, "wrong").body["remaining"], 3);
    let reply = gate.get("/api/state", &[("Authorization", &basic(USER, PASSWORD))]);
    assert_eq!(reply.status, 200);
    assert!(reply.header("WWW-Authenticate").is_none() && reply.cookie("pulse_session").is_none());
}

// 4.9 answered 403 to a login when the browser still had the cookie of an ended session.
#[test]
fn a_stale_cookie_does_not_block_the_login() {
    let mut gate = Gate::closed();
    let cookie = format!("pulse_session={}; pulse_csrf=old", "0".repeat(64));
    let body = json!({"username": USER, "password": PASSWORD});
    assert_eq!(gate.post("/api/login", &[("Cookie", &cookie)], &body).status, 200);
    let live = gate.session();
    assert_eq!(gate.post("/api/login", &[("Cookie", &live.cookies())], &body).status, 200);
}

#[test]
fn bodies_are_read_as_4_9_reads_them() {
    let mut gate = Gate::closed();
    let reply = gate.ask(
        Method::Post,
        "/api/login",
        &[],
        &format!(r#"{{"USERNAME":"{USER}","Password":"{PASSWORD}","extra":1}} trailing"#),
    );
    assert_eq!(reply.status, 200);
    for body in ["", "{", "[]", r#"{"username":1}"#] {
        let reply = gate.ask(Method::Post, "/api/login", &[], body);
        assert_eq!((reply.status, &reply.body["code"]), (400, &json!("invalid_request")), "{body}");
    }
    assert_eq!(gate.ask(Method::Post, "/api/login", &[], "null").status, 401);
}

#[test]
fn with_only_half_an_account_nobody_gets_in_and_nothing_is_open() {
    for vars in [[("PULSE_AUTH_USER", USER)], [("PULSE_AUTH_PASS", "secret words")]] {
        let mut gate = Gate::with(&vars);
        assert_eq!(gate.get("/api/state", &[]).status, 401);
        assert_eq!(gate.login(USER, "").status, 401);
        assert_eq!(gate.login("", "secret words").status, 401);
        let setup =
            json!({"username": "thief", "password": "words of a thief", "apiToken": "token-of-a-thief-of-theirs"});
        assert_eq!(gate.post("/api/security/quick-setup", &[], &setup).status, 401, "no take-over either");
    }
}

#[test]
fn a_plain_password_of_the_environment_counts_at_once_and_is_then_hashed() {
    let mut gate = Gate::with(&[("PULSE_AUTH_USER", USER), ("PULSE_AUTH_PASS", PASSWORD)]);
    assert_eq!(gate.login(USER, PASSWORD).status, 200);
    gate.desk.until("the password is hashed", |core| core.doors.credentials.to_hash().is_none());
    assert_eq!(gate.login(USER, PASSWORD).status, 200);
    assert_eq!(gate.login(USER, "wrong").status, 401);
}
