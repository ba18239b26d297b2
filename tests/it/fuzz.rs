//! Broken input of every kind, from seeds: a short run of what `tests/fuzz` keeps for cargo-fuzz. `tests/fuzz/README.md`
//! says how to run it for longer and how to repeat one input.

#[path = "../fuzz/src/lib.rs"]
mod inputs;

use crate::support::folder::data;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// What one input may take before it counts as a hang; deriving the key of an export alone takes a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(10);

struct Target {
    name: &'static str,
    take: fn(&[u8]),
    /// Good inputs, which are broken.
    seeds: fn() -> Vec<Vec<u8>>,
    /// Pieces that matter to this reader.
    words: &'static [&'static str],
}

const TARGETS: &[Target] = &[
    Target {
        name: "request_head",
        take: inputs::request_head,
        seeds: heads,
        words: &[
            "\r\n",
            "\n",
            "\r\n\r\n",
            "Host: x\r\n",
            "Content-Length: 5\r\n",
            "Transfer-Encoding: chunked\r\n",
            "%2e%2e/",
            "//",
            "/../",
            "\\",
            "?",
            " HTTP/1.0",
            "http://",
            "Expect: 100-continue\r\n",
            "\0",
            "%00",
            "%0d%0a",
            "/api/state",
        ],
    },
    Target { name: "json_body", take: inputs::json_body, seeds: bodies, words: JSON },
    Target {
        name: "cookies",
        take: inputs::cookies,
        seeds: headers,
        words: &[
            "pulse_session=",
            ";",
            "=",
            "\n",
            "Cookie: ",
            "Authorization: Basic ",
            "Bearer ",
            "X-Proxy-Secret: ",
            ",",
            "[",
            "]",
            "for=",
            "\"",
            "::1",
            "127.0.0.1",
            "localhost",
            "X-Forwarded-For: ",
            "%",
            "X-API-Token: ",
        ],
    },
    Target {
        name: "env_file",
        take: inputs::env_file,
        seeds: envs,
        words: &[
            "\n",
            "\r\n",
            "'",
            "\"",
            "\\",
            "$",
            "${",
            "}",
            "=",
            "#",
            "export ",
            "API_TOKEN",
            "PULSE_AUTH_PASS=",
            ": ",
            "\u{feff}",
        ],
    },
    Target { name: "sealed_file", take: inputs::sealed_file, seeds: files, words: JSON },
    Target { name: "import_file", take: inputs::import_file, seeds: exports, words: JSON },
];

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "null",
    "true",
    "-1",
    "1e308",
    "-9223372036854775808",
    "18446744073709551616",
    "0.5",
    "\"\"",
    "{}",
    "[]",
    "\\u0000",
    "\\ud800",
    "[[[[[[[[",
    "\"name\":",
    "\"host\":",
    "https://[::1]:8006",
    "\u{feff}",
    "=",
    "\n",
];

fn heads() -> Vec<Vec<u8>> {
    [
        "GET /api/state?token=x&y=%41 HTTP/1.1\r\nHost: pulse.lan:7655\r\nCookie: pulse_session=a; pulse_csrf=b\r\nAccept-Encoding: gzip\r\n\r\n",
        "POST /api/config/nodes/pve-0 HTTP/1.1\r\nhost: [::1]:7655\r\nContent-Length: 12\r\nConnection: keep-alive, close\r\nExpect: 100-continue\r\n\r\n",
        "PUT http://pulse.lan/api/../api//guests/metadata/a%2Fb HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nX-Forwarded-For: 10.0.0.1, [2001:db8::1]:80\r\n\r\n",
        "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        "OPTIONS * HTTP/1.0\r\n\r\n",
    ]
    .map(|s| s.as_bytes().to_vec())
    .to_vec()
}

fn bodies() -> Vec<Vec<u8>> {
    let node = r#"{"type":"pve","name":"a","host":"10.0.0.5","user":"root@pam","password":"x","tokenName":"a!b","tokenValue":"c","verifySSL":true,"fingerprint":"AB:CD","monitorVMs":true}"#;
    let note = r#"{"customUrl":"https://app.lan","description":"shop","tags":["web"],"notes":"n"}"#;
    let email = r#"{"enabled":true,"server":"mail.lan","port":587,"username":"u","password":"p","from":"a@lan","to":["b@lan"],"startTLS":true}"#;
    let hook = r#"{"name":"chat","url":"https://chat.lan/{{.Level | upper}}","method":"POST","headers":{"Authorization":"Bearer t"},"service":"generic","enabled":true,"template":"{\"a\":\"{{.Message}}\"}"}"#;
    let login = r#"{"username":"admin","password":"p","rememberMe":true}"#;
    let read = |name: &str| std::fs::read_to_string(data(name)).unwrap();
    let both = [
        read("v49/system.json"),
        node.into(),
        note.into(),
        read("v49/alerts.json"),
        email.into(),
        hook.into(),
        login.into(),
        email.into(),
    ];
    both.iter().enumerate().map(|(kind, body)| [&[kind as u8], body.as_bytes()].concat()).collect()
}

fn headers() -> Vec<Vec<u8>> {
    let session = inputs::SESSION;
    [
        format!("Cookie: a=b; pulse_session={session}; pulse_csrf=0123\nX-CSRF-Token: 0123\nOrigin: http://pulse.lan"),
        format!("cookie: pulse_session=\nCookie: pulse_session={session}\nAuthorization: Basic YWRtaW46cHc=\nAuthorization: Bearer x"),
        "Authorization: Bearer abc\nX-API-Token: abc\nX-Forwarded-For: 10.0.0.1, [2001:db8::1]:80, unknown\nX-Real-IP: ::1\nHost: localhost".to_owned(),
        "Forwarded: for=\"[2001:db8::1]:4711\";proto=https, for=_x\nX-Forwarded-Host: a, b\nX-Forwarded-Proto: https\nHost: [::1]:7655".to_owned(),
        "X-Proxy-Secret: of-the-proxy\nX-User: eve\nX-Roles: user|admin|".to_owned(),
    ]
    .map(String::into_bytes)
    .to_vec()
}

fn envs() -> Vec<Vec<u8>> {
    let other = "\u{feff}# c\r\nexport API_TOKEN=\"a\\\"b${X}\"\r\nX: y # z\nMULTI=\"one\ntwo\"\nPULSE_AUTH_PASS='$2a$12$x'\nEMPTY=\n";
    vec![
        std::fs::read(data("v49/.env")).unwrap_or_default(),
        other.as_bytes().to_vec(),
        b"A=$B\nB=${A}\nAPI_TOKEN=1\nAPI_TOKEN=2".to_vec(),
    ]
}

fn files() -> Vec<Vec<u8>> {
    let nodes = r#"{"pveInstances":[{"Name":"a","Host":"https://10.0.0.5:8006","TokenName":"u@pam!t","TokenValue":"v","ClusterEndpoints":[{"NodeName":"x","IP":"::1","LastSeen":"2025-08-27T10:15:20+02:00"}]}],"pbsInstances":null}"#;
    let tokens = r#"[{"id":"a","name":"n","hash":"00","scopes":["read"],"created":"2025-08-27T10:15:20Z"}]"#;
    let mut all = inputs::SEALED.map(<[u8]>::to_vec).to_vec();
    all.extend([nodes, tokens, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="].map(|s| s.as_bytes().to_vec()));
    all.push(inputs::sessions_file().into_bytes());
    all.extend(
        ["alerts.json", "system.json", "guest_metadata.json"].map(|n| std::fs::read(data("v49").join(n)).unwrap()),
    );
    all
}

fn exports() -> Vec<Vec<u8>> {
    let text = std::fs::read_to_string(data("v49/export.txt")).unwrap();
    let inside = pulse::config::transfer::unseal(&text, inputs::PASSPHRASE).unwrap().to_string();
    let downloaded = format!("{{\"status\":\"success\",\"data\":\"{text}\"}}");
    // What is inside most often: opening takes long.
    let mut all = vec![inside.into_bytes(); 20];
    all.extend([text.into_bytes(), downloaded.into_bytes()]);
    all
}

/// A small deterministic generator, so that an input comes again with its number.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let a = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let b = (a ^ (a >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        b ^ (b >> 31)
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// Input number `n`: one of the seeds with up to eight things done to it. Every hundredth is pure noise.
fn input(target: &Target, seeds: &[Vec<u8>], n: u64) -> Vec<u8> {
    let mut dice = Dice(n);
    if n % 100 == 99 {
        return (0..dice.below(400)).map(|_| dice.next() as u8).collect();
    }
    let mut bytes = seeds[dice.below(seeds.len())].clone();
    for _ in 0..dice.below(9) {
        let at = dice.below(bytes.len() + 1);
        let end = (at + dice.below(40)).min(bytes.len());
        match dice.below(7) {
            0 if at < bytes.len() => bytes[at] = dice.next() as u8,
            1 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            2 => drop(bytes.drain(at..end)),
            3 if dice.below(4) == 0 => bytes.truncate(at),
            4 => bytes.extend_from_within(at..end),
            5 => {
                let from = seeds[dice.below(seeds.len())].clone();
                let start = dice.below(from.len());
                let piece = from[start..(start + dice.below(60)).min(from.len())].to_vec();
                bytes.splice(at..end, piece);
            }
            _ => drop(bytes.splice(at..at, target.words[dice.below(target.words.len())].bytes())),
        }
    }
    bytes
}

/// Takes inputs from number `first` on until the time is over. `Err` names the input that broke a promise.
fn run(target: &'static Target, first: u64, time: Duration) -> Result<u64, String> {
    let (done, waiting) = mpsc::channel();
    let progress = Arc::new(AtomicU64::new(first));
    let seen = progress.clone();
    std::thread::spawn(move || {
        let seeds = (target.seeds)();
        let began = Instant::now();
        let mut n = first;
        while n == first || began.elapsed() < time {
            seen.store(n, Ordering::Relaxed);
            let bytes = input(target, &seeds, n);
            if catch_unwind(AssertUnwindSafe(|| (target.take)(&bytes))).is_err() {
                let shown = String::from_utf8_lossy(&bytes).into_owned();
                return done.send(Err(format!("panicked at PULSE_FUZZ={}:{n}: {shown:?}", target.name)));
            }
            n += 1;
        }
        done.send(Ok(n - first))
    });
    let mut last = first;
    loop {
        match waiting.recv_timeout(PATIENCE) {
            Ok(ended) => return ended,
            Err(_) if progress.load(Ordering::Relaxed) == last => {
                return Err(format!("hangs at PULSE_FUZZ={}:{last}", target.name));
            }
            Err(_) => last = progress.load(Ordering::Relaxed),
        }
    }
}

#[test]
fn whatever_is_sent_or_lies_in_a_file_nothing_panics_or_hangs() {
    let replay = std::env::var("PULSE_FUZZ").unwrap_or_default();
    let secs: f64 = std::env::var("PULSE_FUZZ_SECS").ok().and_then(|s| s.parse().ok()).unwrap_or(3.0);
    // Each night others, when asked for; always the same otherwise.
    let first: u64 = std::env::var("PULSE_FUZZ_FIRST").ok().and_then(|s| s.parse().ok()).unwrap_or(0);
    if let Some((name, n)) = replay.split_once(':') {
        let target = TARGETS.iter().find(|t| t.name == name).expect("a target of this name");
        run(target, n.parse().expect("its number"), Duration::ZERO).unwrap();
        return;
    }
    let each = Duration::from_secs_f64(secs / TARGETS.len() as f64);
    let mut broken = Vec::new();
    for target in TARGETS {
        match run(target, first, each) {
            Ok(count) => {
                println!("inputs: {count} {}", target.name);
                assert!(count > 10, "{}: too slow to find anything", target.name);
            }
            Err(why) => broken.push(why),
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

// A run that finds nothing proves something only when a defect would be found.
#[test]
fn a_planted_panic_is_found_and_comes_again_by_its_number() {
    fn trips(bytes: &[u8]) {
        assert!(!bytes.windows(2).any(|w| w == b"}}"), "planted");
    }
    static PLANTED: Target =
        Target { name: "planted", take: trips, seeds: || vec![b"{\"a\":1}".to_vec()], words: JSON };
    let named = run(&PLANTED, 0, Duration::from_secs(5)).unwrap_err();
    assert!(named.contains("PULSE_FUZZ=planted:"), "{named}");
    let n: u64 = named.split(':').nth(1).and_then(|n| n.trim().parse().ok()).unwrap();
    assert!(run(&PLANTED, n, Duration::ZERO).is_err(), "and comes again by its number");
}

#[test]
fn every_target_of_cargo_fuzz_is_run_here() {
    let manifest = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/Cargo.toml")).unwrap();
    let kept: Vec<&str> = manifest.split("[[bin]]\nname = \"").skip(1).filter_map(|p| p.split('"').next()).collect();
    assert_eq!(kept, TARGETS.iter().map(|t| t.name).collect::<Vec<_>>());
    for name in kept {
        let path = format!("{}/tests/fuzz/targets/{name}.rs", env!("CARGO_MANIFEST_DIR"));
        assert!(std::fs::read_to_string(&path).unwrap().contains(&format!("inputs::{name}(bytes)")), "{path}");
    }
}
