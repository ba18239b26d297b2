//! Export and import of the whole configuration in 4.9's format (contract rest.md 8): base64 of a salt, a nonce and the
//! sealed JSON, the key drawn from a passphrase. Both directions fit 4.9. No HTTP, no terminal.

use super::base64;
use super::sealed::{self, KEY_LEN, Key};
use super::{
    ALERTS, DataDir, DataFile, EMAIL, Environment, GUEST_METADATA, GuestMetadata, NODES, Nodes, SYSTEM, Settings,
    System, WEBHOOKS,
};
use crate::json::json;
use crate::model::Time;
use ring::pbkdf2;
use serde_json::{Map, Value};
use std::num::NonZeroU32;

const SALT_LEN: usize = 32;
const ITERATIONS: NonZeroU32 = NonZeroU32::new(100_000).unwrap();
/// 4.9's format; other versions are read as well as they can be.
const VERSION: &str = "4.0";
/// Through the API; the command line takes any passphrase that is not empty.
pub const LEAST_PASSPHRASE_BYTES: usize = 12;

fn key_of(passphrase: &str, salt: &[u8]) -> Key {
    let mut key = [0; KEY_LEN];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ITERATIONS, salt, passphrase.as_bytes(), &mut key);
    Key::of(key)
}

/// Seals a document into the text that users keep.
pub fn seal(document: &Value, passphrase: &str) -> Result<String, String> {
    let plain = serde_json::to_vec(document).map_err(|e| e.to_string())?;
    let mut bytes = vec![0; SALT_LEN];
    sealed::fill_random(&mut bytes)?;
    let sealed = sealed::seal(&key_of(passphrase, &bytes), &plain)?;
    bytes.extend_from_slice(&sealed);
    Ok(base64::encode(&bytes))
}

/// Opens such a text. The words of the errors are 4.9's.
pub fn unseal(text: &str, passphrase: &str) -> Result<Value, String> {
    let bytes = container(text).map_err(|e| format!("failed to decode import data: {e}"))?;
    let failed = |e: String| format!("failed to decrypt import data: {e}");
    let (salt, sealed) = bytes.split_at_checked(SALT_LEN).ok_or_else(|| failed("ciphertext too short".to_owned()))?;
    let plain = sealed::open(&key_of(passphrase, salt), sealed).map_err(failed)?;
    serde_json::from_slice(&plain).map_err(|e| format!("failed to unmarshal import data: {e}"))
}

/// The bytes in an export as people hand it over: the text itself, its base64, or the downloaded `{"status","data"}`.
fn container(text: &str) -> Result<Vec<u8>, String> {
    let text = text.trim().trim_start_matches('\u{feff}');
    if text.starts_with('{') {
        let mut outer: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
        return match outer.get_mut("data").map(Value::take) {
            Some(Value::String(inner)) => base64::decode(inner.trim().as_bytes()),
            _ => Err("there is no data in it".to_owned()),
        };
    }
    let bytes = base64::decode(text.as_bytes())?;
    // An export is random bytes: when it reads as text it was encoded once more.
    match std::str::from_utf8(&bytes).map(str::trim) {
        Ok(inner) if !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace()) => {
            container(inner)
        }
        _ => Ok(bytes),
    }
}

/// The parts of a configuration, each checked. An absent part leaves what is there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parts {
    pub nodes: Option<Nodes>,
    pub system: Option<System>,
    pub guests: Option<GuestMetadata>,
    pub alerts: Option<Value>,
    pub email: Option<Value>,
    pub webhooks: Option<Value>,
}

impl Parts {
    /// Reads the plain document of an export.
    pub fn of_document(document: Value) -> Result<Parts, String> {
        let failed = |e: String| format!("failed to unmarshal import data: {e}");
        let mut f = super::fields::Fields::of(document, "export").map_err(failed)?;
        let version = f.text("version").map_err(failed)?.unwrap_or_default();
        if version != VERSION {
            log::warn!("the import has format version {version:?}, {VERSION:?} expected; reading it all the same");
        }
        let nodes = f.take("nodes").map(Nodes::from_value).transpose().map_err(failed)?;
        let system = f.take("system").map(System::from_value).transpose().map_err(failed)?;
        if let Some(system) = &system {
            Settings::join(&Environment::default(), system).map_err(|errors| failed(errors.join("; ")))?;
        }
        let guests = f.take("guestMetadata").map(GuestMetadata::from_value).transpose().map_err(failed)?;
        let object = |name: &str, value: Option<Value>| match value {
            Some(value) if !value.is_object() => Err(failed(format!("{name} is not an object"))),
            other => Ok(other),
        };
        let alerts = object("alerts", f.take("alerts"))?;
        let email = object("email", f.take("email"))?;
        let webhooks = f.list("webhooks").map_err(failed)?.map(Value::Array);
        let parts = Parts { nodes, system, guests, alerts, email, webhooks };
        if parts == Parts::default() {
            return Err(failed("it holds no part of a configuration".to_owned()));
        }
        Ok(parts)
    }

    /// The plain document. 4.9 takes an absent part for zeros, so every one is there but guest metadata.
    pub fn to_document(&self, now: Time) -> Value {
        let mut out = Map::new();
        let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
        put("version", json!(VERSION));
        put("exportedAt", json!(now));
        put("nodes", self.nodes.clone().unwrap_or_default().to_value());
        put("system", self.system.clone().unwrap_or_default().to_value());
        put("alerts", self.alerts.clone().unwrap_or_else(fresh_alerts));
        put("email", self.email.clone().unwrap_or_else(default_email));
        put("webhooks", self.webhooks.clone().unwrap_or_else(|| json!([])));
        if let Some(guests) = self.guests.as_ref().filter(|g| !g.is_empty()) {
            put("guestMetadata", guests.to_value());
        }
        Value::Object(out)
    }

    /// What the data directory holds. Nothing is left out silently: a file that cannot be read is an error.
    pub fn of_dir(dir: &DataDir) -> Result<Parts, String> {
        fn part<T>(dir: &DataDir, file: DataFile, parse: fn(&[u8]) -> Result<T, String>) -> Result<Option<T>, String> {
            let loaded = dir.load(file, parse);
            match (loaded.value, loaded.problem) {
                (None, Some(problem)) => Err(problem),
                (value, _) => Ok(value),
            }
        }
        let any = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).map_err(|e| e.to_string());
        Ok(Parts {
            nodes: part(dir, NODES, Nodes::parse)?,
            system: part(dir, SYSTEM, System::parse)?,
            guests: part(dir, GUEST_METADATA, GuestMetadata::parse)?,
            alerts: part(dir, ALERTS, any)?,
            email: part(dir, EMAIL, any)?,
            webhooks: part(dir, WEBHOOKS, any)?,
        })
    }

    /// The documents of other rooms as files.
    pub fn documents(&self) -> Vec<(DataFile, Vec<u8>)> {
        let all = [(ALERTS, &self.alerts), (EMAIL, &self.email), (WEBHOOKS, &self.webhooks)];
        all.into_iter().filter_map(|(file, value)| Some((file, super::pretty(value.as_ref()?)))).collect()
    }

    /// Replaces the directory's files, all or none. Guest metadata is added to what is there.
    pub fn write_to(&self, dir: &mut DataDir) -> Result<(), String> {
        let mut files = self.documents();
        if let Some(nodes) = &self.nodes {
            files.push((NODES, nodes.to_bytes()));
        }
        if let Some(system) = &self.system {
            files.push((SYSTEM, system.to_bytes()));
        }
        if let Some(guests) = &self.guests {
            let mut merged = dir.load(GUEST_METADATA, GuestMetadata::parse).value.unwrap_or_default();
            merged.merge(guests.clone());
            files.push((GUEST_METADATA, merged.to_bytes()));
        }
        dir.write_all(&files)
    }
}

/// What 4.9 shows before mail was ever configured.
fn default_email() -> Value {
    json!({
        "enabled": false, "provider": "", "server": "", "port": 587, "username": "", "password": "",
        "from": "", "to": [], "tls": true, "startTLS": false,
    })
}

/// The rules of a fresh 4.9 (contract rest.md 5.29), for an importing 4.9 when none were ever saved here.
fn fresh_alerts() -> Value {
    let limit = |trigger: i64, clear: i64| json!({ "trigger": trigger, "clear": clear });
    let defaults = json!({ "cpu": limit(80, 75), "memory": limit(85, 80), "disk": limit(90, 85) });
    json!({
        "enabled": true, "guestDefaults": defaults, "nodeDefaults": defaults, "storageDefault": limit(85, 80),
        "overrides": {}, "minimumDelta": 2, "suppressionWindow": 5, "hysteresisMargin": 5, "timeThreshold": 0,
        "schedule": {
            "quietHours": { "enabled": false, "start": "", "end": "", "timezone": "", "days": null },
            "cooldown": 0, "groupingWindow": 0, "maxAlertsHour": 0,
            "escalation": { "enabled": false, "levels": null },
            "grouping": { "enabled": false, "window": 0, "byNode": false, "byGuest": false },
        },
    })
}

/// Everything a directory holds as an export.
pub fn export_dir(dir: &DataDir, passphrase: &str, now: Time) -> Result<String, String> {
    seal(&Parts::of_dir(dir)?.to_document(now), passphrase)
}

/// Whether other rooms can read their parts of an import; this one does not know them.
pub type PartsCheck = fn(&Parts) -> Result<(), String>;

/// Puts an export into a directory.
pub fn import_dir(dir: &mut DataDir, data: &str, passphrase: &str, check: PartsCheck) -> Result<(), String> {
    let parts = Parts::of_document(unseal(data, passphrase)?)?;
    check(&parts)?;
    parts.write_to(dir)
}

/// The import at the first start (contract rest.md 8.3): only while there are no nodes. `None`: nothing was asked for.
pub fn first_import(dir: &mut DataDir, env: &Environment, check: PartsCheck) -> Option<Result<(), String>> {
    let data = match (env.word("PULSE_INIT_CONFIG_FILE"), env.word("PULSE_INIT_CONFIG_DATA")) {
        (None, None) => return None,
        _ if dir.stamp(NODES).is_some() => return None,
        (Some(path), _) => std::fs::read_to_string(path).map_err(|e| format!("failed to read {path}: {e}")),
        (None, Some(data)) => Ok(data.to_owned()),
    };
    let passphrase =
        env.get("PULSE_INIT_CONFIG_PASSPHRASE").ok_or("PULSE_INIT_CONFIG_PASSPHRASE is not set".to_owned());
    let imported = data.and_then(|data| import_dir(dir, &data, passphrase?, check));
    Some(imported.map_err(|e| format!("failed to import the initial configuration: {e}")))
}

/// What `pulse config info` says about a directory: lines of text, no secrets.
pub fn describe_dir(dir: &DataDir) -> Vec<String> {
    let mut lines = Vec::new();
    match dir.locked() {
        Some(why) => lines.push(format!("{}: {why}", super::KEY_FILE)),
        None => lines.push(format!("{}: present", super::KEY_FILE)),
    }
    let nodes = dir.load(NODES, Nodes::parse);
    let count = nodes.value.map(|n| format!("{} PVE and {} PBS connections", n.pve.len(), n.pbs.len()));
    lines.push(line(NODES, count, nodes.problem));
    let system = dir.load(SYSTEM, System::parse);
    lines.push(line(SYSTEM, system.value.map(|_| "settings".to_owned()), system.problem));
    for (file, what) in [(ALERTS, "alert rules"), (EMAIL, "mail"), (WEBHOOKS, "webhooks")] {
        let loaded = dir.load(file, |b| serde_json::from_slice::<Value>(b).map_err(|e| e.to_string()));
        let text = loaded.value.map(|v| v.as_array().map_or(what.to_owned(), |list| format!("{} {what}", list.len())));
        lines.push(line(file, text, loaded.problem));
    }
    let guests = dir.load(GUEST_METADATA, GuestMetadata::parse);
    lines.push(line(GUEST_METADATA, guests.value.map(|g| format!("{} guests", g.len())), guests.problem));
    lines
}

fn line(file: DataFile, found: Option<String>, problem: Option<String>) -> String {
    match (found, problem) {
        (_, Some(problem)) => format!("{}: {problem}", file.name),
        (Some(found), None) => format!("{}: {found}", file.name),
        (None, None) => format!("{}: not there", file.name),
    }
}
