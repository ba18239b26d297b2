//! How often anybody may ask (contract rest.md 2.9 with the public document's numbers).

use super::gate::{Gate, PASSWORD, TOKEN, USER};
use pulse::http::Method;
use serde_json::json;
use std::time::Duration;

#[test]
fn the_numbers_of_the_public_document_hold() {
    let mut gate = Gate::closed();
    let token = [("X-API-Token", TOKEN)];
    let mut through = |method: Method, target: &str| {
        gate.unlimited();
        (0..2_000).take_while(|_| gate.ask(method, target, &token, "{}").status != 429).count()
    };
    assert_eq!(through(Method::Get, "/api/snapshots"), 500);
    assert_eq!(through(Method::Post, "/api/security/reset-lockout"), 10);
    assert_eq!(through(Method::Post, "/api/config/export"), 5);
    assert_eq!(through(Method::Get, "/api/health"), 2_000);
    assert_eq!(through(Method::Get, "/api/state"), 2_000);
    assert_eq!(through(Method::Get, "/api/nothing"), 500, "unknown paths too");
}

// 4.9 looked for words in the path, so `/api/guests/metadata/ws-1` had five calls a minute, and it wrote the limit as one
// character with that code.
#[test]
fn a_refusal_tells_when_to_come_back_and_paths_are_not_searched_for_words() {
    let mut gate = Gate::closed();
    let token = [("X-API-Token", TOKEN)];
    for n in 0..40 {
        assert_ne!(gate.get("/api/guests/metadata/ws-login-export", &token).status, 429, "call {n}");
    }
    for _ in 0..10 {
        gate.login("nobody", "wrong");
    }
    let reply = gate.login(USER, PASSWORD);
    assert_eq!((reply.status, &reply.body["error"]), (429, &json!("rate_limit")));
    assert!(reply.body["message"].as_str().unwrap().starts_with("Too many requests."));
    assert_eq!((reply.header("X-RateLimit-Limit"), reply.header("X-RateLimit-Remaining")), (Some("10"), Some("0")));
    assert!(reply.header("X-RateLimit-Reset").unwrap().contains('T') && reply.header("X-Frame-Options").is_some());
    let wait: u64 = reply.header("Retry-After").unwrap().parse().unwrap();
    gate.later(Duration::from_secs(wait));
    assert_ne!(gate.login("nobody", "wrong").status, 429);
}

// 4.9 drew twice from the bucket, so that only five logins a minute came through.
#[test]
fn a_login_counts_once() {
    let mut gate = Gate::closed();
    for n in 0..10 {
        assert_eq!(gate.login(USER, PASSWORD).status, 200, "login {n}");
    }
    assert_eq!(gate.login(USER, PASSWORD).status, 429);
}

#[test]
fn another_peer_has_its_own_count_and_forged_headers_give_no_new_one() {
    let mut gate = Gate::closed();
    let body = json!({"username": "nobody", "password": "x"});
    for n in 0..10 {
        let forged = format!("10.0.0.{n}");
        gate.post("/api/login", &[("X-Forwarded-For", &forged), ("X-Real-IP", &forged)], &body);
    }
    assert_eq!(gate.post("/api/login", &[("X-Forwarded-For", "10.9.9.9")], &body).status, 429);
    assert_eq!(gate.from("192.168.1.99").login(USER, PASSWORD).status, 200);
}
