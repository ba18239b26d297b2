//! What the programs said, answered and were told in confidence, kept for the last step of `tests/run`, which looks for
//! every secret in all of it. Nothing is kept unless `PULSE_TRAIL` names a folder.
//!
//! A line of `*.answers` is a JSON array: method and path, status, headers and body. A line of `*.secrets` is a JSON
//! array: the secret, and the one route that may say it (or nothing). `*.log` is what was logged.

use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

struct Trail {
    folder: PathBuf,
    answers: File,
    secrets: File,
}

static TRAIL: LazyLock<Option<Trail>> = LazyLock::new(|| {
    let folder = PathBuf::from(std::env::var_os("PULSE_TRAIL").filter(|f| !f.is_empty())?);
    std::fs::create_dir_all(&folder).unwrap();
    let file = |ending: &str| {
        let path = folder.join(format!("it-{}.{ending}", std::process::id()));
        OpenOptions::new().create(true).append(true).open(path).unwrap()
    };
    let _ = log::set_boxed_logger(Box::new(Logger(file("log"))));
    log::set_max_level(log::LevelFilter::Debug);
    Some(Trail { answers: file("answers"), secrets: file("secrets"), folder })
});

/// What the rooms log in the tests' own process.
struct Logger(File);

impl log::Log for Logger {
    fn enabled(&self, _: &log::Metadata) -> bool {
        true
    }
    fn log(&self, record: &log::Record) {
        let _ = (&self.0).write_all(format!("{} {}\n", record.target(), record.args()).as_bytes());
    }
    fn flush(&self) {}
}

/// Routes that hand out a secret when asked for one, and where it stands in the answer.
const HANDED_OUT: &[(&str, &str)] = &[
    ("POST /api/security/regenerate-token", "token"),
    ("POST /api/security/quick-setup", "apiToken"),
    ("POST /api/security/quick-setup", "token"),
    ("POST /api/security/tokens", "token"),
    ("POST /api/security/recovery", "token"),
    ("POST /api/setup-script-url", "setupCode"),
];

/// Whether anything is kept; the first question opens the files.
pub fn is_on() -> bool {
    TRAIL.is_some()
}

/// Something that may be said nowhere, or by one route only. What is short or a plain word could stand anywhere by chance.
pub fn secret(text: &str, by: Option<&str>) {
    let Some(trail) = &*TRAIL else { return };
    let word = text.len() < 12 && text.bytes().all(|b| b.is_ascii_lowercase());
    if text.len() >= 8 && !word && !text.bytes().all(|b| b == b'*') {
        let _ = (&trail.secrets).write_all(format!("{}\n", json!([text, by])).as_bytes());
    }
}

/// The variables a program is started with.
pub fn started(vars: &[(&str, &str)]) {
    for (name, value) in vars {
        if ["PULSE_AUTH_PASS", "API_TOKEN", "PROXY_AUTH_SECRET"].contains(name) {
            secret(value, None);
        }
    }
}

/// Who asks for what with which credentials.
pub fn asked<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>, body: &[u8]) {
    if !is_on() {
        return;
    }
    for (name, value) in headers {
        match name.to_ascii_lowercase().as_str() {
            "x-api-token" | "x-csrf-token" | "x-proxy-secret" => secret(value, None),
            "authorization" => value.split_whitespace().skip(1).for_each(|v| secret(v, None)),
            _ => {}
        }
    }
    told(&serde_json::from_slice(body).unwrap_or_default());
}

fn told(body: &Value) {
    const CONFIDENTIAL: [&str; 8] = [
        "password",
        "newPassword",
        "currentPassword",
        "tokenValue",
        "passphrase",
        "apiToken",
        "setupCode",
        "authToken",
    ];
    match body {
        Value::Object(map) => {
            for (name, value) in map {
                match value.as_str() {
                    Some(text) if CONFIDENTIAL.contains(&name.as_str()) => secret(text, None),
                    Some(_) => {}
                    None => told(value),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(told),
        _ => {}
    }
}

/// What came back. Cookies are secrets, and `Set-Cookie` is the one place for them.
pub fn answered<'a>(
    method: &str,
    target: &str,
    status: u16,
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    body: &[u8],
) {
    let Some(trail) = &*TRAIL else { return };
    let route = format!("{method} {}", target.split('?').next().unwrap_or_default());
    let mut kept = Vec::new();
    for (name, value) in headers {
        match name.eq_ignore_ascii_case("set-cookie") {
            true => value.split([';', '=']).nth(1).into_iter().for_each(|v| secret(v, None)),
            false => kept.push(format!("{name}: {value}")),
        }
    }
    if let Ok(json) = serde_json::from_slice::<Value>(body) {
        for (from, place) in HANDED_OUT.iter().filter(|(from, _)| status < 300 && *from == route) {
            json[*place].as_str().into_iter().for_each(|text| secret(text, Some(from)));
        }
    }
    let line = json!([route, status, kept, String::from_utf8_lossy(body)]);
    let _ = (&trail.answers).write_all(format!("{line}\n").as_bytes());
}

/// A log that is about to be removed.
pub fn logged(path: &Path) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let Some(trail) = &*TRAIL else { return };
    let name = format!("program-{}-{}.log", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let _ = std::fs::copy(path, trail.folder.join(name));
}
