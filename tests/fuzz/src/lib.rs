//! One function for each kind of hostile input. It returns when all is well and panics when a promise is broken; the
//! seeded runs of the tests and the targets of cargo-fuzz call the same functions. No sockets, no files, no clocks.

use pulse::alerts::Config;
use pulse::auth::sessions::{Sessions, csrf};
use pulse::auth::{identify, peer, proxy, recovery, tokens};
use pulse::config::sealed::{self, Key};
use pulse::config::transfer::{self, Parts};
use pulse::config::{Cidr, EnvFile, GuestMetadata, GuestNote, NodeRequest, Nodes, ProxyAuth, Secret, System, Vars};
use pulse::http::{Call, Method};
use pulse::model::Now;
use pulse::notify::settings::{Email, Settings, Webhook};
use pulse::web::door::{Limits, head};
use pulse::web::router::{self, Way};
use serde_json::Value;
use std::sync::LazyLock;

const PEER: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 1, 20));
/// The only session there is.
pub const SESSION: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// All that was ever sealed with the key of 4.9's data directory, which is 0, 1, 2 … 31.
pub const SEALED: [&[u8]; 3] = [
    include_bytes!("../../data/v49/nodes.enc"),
    include_bytes!("../../data/v49/email.enc"),
    include_bytes!("../../data/v49/webhooks.enc"),
];
/// Opens `tests/data/v49/export.txt`.
pub const PASSPHRASE: &str = "correct horse battery staple";
const PROXY_SECRET: &str = "of-the-proxy";

fn now() -> Now {
    Now::simulated(1_756_289_720_000)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The bytes of a request: a head is complete only with its blank line, however it is cut, and is routed.
pub fn request_head(bytes: &[u8]) {
    let limits = Limits::default();
    let Ok(Some(head)) = head::parse(bytes, &limits) else { return };
    assert!(head.length <= bytes.len() && head.length <= limits.head_bytes && head.headers.len() <= limits.headers);
    assert!(bytes[..head.length].ends_with(b"\r\n\r\n"), "a head ends with a blank line");
    assert!(head.target.starts_with('/'), "{:?}", head.target);
    assert!(matches!(head::parse(&bytes[..head.length - 1], &limits), Ok(None)), "understood before it was whole");
    let call = Call::new(head.method, &head.target, head.headers, Vec::new(), PEER, false);
    if let Way::Moved(to) = router::find(head.method, &call.raw_path) {
        assert!(to.starts_with('/') && !to.starts_with("//") && !to.contains(['\r', '\n', '\\']), "{to:?}");
        assert!(!matches!(router::find(head.method, &to), Way::Moved(again) if again == to), "a loop: {to:?}");
    }
    who(&call);
}

/// What is taken from a request before anybody is known. Nobody is believed who does not prove it.
fn who(call: &Call) {
    let _ = (identify::given_token(call), identify::basic(call), recovery::is_from_here(call));
    assert_eq!(peer::origin(call, &[]).peer, PEER, "forwarded by nobody who may");
    let _ = peer::origin(call, &[Cidr::parse("192.168.1.0/24").unwrap()]);
    let given = call.cookie("pulse_session").unwrap_or_default();
    let known = SESSIONS.user(given, now()).is_some();
    assert_eq!(known, given == SESSION, "{given:?}");
    let _ = csrf(given);
    let signed = proxy::signed_on(&PROXY, call);
    assert!(signed.is_none() || call.header("x-proxy-secret").is_some_and(|s| s == PROXY_SECRET));
}

static SESSIONS: LazyLock<Sessions> =
    LazyLock::new(|| Sessions::load(sessions_file().as_bytes(), "admin", now()).unwrap());
static PROXY: LazyLock<ProxyAuth> = LazyLock::new(|| ProxyAuth {
    secret: Secret::new(PROXY_SECRET),
    user_header: "X-User".to_owned(),
    role_header: "X-Roles".to_owned(),
    role_separator: "|".to_owned(),
    admin_role: "admin".to_owned(),
    ..ProxyAuth::default()
});

/// A file of 4.9 with [`SESSION`].
pub fn sessions_file() -> String {
    format!(
        r#"{{"{SESSION}":{{"expires_at":"2099-01-01T00:00:00Z","created_at":"2025-08-27T10:00:00Z","user_agent":"x","ip":"::1"}}}}"#
    )
}

/// Lines of headers, as many as there are, on a request that needs a session.
pub fn cookies(bytes: &[u8]) {
    let all = text(bytes);
    let header = |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
    let headers: Vec<_> = all.lines().filter_map(header).collect();
    who(&Call::new(Method::Post, "/api/system/settings/update?token=x", headers, Vec::new(), PEER, false));
}

/// The first byte chooses who reads the rest. What is taken can be written and read again.
pub fn json_body(bytes: &[u8]) {
    let Some((kind, body)) = bytes.split_first() else { return };
    let value = || serde_json::from_slice::<Value>(body).ok();
    match kind % 8 {
        0 => system(body),
        1 => {
            if let Ok(request) = NodeRequest::read(body)
                && let Ok(node) = request.to_node()
            {
                assert!(node.problem().is_none(), "taken, though {:?}", node.problem());
                let _ = request.to_changed(&node);
            }
        }
        2 => drop(GuestNote::read(body)),
        3 => {
            if let Ok(changed) = Config::fresh("UTC").after_put(body) {
                let file = changed.to_file();
                assert_eq!(Config::from_file(&file, "UTC").map(|c| text(&c.to_file())), Ok(text(&file)));
            }
        }
        4 => drop(value().map(Email::from_value)),
        5 => drop(value().map(Webhook::from_body)),
        6 => {
            let call = Call::new(Method::Post, "/api/login", Vec::new(), body.to_vec(), PEER, false);
            let _ = call.json::<Value>();
        }
        _ => drop(Settings::from_files(Some(body), Some(body))),
    }
}

fn system(bytes: &[u8]) {
    if let Ok(read) = System::parse(bytes) {
        let file = read.to_bytes();
        assert_eq!(System::parse(&file).map(|s| text(&s.to_bytes())), Ok(text(&file)));
    }
}

/// A changed password lands in the file, and nothing else in it gets another value.
pub fn env_file(bytes: &[u8]) {
    let given = text(bytes);
    let read = EnvFile::parse(&given, &Vars::new());
    let edited = text(&read.with_vars(&[("API_TOKEN", "new"), ("PULSE_AUTH_PASS", "it's \"$A${A}\"\\")]));
    let again = EnvFile::parse(&edited, &Vars::new());
    assert_eq!(again.vars.get("API_TOKEN").map(String::as_str), Some("new"));
    assert_eq!(again.vars.get("PULSE_AUTH_PASS").map(String::as_str), Some("it's \"$A${A}\"\\"));
    // Whoever refers to a changed variable gets the new value.
    if ["$API_TOKEN", "${API_TOKEN", "$PULSE_AUTH_PASS", "${PULSE_AUTH_PASS"].iter().any(|r| given.contains(r)) {
        return;
    }
    for (name, value) in
        again.vars.iter().filter(|(name, _)| !["API_TOKEN", "PULSE_AUTH_PASS"].contains(&name.as_str()))
    {
        assert_eq!(read.vars.get(name), Some(value), "{name}");
    }
}

/// Files of the data directory: never opened when a bit is wrong; whatever was sealed is read or refused.
pub fn sealed_file(bytes: &[u8]) {
    let key = Key::of(std::array::from_fn(|i| i as u8));
    assert!(
        sealed::open(&key, bytes).is_err() || SEALED.contains(&bytes),
        "opened, though nobody with the key made it"
    );
    if let Ok(key) = Key::parse(bytes) {
        assert!(Key::parse(key.to_text().as_bytes()).is_ok());
    }
    if let Ok(nodes) = Nodes::parse(bytes) {
        let file = nodes.to_bytes();
        assert_eq!(Nodes::parse(&file).map(|n| text(&n.to_bytes())), Ok(text(&file)));
        let _ = nodes.usable().count();
    }
    if let Ok(guests) = GuestMetadata::parse(bytes) {
        let file = guests.to_bytes();
        assert_eq!(GuestMetadata::parse(&file).map(|g| text(&g.to_bytes())), Ok(text(&file)));
    }
    system(bytes);
    let _ = Settings::from_files(Some(bytes), Some(bytes));
    let _ = Config::from_file(bytes, "UTC");
    if let Ok(tokens) = tokens::Tokens::load(bytes) {
        assert!(tokens::Tokens::load(&tokens.to_bytes()).is_ok());
    }
    let _ = Sessions::load(bytes, "admin", now());
    let _ = recovery::Recovery::load(Some(bytes), now());
}

/// An export as people hand it over, and what is in one.
pub fn import_file(bytes: &[u8]) {
    let given = text(bytes);
    let document = match serde_json::from_str::<Value>(&given) {
        Ok(document) if document.get("data").is_none() => document,
        // Deriving the key takes its time on purpose.
        _ => match transfer::unseal(&given, PASSPHRASE) {
            Ok(document) => document,
            Err(_) => return,
        },
    };
    if let Ok(parts) = Parts::of_document(document) {
        let out = parts.to_document(now().wall);
        let again = Parts::of_document(out.clone()).expect("what we write can be read");
        assert_eq!(again.to_document(now().wall), out);
    }
}
