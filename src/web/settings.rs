//! What the settings page reads and changes: `/api/config`, `/api/config/system`, `/api/system/settings`, `/api/settings`
//! (contract rest.md 5.9, 5.13–5.15). A change is checked as a whole before anything of it counts.

use super::nodes::{listed, not_saved};
use super::routes::{Policy, Route};
use crate::config::fields::Fields;
use crate::config::{DEFAULT_PORT, Settings, System};
use crate::http::{Call, Method, Response};
use crate::json::{json, put};
use crate::order;
use crate::owner::{Answer, Core};
use serde_json::{Map, Value};

pub const ROUTES: &[Route] = &[
    Route::new(Method::Get, "/api/config", Policy::Manage, "The whole configuration, without secrets", config).gives(r#"{"type":"object"}"#),
    Route::new(Method::Get, "/api/config/system", Policy::Read, "The settings in force", get_config_system).gives(r#"{"type":"object","required":["pollingInterval","discoveryEnabled","allowEmbedding"],"properties":{"pollingInterval":{"type":"integer"},"discoveryEnabled":{"type":"boolean"},"allowEmbedding":{"type":"boolean"}}}"#),
    Route::new(Method::Put, "/api/config/system", Policy::Manage, "Change settings", put_config_system)
        .takes(r#"{"type":"object"}"#),
    Route::new(Method::Get, "/api/system/settings", Policy::Read, "The stored settings", get_system_settings).gives(r#"{"type":"object","required":["pollingInterval","discoveryEnabled"],"properties":{"pollingInterval":{"type":"integer"},"discoveryEnabled":{"type":"boolean"}}}"#),
    Route::new(Method::Post, "/api/system/settings/update", Policy::Manage, "Change settings", update_system_settings)
        .takes(r#"{"type":"object"}"#),
    Route::new(Method::Get, "/api/settings", Policy::Read, "Settings and preferences of the page", get_settings).gives(r#"{"type":"object","required":["current","defaults","capabilities"],"properties":{"current":{"type":"object"},"defaults":{"type":"object"},"capabilities":{"type":"object"}}}"#),
    Route::new(Method::Post, "/api/settings/update", Policy::Manage, "Change preferences of the page", update_settings)
        .takes(r#"{"type":"object"}"#),
];

/// 4.9's number of a port that nothing listens on.
const BACKEND_PORT: u16 = 3000;
/// Preferences of the page, as JSON.
const MOST_UI_BYTES: usize = 16_384;
const MOST_TEXT: usize = 4_096;

fn config(core: &mut Core, _: &Call) -> Answer {
    let s = &core.config.settings;
    Response::json(&json!({
        "autoUpdateEnabled": s.update.auto,
        "csrfProtection": !s.auth.disabled && !s.auth.password.is_empty(),
        "pollingInterval": s.pve_polling.as_secs(),
        "updateChannel": s.update.channel,
        "nodes": listed(core),
        "settings": stored(core),
        "system": in_force(s),
        "problems": core.config.problems,
    }))
    .into()
}

fn get_config_system(core: &mut Core, _: &Call) -> Answer {
    Response::json(&in_force(&core.config.settings)).into()
}

/// The settings that hold, whatever they come from.
fn in_force(s: &Settings) -> Value {
    let mut out = json!({
        "pollingInterval": s.pve_polling.as_secs(),
        "pvePollingInterval": s.pve_polling.as_secs(),
        "pbsPollingInterval": s.pbs_polling.as_secs(),
        "backendPort": BACKEND_PORT,
        "frontendPort": s.port,
        "connectionTimeout": s.connection_timeout.as_secs(),
        "autoUpdateEnabled": s.update.auto,
        "autoUpdateCheckInterval": s.update.check_every_hours,
        "autoUpdateTime": s.update.time,
        "logLevel": s.log_level.as_str().to_ascii_lowercase(),
        "discoveryEnabled": s.discovery_enabled,
        "discoverySubnet": s.discovery_subnet,
        "allowEmbedding": s.allow_embedding,
    });
    if let Some(map) = out.as_object_mut() {
        let texts = [
            ("allowedOrigins", s.allowed_origins.join(",")),
            ("updateChannel", s.update.channel.clone()),
            ("theme", s.theme.clone()),
            ("allowedEmbedOrigins", s.allowed_embed_origins.join(",")),
        ];
        map.extend(texts.into_iter().filter(|(_, t)| !t.is_empty()).map(|(k, t)| (k.to_owned(), json!(t))));
        put_overrides(map, s);
    }
    out
}

fn put_overrides(map: &mut Map<String, Value>, s: &Settings) {
    let overrides = s.env_overrides();
    if !overrides.is_empty() {
        put(map, "envOverrides", Value::Object(overrides));
    }
}

fn get_system_settings(core: &mut Core, _: &Call) -> Answer {
    Response::json(&stored(core)).into()
}

/// `system.json` with the locks of the environment.
fn stored(core: &Core) -> Value {
    let mut out = core.config.system.get().to_value();
    if let Some(map) = out.as_object_mut() {
        put_overrides(map, &core.config.settings);
    }
    out
}

fn update_system_settings(core: &mut Core, call: &Call) -> Answer {
    let edit = match Edit::read(call, core) {
        Ok(edit) => edit,
        Err(words) => return Response::error(400, &words).into(),
    };
    if let Err(words) = core.config.settings_with(&edit.system) {
        return Response::error(400, &words).into();
    }
    let ignored = edit.ignored;
    core.save_system(
        edit.system,
        Box::new(move |core, outcome| match outcome.inspect(|()| tell_theme(core)) {
            Ok(()) if ignored.is_empty() => Response::json(&json!({ "success": true })).into(),
            Ok(()) => Response::json(&json!({ "success": true, "ignored": ignored })).into(),
            Err(detail) => settings_not_saved(&detail),
        }),
    )
}

/// Pages that are open elsewhere follow a change of the theme.
fn tell_theme(core: &mut Core) {
    let theme = core.config.settings.theme.clone();
    if !theme.is_empty() {
        core.announce("settingsUpdate", &json!({ "theme": theme }));
    }
}

fn settings_not_saved(detail: &str) -> Answer {
    Response::json_status(500, &json!({ "error": "Failed to save settings", "detail": detail })).into()
}

fn put_config_system(core: &mut Core, call: &Call) -> Answer {
    let edit = match Edit::read(call, core) {
        Ok(edit) => edit,
        Err(words) => return Response::error(400, &words).into(),
    };
    if let Err(words) = core.config.settings_with(&edit.system) {
        return Response::error(400, &words).into();
    }
    core.save_system(
        edit.system,
        Box::new(|core, outcome| match outcome {
            Ok(()) => {
                let secs = core.config.settings.pve_polling.as_secs();
                Response::json(&json!({
                    "status": "success",
                    "message": format!("Polling interval updated to {secs} seconds"),
                    "pollingInterval": secs,
                }))
                .into()
            }
            Err(detail) => not_saved(&detail).into(),
        }),
    )
}

/// A change of system.json that has been checked.
struct Edit {
    system: System,
    /// Keys that were sent but cannot count: the environment decides them, or the value needs a confirmation.
    ignored: order::Set<String>,
}

impl Edit {
    /// Absent keys stay; keys that the environment decides are not touched.
    fn read(call: &Call, core: &Core) -> Result<Edit, String> {
        let invalid = |_| "Invalid request body".to_owned();
        let mut f = Fields::of_body(&call.body).map_err(invalid)?;
        let mut system = System::clone(core.config.system.latest());
        let locked = &core.config.settings.locked;
        let mut ignored = order::Set::new();
        let numbers: [(&str, &mut i64, i64); 5] = [
            ("pollingInterval", &mut system.polling_interval, 3_600),
            ("pvePollingInterval", &mut system.pve_polling_interval, 3_600),
            ("pbsPollingInterval", &mut system.pbs_polling_interval, 3_600),
            ("connectionTimeout", &mut system.connection_timeout, 300),
            ("autoUpdateCheckInterval", &mut system.auto_update_check_interval, 8_760),
        ];
        for (name, place, most) in numbers {
            let number = f.int(name).map_err(invalid)?;
            if number.is_some_and(|n| n < 0) && name.to_ascii_lowercase().ends_with("pollinginterval") {
                return Err("Polling intervals must be positive".to_owned());
            }
            if number.is_some_and(|n| n > most) {
                return Err(format!("{name} must be at most {most}"));
            }
            match number.filter(|n| *n > 0) {
                Some(_) if locked.contains(name) => drop(ignored.insert(name.to_owned())),
                Some(number) => *place = number,
                None => {}
            }
        }
        let flags: [(&str, &mut bool); 3] = [
            ("autoUpdateEnabled", &mut system.auto_update_enabled),
            ("discoveryEnabled", &mut system.discovery_enabled),
            ("allowEmbedding", &mut system.allow_embedding),
        ];
        for (name, place) in flags {
            match f.flag(name).map_err(invalid)? {
                Some(_) if locked.contains(name) => drop(ignored.insert(name.to_owned())),
                Some(flag) => *place = flag,
                None => {}
            }
        }
        let confirmed =
            f.flag("allowAnyOrigin").map_err(invalid)? == Some(true) || system.allowed_origins.trim() == "*";
        let texts: [(&str, &mut String, Check); 7] = [
            ("allowedOrigins", &mut system.allowed_origins, origins),
            ("updateChannel", &mut system.update_channel, channel),
            ("autoUpdateTime", &mut system.auto_update_time, time_of_day),
            ("theme", &mut system.theme, theme),
            ("discoverySubnet", &mut system.discovery_subnet, subnet),
            ("allowedEmbedOrigins", &mut system.allowed_embed_origins, origins),
            ("logLevel", &mut system.log_level, log_level),
        ];
        for (name, place, check) in texts {
            let Some(text) = f.text(name).map_err(invalid)? else { continue };
            let text = text.trim();
            if text.len() > MOST_TEXT || text.contains(char::is_control) {
                return Err(format!("{name} is too long or has control characters"));
            }
            // 4.9's page sends `*` by itself whenever nothing is stored, and thereby opened Pulse to every site.
            let unasked = name == "allowedOrigins" && text == "*" && !confirmed;
            check(text)?;
            if unasked || locked.contains(name) {
                ignored.insert(name.to_owned());
            } else {
                *place = text.to_owned();
            }
        }
        Ok(Edit { system, ignored })
    }
}

type Check = fn(&str) -> Result<(), String>;

fn theme(text: &str) -> Result<(), String> {
    match text {
        "" | "light" | "dark" => Ok(()),
        _ => Err("Invalid theme value. Must be 'light', 'dark', or empty".to_owned()),
    }
}

fn channel(text: &str) -> Result<(), String> {
    match text {
        "" | "stable" | "rc" => Ok(()),
        _ => Err("Invalid update channel. Must be 'stable' or 'rc'".to_owned()),
    }
}

fn time_of_day(text: &str) -> Result<(), String> {
    let number = |t: &str, below: u32| t.len() == 2 && t.parse::<u32>().is_ok_and(|n| n < below);
    let fine = text.is_empty() || text.split_once(':').is_some_and(|(h, m)| number(h, 24) && number(m, 60));
    if fine { Ok(()) } else { Err("Invalid update time. Must be HH:MM".to_owned()) }
}

fn subnet(text: &str) -> Result<(), String> {
    let invalid = |why| format!("Invalid discovery subnet. Must be 'auto' or CIDR such as 192.168.1.0/24: {why}");
    crate::discover::wanted(text).map(drop).map_err(invalid)
}

/// `*`, or origins as browsers send them: scheme and host, no path.
fn origins(text: &str) -> Result<(), String> {
    let origin = |part: &str| {
        let rest = part.strip_prefix("https://").or(part.strip_prefix("http://"));
        rest.is_some_and(|host| !host.is_empty() && !host.contains(['/', ' ', ';', '"', '\'', ',']))
    };
    let mut parts = text.split(',').map(str::trim).filter(|p| !p.is_empty());
    if parts.all(|p| p == "*" || p == "'self'" || origin(p)) {
        return Ok(());
    }
    Err("Invalid origin. Must be like https://example.com".to_owned())
}

fn log_level(text: &str) -> Result<(), String> {
    match text {
        "" | "debug" | "info" | "warn" | "error" => Ok(()),
        other => Err(format!("invalid log level: {other}")),
    }
}

fn get_settings(core: &mut Core, _: &Call) -> Answer {
    let system = core.config.system.get();
    let mut out = json!({
        "current": current(&core.config.settings),
        "defaults": defaults(),
        "capabilities": { "canRestart": false, "canValidatePorts": true, "requiresRestart": true },
        "theme": system.theme,
        "ui": system.ui,
    });
    if let Some(map) = out.as_object_mut() {
        for (name, value) in &system.ui {
            map.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    Response::json(&out).into()
}

fn current(s: &Settings) -> Value {
    let host = s.bind.to_string();
    json!({
        "server": {
            "backend": { "port": BACKEND_PORT, "host": host },
            "frontend": { "port": s.port, "host": host },
        },
        "monitoring": {
            "pollingInterval": s.pve_polling.as_secs(),
            "concurrentPolling": true,
            "backupPollingCycles": 10,
            "metricsRetentionDays": 7,
        },
        "logging": {
            "level": s.log_level.as_str().to_ascii_lowercase(),
            "file": "", "maxSize": 0, "maxBackups": 0, "maxAge": 0, "compress": false,
        },
        "security": {
            "apiToken": "",
            "allowedOrigins": s.allowed_origins,
            "iframeEmbedding": if s.allow_embedding { "SAMEORIGIN" } else { "DENY" },
            "enableAuthentication": s.has_credentials() && !s.auth.disabled,
        },
    })
}

/// 4.9's constants (contract rest.md 5.15).
fn defaults() -> Value {
    json!({
        "server": {
            "backend": { "port": BACKEND_PORT, "host": "0.0.0.0" },
            "frontend": { "port": DEFAULT_PORT, "host": "0.0.0.0" },
        },
        "monitoring": {
            "pollingInterval": 5000, "concurrentPolling": true, "backupPollingCycles": 10, "metricsRetentionDays": 7,
        },
        "logging": {
            "level": "info", "file": "/opt/pulse/pulse.log",
            "maxSize": 100, "maxBackups": 5, "maxAge": 30, "compress": true,
        },
        "security": {
            "apiToken": "", "allowedOrigins": ["*"], "iframeEmbedding": "SAMEORIGIN", "enableAuthentication": false,
        },
    })
}

/// Preferences of the page: `theme`, and any other key, kept as sent. 4.9's server settings in `settings` are checked as
/// 4.9 checks them; of those only the log level can change while the program runs. The process never ends itself.
fn update_settings(core: &mut Core, call: &Call) -> Answer {
    let update = match Update::read(call, core.config.system.latest()) {
        Ok(update) => update,
        Err(words) => return Response::error(400, &words).into(),
    };
    if update.validate_only {
        return Response::json(&json!({ "message": "Configuration is valid", "valid": true })).into();
    }
    core.save_system(
        update.system,
        Box::new(|core, outcome| match outcome.inspect(|()| tell_theme(core)) {
            Ok(()) => Response::json(&json!({
                "message": "Settings saved successfully", "requiresRestart": true, "success": true,
            }))
            .into(),
            Err(detail) => settings_not_saved(&detail),
        }),
    )
}

struct Update {
    system: System,
    validate_only: bool,
}

impl Update {
    fn read(call: &Call, now: &System) -> Result<Update, String> {
        let invalid = |_| "Invalid request body".to_owned();
        let mut f = Fields::of_body(&call.body).map_err(invalid)?;
        let validate_only = f.flag("validateOnly").map_err(invalid)? == Some(true);
        f.flag("restartNow").map_err(invalid)?;
        let mut system = now.clone();
        if let Some(settings) = f.take("settings") {
            check_server_settings(settings, &mut system)?;
        }
        if let Some(text) = f.text("theme").map_err(invalid)? {
            theme(&text)?;
            system.theme = text;
        }
        if let Some(Value::Object(more)) = f.take("ui") {
            system.ui.extend(more);
        }
        system.ui.extend(f.rest());
        let size = serde_json::to_vec(&system.ui).map_or(usize::MAX, |bytes| bytes.len());
        if size > MOST_UI_BYTES {
            return Err(format!("preferences must not be longer than {MOST_UI_BYTES} bytes"));
        }
        Ok(Update { system, validate_only })
    }
}

/// The rules and words of contract rest.md 5.15.
fn check_server_settings(settings: Value, system: &mut System) -> Result<(), String> {
    let invalid = |_| "Invalid request body".to_owned();
    let part = |f: &mut Fields, name: &str| match f.take(name) {
        Some(value) => Fields::of(value, name).map(Some).map_err(invalid),
        None => Ok(None),
    };
    let mut all = Fields::of(settings, "settings").map_err(invalid)?;
    if let Some(mut server) = part(&mut all, "server")? {
        let mut ports = Vec::new();
        for side in ["backend", "frontend"] {
            let Some(mut f) = part(&mut server, side)? else { continue };
            let port = f.int("port").map_err(invalid)?.unwrap_or(0);
            if !(1..=65_535).contains(&port) {
                return Err(format!("invalid {side} port: port must be between 1 and 65535"));
            }
            let host = f.text("host").map_err(invalid)?.unwrap_or_default();
            if !host.is_empty() && host != "localhost" && host.parse::<std::net::IpAddr>().is_err() {
                return Err(format!("invalid {side} host: {}", host.chars().take(80).collect::<String>()));
            }
            ports.push(port);
        }
        if matches!(ports.as_slice(), [a, b] if a == b) {
            return Err("backend and frontend ports must be different".to_owned());
        }
    }
    if let Some(mut f) = part(&mut all, "monitoring")? {
        if f.int("pollingInterval").map_err(invalid)?.is_some_and(|ms| ms < 1_000) {
            return Err("polling interval must be at least 1000ms (1 second)".to_owned());
        }
        if f.int("backupPollingCycles").map_err(invalid)?.is_some_and(|n| n < 1) {
            return Err("backup polling cycles must be at least 1".to_owned());
        }
    }
    if let Some(mut f) = part(&mut all, "logging")?
        && let Some(level) = f.text("level").map_err(invalid)?
    {
        log_level(&level)?;
        system.log_level = level;
    }
    Ok(())
}
