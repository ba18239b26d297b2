//! Proxies in front: whose word about the client counts, and sign-on by a proxy.

use super::gate::{Gate, PASSWORD, USER, cheap_hash};
use pulse::http::Method;
use serde_json::json;

// 4.9 believed the forwarding headers of anybody.
#[test]
fn a_stranger_cannot_pretend_to_be_in_the_private_network() {
    let mut gate = Gate::open();
    gate.from("203.0.113.9");
    for header in ["X-Forwarded-For", "X-Real-IP", "CF-Connecting-IP", "Forwarded"] {
        let value = if header == "Forwarded" { "for=192.168.1.2" } else { "192.168.1.2" };
        let status = gate.get("/api/security/status", &[(header, value)]);
        assert_eq!(
            (&status.body["clientIP"], &status.body["isPrivateNetwork"]),
            (&json!("203.0.113.9"), &json!(false))
        );
        assert_eq!(gate.get("/api/state", &[(header, value)]).status, 403);
        assert_eq!(
            gate.unlimited()
                .post("/api/config/export", &[(header, value)], &json!({"passphrase": "long enough for this"}))
                .status,
            403
        );
    }
    assert_eq!(gate.get("/api/health", &[]).status, 200);
}

#[test]
fn networks_that_are_trusted_count_as_private_on_an_open_instance() {
    let mut gate = Gate::with(&[("PULSE_TRUSTED_NETWORKS", "2001:db8:7::/48")]);
    assert_eq!(gate.from("2001:db8:7::9").get("/api/state", &[]).status, 200);
    assert_eq!(gate.from("2001:db8:8::9").get("/api/state", &[]).status, 403);
}

#[test]
fn behind_a_trusted_proxy_clients_are_told_apart() {
    let hash = cheap_hash(PASSWORD);
    let mut gate = Gate::with(&[
        ("PULSE_AUTH_USER", USER),
        ("PULSE_AUTH_PASS", &hash),
        ("PULSE_TRUSTED_PROXIES", "127.0.0.1,::1"),
    ]);
    gate.from("127.0.0.1");
    let body = json!({"username": USER, "password": "wrong"});
    for _ in 0..5 {
        gate.post("/api/login", &[("X-Forwarded-For", "198.51.100.1")], &body);
    }
    let right = json!({"username": USER, "password": PASSWORD});
    assert_eq!(gate.post("/api/login", &[("X-Forwarded-For", "198.51.100.1")], &right).status, 403);
    assert_eq!(gate.post("/api/login", &[("X-Forwarded-For", "198.51.100.2")], &right).status, 200);
    let rotating = gate.post("/api/login", &[("X-Forwarded-For", "10.0.0.1, 198.51.100.1")], &right);
    assert_eq!(rotating.status, 403, "what the client itself put in front does not count");
    let secure =
        gate.post("/api/login", &[("X-Forwarded-For", "198.51.100.3"), ("X-Forwarded-Proto", "https")], &right);
    assert!(secure.set_cookie("pulse_session").unwrap().contains("Secure"));
    let status =
        gate.get("/api/security/status", &[("X-Forwarded-For", "[2001:db8::5]:99"), ("X-Forwarded-Proto", "https")]);
    assert_eq!((&status.body["clientIP"], &status.body["hasHTTPS"]), (&json!("2001:db8::5"), &json!(true)));
}

fn sso() -> Gate {
    Gate::with(&[
        ("PROXY_AUTH_SECRET", "of the proxy"),
        ("PROXY_AUTH_USER_HEADER", "X-User"),
        ("PROXY_AUTH_ROLE_HEADER", "X-Roles"),
        ("PROXY_AUTH_LOGOUT_URL", "https://sso.example/out"),
    ])
}

// 4.9 reported the role and let everybody do everything.
#[test]
fn without_the_admin_role_a_user_reads_and_nothing_else() {
    let mut gate = sso();
    let reader = [("X-Proxy-Secret", "of the proxy"), ("X-User", "bob"), ("X-Roles", "viewer")];
    let admin = [("X-Proxy-Secret", "of the proxy"), ("X-User", "eve"), ("X-Roles", "viewer|admin")];
    let read = gate.get("/api/state", &reader);
    assert_eq!(
        (read.status, read.header("X-Auth-Method"), read.header("X-Authenticated-User")),
        (200, Some("proxy"), Some("bob"))
    );
    let body = json!({"identifier": "x"});
    assert_eq!(gate.post("/api/security/reset-lockout", &reader, &body).status, 403);
    assert_eq!(gate.post("/api/security/reset-lockout", &admin, &body).status, 200);
    assert_eq!(gate.post("/api/logout", &reader, &json!({})).status, 200);
    let status = gate.get("/api/security/status", &reader).body;
    assert_eq!(
        (&status["hasProxyAuth"], &status["proxyAuthUsername"], &status["proxyAuthIsAdmin"]),
        (&json!(true), &json!("bob"), &json!(false))
    );
    assert_eq!(status["proxyAuthLogoutURL"], "https://sso.example/out");
}

#[test]
fn without_the_secret_the_headers_are_nothing_and_set_up_is_closed() {
    let mut gate = sso();
    for headers in
        [vec![], vec![("X-User", "eve"), ("X-Roles", "admin")], vec![("X-Proxy-Secret", "guess"), ("X-User", "eve")]]
    {
        assert_eq!(gate.get("/api/state", &headers).status, 401, "{headers:?}");
        let setup =
            json!({"username": "thief", "password": "words of a thief", "apiToken": "token-of-a-thief-of-theirs"});
        assert_eq!(gate.post("/api/security/quick-setup", &headers, &setup).status, 401);
    }
    let odd = [("X-Proxy-Secret", "of the proxy"), ("X-User", "a\r\nSet-Cookie: x=y")];
    let reply = gate.ask(Method::Get, "/api/state", &odd, "");
    assert!(reply.header("X-Authenticated-User").is_none_or(|u| !u.contains('\n')));
}
