//! Floods, garbage, and secrets that must not show.

use super::gate::{Gate, PASSWORD, TOKEN, USER, basic, ip};
use pulse::http::{Call, Method};
use pulse::web::router;
use serde_json::{Value, json};

const SPECIAL: &[u8] = b"\0\r\n=;:\"'{}[],%$\xc3\xff";

/// A small deterministic generator, so that a failing case comes again.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
    /// A seed with some bytes changed, taken out, doubled or cut.
    fn mutated(&mut self, seed: &str) -> String {
        let mut bytes = seed.as_bytes().to_vec();
        for _ in 0..=self.below(6) {
            let at = self.below(bytes.len());
            match self.below(5) {
                0 if !bytes.is_empty() => bytes[at] = self.next() as u8,
                1 => bytes.insert(at, SPECIAL[self.below(SPECIAL.len())]),
                2 if !bytes.is_empty() => drop(bytes.remove(at)),
                3 => bytes.truncate(at),
                _ => bytes.extend_from_within(..at.min(64)),
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[test]
fn ten_thousand_wrong_logins_lock_the_real_peer_and_nobody_else() {
    let mut gate = Gate::closed();
    let body = json!({"username": USER, "password": "wrong"});
    for n in 0..10_000u32 {
        let forged = std::net::Ipv4Addr::from_bits(0x0a00_0000 + n).to_string();
        let reply = gate.post("/api/login", &[("X-Forwarded-For", &forged)], &body);
        assert!([401, 403, 429].contains(&reply.status));
        if n % 7 == 0 {
            gate.later(std::time::Duration::from_millis(50));
        }
    }
    assert_eq!((gate.desk.core.doors.lockout.len(), gate.desk.core.doors.sessions.len()), (1, 0));
    assert!(gate.desk.core.doors.limits.len() < 10, "one peer, however it calls itself");
    assert_ne!(gate.login(USER, PASSWORD).status, 200);
    assert_eq!(gate.from("192.168.1.77").login(USER, PASSWORD).status, 200);
}

#[test]
fn ten_thousand_real_addresses_do_not_grow_the_tables() {
    let mut gate = Gate::closed();
    for n in 0..10_000u32 {
        gate.from = ip(&format!("2001:db8:{:x}:{:x}::1", n >> 8, n & 255));
        gate.get("/api/snapshots", &[("X-API-Token", "guess")]);
        gate.desk.core.doors.login_failed(gate.from, USER, gate.desk.core.now);
    }
    let doors = &gate.desk.core.doors;
    assert!(
        doors.limits.len() <= 8_192 && doors.lockout.len() <= 4_096,
        "{} {}",
        doors.limits.len(),
        doors.lockout.len()
    );
}

// Comparing a bcrypt hash costs a quarter of a second: a flood of them must leave the owner free and be turned away.
#[test]
fn a_flood_of_passwords_waits_in_a_short_queue() {
    let hash = bcrypt::hash(PASSWORD, 7).unwrap();
    let mut gate = Gate::with(&[("PULSE_AUTH_USER", USER), ("PULSE_AUTH_PASS", &hash)]);
    let started = std::time::Instant::now();
    let mut waiting = Vec::new();
    for n in 0..300u32 {
        gate.from = ip(&format!("10.1.{}.{}", n >> 8, n & 255));
        let call = gate.call(Method::Get, "/api/state", &[("Authorization", &basic(USER, &format!("guess {n}")))], "");
        let answer = router::handle(&mut gate.desk.core, call);
        let (reply, answered) = crossbeam_channel::bounded(1);
        gate.desk.core.finish(answer, Some(reply));
        waiting.push(answered);
    }
    assert!(started.elapsed().as_secs() < 5, "the owner never waits");
    let statuses: Vec<u16> = waiting.iter().map(|w| gate.desk.wait(w).status).collect();
    let turned_away = statuses.iter().filter(|s| **s == 429).count();
    assert!(turned_away >= 200, "{turned_away}");
    assert!(statuses.iter().all(|s| [401, 429].contains(s)));
    assert_eq!(gate.from("192.168.1.5").login(USER, PASSWORD).status, 200, "afterwards the right one comes in");
}

#[test]
fn garbage_in_cookies_headers_and_bodies_is_refused_and_nothing_else() {
    let mut gate = Gate::closed();
    let session = gate.session();
    let (cookies, password, bearer) = (session.cookies(), basic(USER, PASSWORD), format!("Bearer {TOKEN}"));
    let body =
        json!({"username": USER, "password": PASSWORD, "nested": [[[{"a": [1, 2.5e3, null, true, "\u{7f}\u{e9}"]}]]]})
            .to_string();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for round in 0..3_000 {
        let headers = [
            ("Cookie".to_owned(), dice.mutated(&cookies)),
            ("X-CSRF-Token".to_owned(), dice.mutated(&session.csrf)),
            ("Authorization".to_owned(), dice.mutated(if round % 2 == 0 { &password } else { &bearer })),
            ("X-Forwarded-For".to_owned(), dice.mutated("[2001:db8::1]:80, 10.0.0.1")),
            ("Forwarded".to_owned(), dice.mutated("for=\"[2001:db8::1]:4711\";proto=https")),
            ("Origin".to_owned(), dice.mutated("http://pulse.lan:7655")),
            ("Host".to_owned(), dice.mutated("pulse.lan:7655")),
        ];
        let target = dice.mutated("/api/security/reset-lockout?token=guess&x=%41");
        let target = if round % 3 == 0 { "/api/login".to_owned() } else { target };
        let bytes = dice.mutated(&body).into_bytes();
        let call = Call::new(Method::Post, &target, headers.to_vec(), bytes, ip("192.168.1.20"), false);
        let answer = router::handle(&mut gate.unlimited().desk.core, call);
        let reply = gate.settle(answer);
        assert!((200..500).contains(&reply.status), "round {round}: {} {}", reply.status, reply.text);
        gate.desk.core.doors.lockout = Default::default();
    }
}

#[test]
fn garbage_in_the_files_of_this_room_is_refused_or_ignored_but_never_opens() {
    use pulse::auth::sessions::Sessions;
    use pulse::auth::tokens::Tokens;
    use pulse::config::{EnvFile, Vars};
    let mut gate = Gate::closed();
    gate.session();
    gate.post("/api/security/tokens", &[("X-API-Token", TOKEN)], &json!({"name": "a", "scopes": ["read"]}));
    gate.tick();
    let sessions = String::from_utf8(gate.folder.read("sessions.json")).unwrap();
    let tokens = String::from_utf8(gate.folder.read("api_tokens.json")).unwrap();
    let env = "# c\nPULSE_AUTH_USER='admin'\nexport API_TOKEN=\"a\\\"b${X}\"\n";
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    for _ in 0..3_000 {
        if let Ok(read) = Sessions::load(dice.mutated(&sessions).as_bytes(), USER, gate.desk.core.now) {
            assert!(read.len() <= 1);
        }
        let _ = Tokens::load(dice.mutated(&tokens).as_bytes());
        let text = dice.mutated(env);
        let read = EnvFile::parse(&text, &Vars::new());
        let edited = read.with_vars(&[("API_TOKEN", "new")]);
        let again = EnvFile::parse(&String::from_utf8_lossy(&edited), &Vars::new());
        assert_eq!(again.vars.get("API_TOKEN").map(String::as_str), Some("new"), "{text:?}");
        for (name, value) in again.vars.iter().filter(|(name, _)| *name != "API_TOKEN") {
            assert_eq!(read.vars.get(name), Some(value), "{text:?}");
        }
    }
}

#[test]
fn the_audit_log_tells_who_did_what_and_no_secret() {
    let mut gate = Gate::closed();
    gate.login("mallory", "a wrong secret");
    let session = gate.session();
    gate.post("/api/security/reset-lockout", &[("Cookie", &session.cookies()), ("X-CSRF-Token", "forged")], &json!({}));
    let made =
        gate.post("/api/security/tokens", &[("X-API-Token", TOKEN)], &json!({"name": "scraper", "scopes": ["scrape"]}));
    let named = made.body["token"].as_str().unwrap().to_owned();
    let change = json!({"currentPassword": PASSWORD, "newPassword": "brand new words"});
    gate.post_in(&session, "/api/security/change-password", &change);
    gate.get("/api/snapshots?token=a-guessed-token", &[]);
    let events = gate.audit();
    let find = |action: &str, outcome: &str| -> &Value {
        events
            .iter()
            .find(|e| e["action"] == action && e["outcome"] == outcome)
            .unwrap_or_else(|| panic!("no {action} {outcome}: {events:?}"))
    };
    assert_eq!(find("login", "failure")["actor"], "mallory");
    assert_eq!(
        (&find("login", "success")["actor"], &find("login", "success")["peer"]),
        (&json!(USER), &json!("192.168.1.20"))
    );
    find("csrf_failure", "failure");
    assert_eq!(
        (&find("token_create", "success")["target"], &find("token_create", "success")["actor"]),
        (&json!("scraper"), &json!("API_TOKEN"))
    );
    find("password_change", "success");
    assert!(find("login", "success")["time"].as_str().unwrap().contains('T'));
    let file = String::from_utf8(gate.folder.read("audit.log")).unwrap();
    assert_eq!(file.lines().count(), events.len(), "one line each");
    for secret in
        [PASSWORD, "brand new words", "a wrong secret", TOKEN, &named, &session.id, &session.csrf, "a-guessed-token"]
    {
        assert!(!file.contains(secret), "{secret}");
    }
    assert_eq!(gate.get("/api/security/audit", &[]).status, 401);
}

#[test]
fn debug_output_shows_no_secret() {
    let gate = Gate::closed();
    let shown = format!(
        "{:?} {:?} {:?}",
        gate.desk.core.doors.credentials, gate.desk.core.doors.tokens, gate.desk.core.doors.sessions
    );
    assert!(
        !shown.contains("$2b$")
            && !shown.contains(TOKEN)
            && !shown.contains(&pulse::auth::digest::Hash::of(TOKEN).hex()),
        "{shown}"
    );
}
