//! How the sources of settings join: defaults, then `system.json`, then the environment (contract rest.md 6.1, 6.3).
//! Texts in, checked values out; no file is read here.

use super::settings::{AuthSettings, DEFAULT_DATA_DIR, DEFAULT_PORT, HttpsFiles, ProxyAuth, Settings, UpdateSettings};
use super::{Cidr, Environment, Secret, System};
use crate::order::Set;
use log::LevelFilter;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

/// Faster polling would only load the hosts.
const LEAST_POLLING_SECS: i64 = 5;
const MOST_POLLING_SECS: i64 = 3600;
const MOST_TIMEOUT_SECS: i64 = 300;

/// The data directory, which has to be known before anything in it can be read.
pub fn data_dir(env: &Environment) -> PathBuf {
    PathBuf::from(env.word("PULSE_DATA_DIR").unwrap_or(DEFAULT_DATA_DIR))
}

impl Settings {
    /// Joins the sources. The error names every value that is out of range; the second part of a success are
    /// remarks for the log about values that were ignored.
    pub fn join(env: &Environment, system: &System) -> Result<(Settings, Vec<String>), Vec<String>> {
        let mut notes = Notes::default();
        let settings = Settings::build(env, system, &mut notes);
        if notes.errors.is_empty() { Ok((settings, notes.remarks)) } else { Err(notes.errors) }
    }

    fn build(env: &Environment, system: &System, notes: &mut Notes) -> Settings {
        let mut locked = Set::new();
        let allowed_origins = match env.word("ALLOWED_ORIGINS") {
            Some(list) => {
                locked.insert("allowedOrigins");
                words(list)
            }
            None if system.allowed_origins.trim().is_empty() && is_development(env) => {
                vec!["http://localhost:5173".to_owned(), "http://localhost:7655".to_owned()]
            }
            None => words(&system.allowed_origins),
        };
        let discovery_enabled = env.flag("DISCOVERY_ENABLED").inspect(|_| {
            locked.insert("discoveryEnabled");
        });
        let subnet = env.word("DISCOVERY_SUBNET").inspect(|_| {
            locked.insert("discoverySubnet");
        });
        let log_level = env.word("LOG_LEVEL").inspect(|_| {
            locked.insert("logLevel");
        });
        Settings {
            data_dir: data_dir(env),
            bind: bind(env, notes),
            port: port(env, system, notes),
            https: https(env, notes),
            log_level: level(log_level.unwrap_or(&system.log_level)),
            auth: auth(env, notes),
            allowed_origins,
            allow_embedding: system.allow_embedding,
            allowed_embed_origins: words(&system.allowed_embed_origins),
            discovery_enabled: discovery_enabled.unwrap_or(system.discovery_enabled),
            backfill: env.flag("PULSE_BACKFILL").unwrap_or(true),
            discovery_subnet: or_default(subnet.unwrap_or(&system.discovery_subnet), "auto"),
            connection_timeout: timeout(env, system, &mut locked, notes),
            pve_polling: polling(
                "pvePollingInterval",
                &[system.pve_polling_interval, system.polling_interval],
                10,
                notes,
            ),
            // The general interval counts for PBS only when somebody chose one: 10 is what the first start writes.
            pbs_polling: polling(
                "pbsPollingInterval",
                &[system.pbs_polling_interval, if system.polling_interval == 10 { 0 } else { system.polling_interval }],
                60,
                notes,
            ),
            update: UpdateSettings {
                channel: system.update_channel.trim().to_owned(),
                auto: system.auto_update_enabled,
                check_every_hours: if system.auto_update_check_interval > 0 {
                    system.auto_update_check_interval
                } else {
                    24
                },
                time: or_default(&system.auto_update_time, "03:00"),
                server: env.word("PULSE_UPDATE_SERVER").map(|s| s.trim_end_matches('/').to_owned()),
            },
            theme: system.theme.clone(),
            docker: env.is_true("PULSE_DOCKER"),
            systemd: env.get("INVOCATION_ID").is_some(),
            mock: env.is_true("PULSE_MOCK_MODE"),
            trusted_proxies: ranges(env, "PULSE_TRUSTED_PROXIES", notes).unwrap_or_default(),
            trusted_networks: ranges(env, "PULSE_TRUSTED_NETWORKS", notes),
            locked,
        }
    }
}

impl Default for Settings {
    /// Nothing set anywhere.
    fn default() -> Settings {
        Settings::build(&Environment::default(), &System::default(), &mut Notes::default())
    }
}

/// What is wrong, and what was merely ignored.
#[derive(Default)]
struct Notes {
    errors: Vec<String>,
    remarks: Vec<String>,
}

fn words(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

fn or_default(text: &str, default: &str) -> String {
    let text = text.trim();
    if text.is_empty() { default.to_owned() } else { text.to_owned() }
}

fn is_development(env: &Environment) -> bool {
    env.word("NODE_ENV") == Some("development") || env.is_true("PULSE_DEV")
}

/// 4.9 knows four levels; anything else is `info`.
fn level(text: &str) -> LevelFilter {
    match text.trim().to_ascii_lowercase().as_str() {
        "trace" => LevelFilter::Trace,
        "debug" => LevelFilter::Debug,
        "warn" | "warning" => LevelFilter::Warn,
        "error" => LevelFilter::Error,
        _ => LevelFilter::Info,
    }
}

fn bind(env: &Environment, notes: &mut Notes) -> IpAddr {
    let default = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let Some(text) = env.word("BIND_ADDRESS") else { return default };
    text.trim_matches(['[', ']']).parse().unwrap_or_else(|_| {
        notes.errors.push(format!("BIND_ADDRESS must be an IP address, not {text:?}"));
        default
    })
}

/// A variable that is no number is ignored, one out of range is an error, as in 4.9.
fn port(env: &Environment, system: &System, notes: &mut Notes) -> u16 {
    let mut chosen = ("frontendPort of system.json", system.frontend_port);
    for name in ["PORT", "FRONTEND_PORT"] {
        match env.word(name).map(|text| (text, text.parse::<i64>())) {
            Some((_, Ok(number))) => chosen = (name, number),
            Some((text, Err(_))) => notes.remarks.push(format!("{name} is ignored: {text:?} is no number")),
            None => {}
        }
    }
    match chosen {
        ("frontendPort of system.json", 0) => DEFAULT_PORT,
        (name, number) => match u16::try_from(number) {
            // Whoever starts Pulse on any free port is told which one it is.
            Ok(port) if port > 0 || env.get("PULSE_PORT_FILE").is_some() => port,
            _ => {
                notes.errors.push(format!("{name} must be between 1 and 65535, not {number}"));
                DEFAULT_PORT
            }
        },
    }
}

fn https(env: &Environment, notes: &mut Notes) -> Option<HttpsFiles> {
    if !env.is_true("HTTPS_ENABLED") {
        return None;
    }
    match (env.word("TLS_CERT_FILE"), env.word("TLS_KEY_FILE")) {
        (Some(certificate), Some(key)) => Some(HttpsFiles { certificate: certificate.into(), key: key.into() }),
        _ => {
            notes.remarks.push(
                "HTTPS_ENABLED is on but TLS_CERT_FILE and TLS_KEY_FILE are not both set: serving plain HTTP"
                    .to_owned(),
            );
            None
        }
    }
}

fn auth(env: &Environment, notes: &mut Notes) -> AuthSettings {
    let text = |name: &str| env.word(name).unwrap_or_default().to_owned();
    let proxy = env.get("PROXY_AUTH_SECRET").map(|secret| ProxyAuth {
        secret: Secret::new(secret),
        user_header: text("PROXY_AUTH_USER_HEADER"),
        role_header: text("PROXY_AUTH_ROLE_HEADER"),
        role_separator: or_default(&text("PROXY_AUTH_ROLE_SEPARATOR"), "|"),
        admin_role: or_default(&text("PROXY_AUTH_ADMIN_ROLE"), "admin"),
        logout_url: text("PROXY_AUTH_LOGOUT_URL"),
    });
    let password = env.get("PULSE_AUTH_PASS").unwrap_or_default();
    if password.starts_with("$2") && (55..60).contains(&password.len()) {
        notes.remarks.push(
            "PULSE_AUTH_PASS looks like a bcrypt hash that was cut off: a whole one has 60 characters".to_owned(),
        );
    }
    AuthSettings {
        user: text("PULSE_AUTH_USER"),
        password: Secret::new(password),
        api_token: Secret::new(text("API_TOKEN")),
        disabled: env.is_true("DISABLE_AUTH"),
        required: env.is_true("REQUIRE_AUTH"),
        proxy,
        allow_unprotected_export: env.is_true("ALLOW_UNPROTECTED_EXPORT"),
        audit_log: ["PULSE_AUDIT_LOG", "AUDIT_LOG_ENABLED", "ENABLE_AUDIT_LOG"].iter().any(|name| env.is_true(name)),
    }
}

/// Seconds (`15`), or a duration such as `1m` or `1m30s`.
fn timeout(env: &Environment, system: &System, locked: &mut Set<&'static str>, notes: &mut Notes) -> Duration {
    let stored = if system.connection_timeout == 0 { 10 } else { system.connection_timeout };
    let secs = match env.word("CONNECTION_TIMEOUT") {
        None => stored,
        Some(text) => match duration_secs(text) {
            Some(secs) => {
                locked.insert("connectionTimeout");
                secs
            }
            None => {
                notes
                    .remarks
                    .push(format!("CONNECTION_TIMEOUT is ignored: {text:?} is neither seconds nor a duration"));
                stored
            }
        },
    };
    if secs < 1 {
        notes.errors.push(format!("the connection timeout must be at least 1 second, not {secs}"));
    }
    Duration::from_secs(secs.clamp(1, MOST_TIMEOUT_SECS).unsigned_abs())
}

/// Whole seconds of `90`, `1m30s`, `1h`, `500ms` (rounded down).
fn duration_secs(text: &str) -> Option<i64> {
    if let Ok(secs) = text.parse::<i64>() {
        return Some(secs);
    }
    let mut millis: f64 = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let (number, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let scale = match unit {
            "ms" => 1.0,
            "s" => 1_000.0,
            "m" => 60_000.0,
            "h" => 3_600_000.0,
            _ => return None,
        };
        millis += number.parse::<f64>().ok()? * scale;
        rest = tail;
    }
    (!text.is_empty() && millis.is_finite() && millis < 1e12).then_some((millis / 1_000.0) as i64)
}

/// The first choice that is not zero, else the default.
fn polling(name: &str, choices: &[i64], default: i64, notes: &mut Notes) -> Duration {
    let secs = choices.iter().copied().find(|secs| *secs != 0).unwrap_or(default);
    if secs < 1 {
        notes.errors.push(format!("{name} must be at least 1 second, not {secs}"));
    }
    Duration::from_secs(secs.clamp(LEAST_POLLING_SECS, MOST_POLLING_SECS).unsigned_abs())
}

fn ranges(env: &Environment, name: &str, notes: &mut Notes) -> Option<Vec<Cidr>> {
    let (good, bad) = Cidr::parse_list(env.word(name)?);
    for part in bad {
        notes.remarks.push(format!("{name}: {part:?} is ignored, it is no address range"));
    }
    Some(good)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::EnvFile;

    fn env(pairs: &[(&str, &str)]) -> Environment {
        let process = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Environment { process, data: EnvFile::default(), working: EnvFile::default() }
    }

    fn join(pairs: &[(&str, &str)], system: &System) -> Settings {
        Settings::join(&env(pairs), system).unwrap().0
    }

    #[test]
    fn with_nothing_set_the_defaults_of_4_9_hold() {
        let s = join(&[], &System::default());
        assert_eq!((s.port, s.bind.to_string().as_str()), (7655, "0.0.0.0"));
        assert_eq!(s.data_dir, PathBuf::from("/etc/pulse"));
        assert_eq!((s.pve_polling.as_secs(), s.pbs_polling.as_secs(), s.connection_timeout.as_secs()), (10, 60, 10));
        assert!(s.discovery_enabled && s.discovery_subnet == "auto");
        assert!(s.allowed_origins.is_empty() && s.locked.is_empty() && s.https.is_none() && !s.has_credentials());
        assert_eq!(s.log_level, LevelFilter::Info);
    }

    #[test]
    fn the_environment_beats_the_file_and_locks_the_key() {
        let file = System {
            allowed_origins: "https://file".into(),
            connection_timeout: 20,
            log_level: "debug".into(),
            discovery_subnet: "10.0.0.0/24".into(),
            frontend_port: 8000,
            ..System::default()
        };
        let s = join(&[], &file);
        assert_eq!(s.allowed_origins, ["https://file"]);
        assert_eq!((s.connection_timeout.as_secs(), s.log_level, s.port), (20, LevelFilter::Debug, 8000));
        assert!(s.locked.is_empty());
        let s = join(
            &[
                ("ALLOWED_ORIGINS", "https://a, https://b"),
                ("CONNECTION_TIMEOUT", "1m30s"),
                ("LOG_LEVEL", "error"),
                ("DISCOVERY_ENABLED", "no"),
                ("DISCOVERY_SUBNET", "192.168.0.0/24"),
                ("FRONTEND_PORT", "9000"),
                ("PORT", "9001"),
            ],
            &file,
        );
        assert_eq!(s.allowed_origins, ["https://a", "https://b"]);
        assert_eq!((s.connection_timeout.as_secs(), s.log_level, s.port), (90, LevelFilter::Error, 9000));
        assert!(!s.discovery_enabled && s.discovery_subnet == "192.168.0.0/24");
        let locked: Vec<_> = s.env_overrides().into_iter().map(|(k, _)| k).collect();
        assert_eq!(locked, ["allowedOrigins", "connectionTimeout", "discoveryEnabled", "discoverySubnet", "logLevel"]);
    }

    #[test]
    fn values_out_of_range_are_errors_and_unreadable_ones_are_ignored() {
        let bad = Settings::join(&env(&[("FRONTEND_PORT", "70000"), ("BIND_ADDRESS", "home")]), &System::default());
        assert_eq!(
            bad.unwrap_err(),
            [
                "BIND_ADDRESS must be an IP address, not \"home\"",
                "FRONTEND_PORT must be between 1 and 65535, not 70000"
            ]
        );
        let negative = System { polling_interval: -1, connection_timeout: -5, ..System::default() };
        assert_eq!(Settings::join(&env(&[]), &negative).unwrap_err().len(), 3);
        let (s, remarks) =
            Settings::join(&env(&[("PORT", "web"), ("CONNECTION_TIMEOUT", "soon")]), &System::default()).unwrap();
        assert_eq!((s.port, s.connection_timeout.as_secs(), remarks.len()), (7655, 10, 2));
        assert!(s.locked.is_empty());
    }

    #[test]
    fn intervals_fall_back_to_the_general_one() {
        let s = join(&[], &System { polling_interval: 30, ..System::default() });
        assert_eq!((s.pve_polling.as_secs(), s.pbs_polling.as_secs()), (30, 30));
        let s = join(
            &[],
            &System { polling_interval: 30, pve_polling_interval: 1, pbs_polling_interval: 90, ..System::default() },
        );
        assert_eq!((s.pve_polling.as_secs(), s.pbs_polling.as_secs()), (5, 90));
    }

    #[test]
    fn credentials_are_taken_and_never_shown() {
        let s = join(
            &[
                ("PULSE_AUTH_USER", "admin"),
                ("PULSE_AUTH_PASS", " pass word "),
                ("API_TOKEN", "tok-123"),
                ("PROXY_AUTH_SECRET", "proxy-secret"),
                ("ENABLE_AUDIT_LOG", "TRUE"),
            ],
            &System::default(),
        );
        assert_eq!(s.auth.password.expose(), " pass word ");
        let proxy = s.auth.proxy.as_ref().unwrap();
        assert_eq!((proxy.admin_role.as_str(), proxy.role_separator.as_str()), ("admin", "|"));
        assert!(s.has_credentials() && s.auth.audit_log);
        let shown = format!("{s:?}");
        for secret in ["pass word", "tok-123", "proxy-secret"] {
            assert!(!shown.contains(secret));
        }
    }

    #[test]
    fn https_needs_both_files() {
        let both = [("HTTPS_ENABLED", "1"), ("TLS_CERT_FILE", "/c"), ("TLS_KEY_FILE", "/k")];
        assert!(join(&both, &System::default()).https.is_some());
        let (s, remarks) =
            Settings::join(&env(&[("HTTPS_ENABLED", "1"), ("TLS_CERT_FILE", "/c")]), &System::default()).unwrap();
        assert!(s.https.is_none() && remarks.len() == 1);
    }
}
