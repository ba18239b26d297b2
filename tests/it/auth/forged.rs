//! Requests that another site makes a browser send.

use super::gate::{Gate, HOST, PASSWORD, TOKEN, USER, basic};
use pulse::http::Method;
use serde_json::json;

const CHANGE: &str = "/api/security/reset-lockout";

// 4.9 let any non-empty X-CSRF-Token pass with a live session, and any Authorization header switched the check off.
#[test]
fn a_session_changes_nothing_without_its_own_token() {
    let mut gate = Gate::closed();
    let (session, other) = (gate.session(), gate.session());
    let cookies = session.cookies();
    let body = json!({"identifier": "x"});
    for headers in [
        vec![],
        vec![("X-CSRF-Token", "")],
        vec![("X-CSRF-Token", "x")],
        vec![("X-CSRF-Token", other.csrf.as_str())],
        vec![("X-CSRF-Token", session.id.as_str())],
        vec![("Authorization", "Bearer guess")],
        vec![("Authorization", "anything")],
        vec![("X-API-Token", "guess")],
    ] {
        let all: Vec<_> = [("Cookie", cookies.as_str())].into_iter().chain(headers.clone()).collect();
        let reply = gate.unlimited().post(CHANGE, &all, &body);
        assert_eq!(reply.status, 403, "{headers:?}");
        assert!(reply.body["error"].as_str().unwrap().contains("CSRF"), "4.9's page looks for this word");
    }
    assert_eq!(gate.post_in(&session, CHANGE, &body).status, 200);
    let form = format!("csrf_token={}", session.csrf);
    let in_form = [("Cookie", cookies.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
    assert_eq!(gate.ask(Method::Post, CHANGE, &in_form, &form).status, 400, "let in; the body is no JSON");
}

#[test]
fn a_page_that_lost_its_token_is_given_it_again() {
    let mut gate = Gate::closed();
    let session = gate.session();
    for cookies in [format!("pulse_session={}", session.id), format!("pulse_session={}; pulse_csrf=stale=", session.id)]
    {
        let read = gate.get("/api/state", &[("Cookie", &cookies)]);
        assert_eq!(read.cookie("pulse_csrf"), Some(session.csrf.as_str()));
        let refused = gate.post(CHANGE, &[("Cookie", &cookies)], &json!({}));
        assert_eq!(
            (refused.status, refused.cookie("pulse_csrf")),
            (403, Some(session.csrf.as_str())),
            "so that it can repeat"
        );
    }
    assert!(gate.get_in(&session, "/api/state").cookie("pulse_csrf").is_none(), "not on every answer");
}

// 4.9 panicked on session cookies and tokens shorter than eight characters.
#[test]
fn odd_cookies_and_tokens_are_just_wrong() {
    let mut gate = Gate::closed();
    let session = gate.session();
    for id in ["", "a", "1234567", "é", "\"", &"f".repeat(10_000)] {
        let cookie = format!("pulse_session={id}");
        assert_eq!(
            gate.post(CHANGE, &[("Cookie", &cookie), ("X-CSRF-Token", "a")], &json!({})).status,
            401,
            "{id:.10}"
        );
    }
    for token in ["a", "é", &"f".repeat(10_000)] {
        let headers = [("Cookie", session.cookies()), ("X-CSRF-Token", token.to_owned())];
        let headers: Vec<_> = headers.iter().map(|(k, v)| (*k, v.as_str())).collect();
        assert_eq!(gate.post(CHANGE, &headers, &json!({})).status, 403);
    }
}

#[test]
fn tokens_need_no_csrf_and_work_from_anywhere() {
    let mut gate = Gate::closed();
    let body = json!({"identifier": "x"});
    let bearer = format!("Bearer {TOKEN}");
    for auth in [("X-API-Token", TOKEN), ("Authorization", bearer.as_str())] {
        assert_eq!(gate.post(CHANGE, &[auth, ("Origin", "https://elsewhere.example")], &body).status, 200);
    }
    assert_eq!(gate.post(&format!("{CHANGE}?token={TOKEN}"), &[], &body).status, 200);
}

// Nothing but the network protects an open instance, and a browser inside it obeys any website.
#[test]
fn another_site_cannot_change_an_open_instance_or_use_remembered_passwords() {
    let same = format!("http://{HOST}");
    let password = basic(USER, PASSWORD);
    let body = r#"{"identifier":"x"}"#;
    for (mut gate, auth) in [
        (Gate::open(), None),
        (Gate::with(&[("DISABLE_AUTH", "true")]), None),
        (Gate::closed(), Some(password.as_str())),
    ] {
        let mut post = |headers: &[(&str, &str)]| {
            let all: Vec<_> = auth.map(|a| ("Authorization", a)).into_iter().chain(headers.iter().copied()).collect();
            gate.unlimited().ask(Method::Post, CHANGE, &all, body).status
        };
        let form = ("Content-Type", "text/plain");
        let json = ("Content-Type", "application/json");
        assert_eq!(post(&[form, ("Origin", "https://evil.example")]), 403);
        assert_eq!(post(&[form, ("Origin", "null")]), 403);
        assert_eq!(post(&[json, ("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil.example")]), 403);
        assert_eq!(post(&[form, ("Sec-Fetch-Site", "same-site")]), 403);
        assert_eq!(post(&[json, ("Origin", &same)]), 200);
        assert_eq!(post(&[form, ("Sec-Fetch-Site", "same-origin")]), 200);
        assert_eq!(
            post(&[json, ("Origin", "http://name-before-the-proxy.example")]),
            200,
            "browsers ask before they send this to another site"
        );
        assert_eq!(post(&[form]), 200, "no browser");
    }
}

#[test]
fn an_origin_that_is_allowed_may_change_things() {
    let mut gate = Gate::with(&[("ALLOWED_ORIGINS", "https://dash.example, https://other.example/")]);
    for origin in ["https://dash.example", "https://other.example"] {
        let headers = [("Origin", origin), ("Sec-Fetch-Site", "cross-site"), ("Content-Type", "text/plain")];
        let reply = gate.post(CHANGE, &headers, &json!({"identifier": "x"}));
        assert_eq!(
            (reply.status, reply.header("Access-Control-Allow-Origin"), reply.header("Vary")),
            (200, Some(origin), Some("Origin"))
        );
    }
    let reply = gate.get("/api/state", &[("Origin", "https://dash.example.evil.example")]);
    assert_eq!((reply.header("Access-Control-Allow-Origin"), reply.header("Vary")), (None, Some("Origin")));
}

#[test]
fn a_star_counts_only_from_the_environment_and_never_with_credentials() {
    let mut gate = Gate::with(&[("ALLOWED_ORIGINS", "*")]);
    let reply = gate.get("/api/state", &[("Origin", "https://a.example")]);
    assert_eq!(reply.header("Access-Control-Allow-Origin"), Some("*"));
    assert_eq!(reply.header("Access-Control-Allow-Credentials"), None);
    let folder = crate::support::folder::Folder::new("star");
    folder.write("system.json", r#"{"pollingInterval":10,"connectionTimeout":10,"allowedOrigins":"*","theme":"dark"}"#);
    let mut gate = Gate::over(folder, &[]);
    let reply = gate.get("/api/state", &[("Origin", "https://a.example")]);
    assert_eq!(reply.header("Access-Control-Allow-Origin"), None, "4.9's page stores it by itself");
}

fn socket(gate: &mut Gate, headers: &[(&str, &str)]) -> u16 {
    let all: Vec<_> =
        [("Upgrade", "websocket"), ("Connection", "Upgrade")].into_iter().chain(headers.iter().copied()).collect();
    gate.unlimited().get("/ws", &all).status
}

// With 4.9 any website could open a socket with the visitor's cookie and read everything.
#[test]
fn a_socket_opens_only_for_our_page_when_a_cookie_pays() {
    let mut gate = Gate::closed();
    assert_eq!(socket(&mut gate, &[]), 401);
    let session = gate.session();
    let cookies = session.cookies();
    let password = basic(USER, PASSWORD);
    for by_itself in [("Cookie", cookies.as_str()), ("Authorization", password.as_str())] {
        assert_eq!(socket(&mut gate, &[by_itself]), 101, "no browser");
        assert_eq!(socket(&mut gate, &[by_itself, ("Origin", &format!("http://{HOST}"))]), 101);
        for origin in [
            "https://evil.example",
            "null",
            "http://192.168.1.77",
            "http://localhost:3000",
            "http://evil.lan",
            &format!("http://{HOST}.evil.example"),
        ] {
            assert_eq!(socket(&mut gate, &[by_itself, ("Origin", origin)]), 403, "{origin}");
        }
        let forged = [by_itself, ("Origin", "https://evil.example"), ("X-Forwarded-Host", "evil.example")];
        assert_eq!(socket(&mut gate, &forged), 403, "the client cannot name the host");
    }
    assert_eq!(socket(&mut gate, &[("X-API-Token", TOKEN), ("Origin", "http://localhost:3000")]), 101);
    assert_eq!(socket(&mut gate, &[("X-API-Token", TOKEN), ("Origin", "https://evil.example")]), 403);
    assert_eq!(gate.get("/ws", &[("X-API-Token", TOKEN)]).status, 400, "not a socket");
}

#[test]
fn an_open_instance_has_sockets_for_private_pages_only() {
    let mut gate = Gate::open();
    assert_eq!(socket(&mut gate, &[("Origin", "http://nas.local")]), 101);
    assert_eq!(socket(&mut gate, &[("Origin", "https://evil.example")]), 403);
    assert_eq!(gate.get("/socket.io/?transport=websocket", &[("Upgrade", "websocket")]).status, 101);
    assert_eq!(gate.get("/socket.io/socket.io.js", &[]).status, 302);
    let polling = gate.get("/socket.io/?transport=polling", &[]);
    assert!(polling.status == 200 && polling.text.starts_with("0{\"sid\":\""));
}

#[test]
fn every_answer_carries_the_headers_that_keep_browsers_safe() {
    let mut gate = Gate::closed();
    for path in ["/", "/api/health", "/api/state", "/api/nothing"] {
        let reply = gate.get(path, &[]);
        let policy = reply.header("Content-Security-Policy").unwrap();
        assert!(policy.contains("script-src 'self';") && policy.contains("frame-ancestors 'none'"), "{path}");
        assert!(!policy.contains("unsafe"), "{path}");
        assert_eq!(reply.header("X-Frame-Options"), Some("DENY"));
        assert_eq!(reply.header("X-Content-Type-Options"), Some("nosniff"));
        assert_eq!(reply.header("Referrer-Policy"), Some("strict-origin-when-cross-origin"));
    }
    let late = gate.login(USER, "wrong");
    assert_eq!(late.header("X-Frame-Options"), Some("DENY"), "also on answers from other threads");
    let folder = crate::support::folder::Folder::new("embed");
    folder.write("system.json", r#"{"allowEmbedding":true,"allowedEmbedOrigins":"https://a.example, https://b.example; script-src *, 'unsafe-inline'"}"#);
    let mut gate = Gate::over(folder, &[]);
    let reply = gate.get("/", &[]);
    assert_eq!(reply.header("X-Frame-Options"), Some("SAMEORIGIN"));
    let policy = reply.header("Content-Security-Policy").unwrap();
    assert!(policy.ends_with("frame-ancestors 'self' https://a.example"), "{policy}");
}
