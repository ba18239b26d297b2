//! What 4.9 has no keys for: which alerts go to which channels, and the heartbeat of a dead man's switch.

use super::mask::{HIDDEN, is_secret_name, masked_url};
use crate::config::Secret;
use crate::config::fields::Fields;
use crate::json::json;
use crate::order::{self, Pairs};
use serde_json::{Map, Value};

/// Sends alerts of resources with one of `tags` (empty: any) to `channels`. An alert that no route matches goes to all
/// channels; an alert that some match goes to the channels of those.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Route {
    pub tags: Vec<String>,
    /// `warning`, `critical`; empty: both.
    pub levels: Vec<String>,
    /// Names of connections; empty: all.
    pub instances: Vec<String>,
    /// `email` and ids of webhooks.
    pub channels: Vec<String>,
}

impl Route {
    pub fn from_value(value: Value) -> Result<Route, String> {
        let mut f = Fields::of(value, "routes")?;
        let mut texts = |name: &str| f.texts(name).map(Option::unwrap_or_default);
        let route = Route {
            tags: texts("tags")?,
            levels: texts("levels")?,
            instances: texts("instances")?,
            channels: texts("channels")?,
        };
        if route.channels.is_empty() {
            return Err("routes.channels: at least one of \"email\" and the ids of webhooks expected".to_owned());
        }
        Ok(route)
    }
    pub fn to_value(&self) -> Value {
        json!({ "tags": self.tags, "levels": self.levels, "instances": self.instances, "channels": self.channels })
    }
    /// Whether an alert with these properties is meant. Tags compare without case, as Proxmox shows them.
    pub fn matches(&self, level: &str, instance: &str, tags: &[String]) -> bool {
        let any = |list: &[String], value: &str| list.is_empty() || list.iter().any(|l| l.eq_ignore_ascii_case(value));
        let tagged =
            self.tags.is_empty() || self.tags.iter().any(|want| tags.iter().any(|t| t.eq_ignore_ascii_case(want)));
        tagged && any(&self.levels, level) && any(&self.instances, instance)
    }
}

/// An address that is called every so often while Pulse lives, so that its silence can be noticed elsewhere.
#[derive(Clone, PartialEq)]
pub struct Heartbeat {
    pub enabled: bool,
    pub url: String,
    /// Minutes between calls, 1 to 1440.
    pub interval_minutes: u32,
    /// `POST` with the summary as JSON, or `GET` without a body.
    pub method: String,
    pub headers: order::Map<String, Secret>,
}

impl Default for Heartbeat {
    fn default() -> Heartbeat {
        Heartbeat {
            enabled: false,
            url: String::new(),
            interval_minutes: 5,
            method: "POST".to_owned(),
            headers: order::Map::new(),
        }
    }
}

impl std::fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Heartbeat")
            .field("enabled", &self.enabled)
            .field("url", &masked_url(&self.url))
            .field("interval_minutes", &self.interval_minutes)
            .finish_non_exhaustive()
    }
}

impl Heartbeat {
    /// Reads the document; keys that are absent keep what `before` had, and hidden values too.
    pub fn from_value(value: Value, before: &Heartbeat) -> Result<Heartbeat, String> {
        let mut f = Fields::of(value, "heartbeat")?;
        let url = match f.text("url")? {
            Some(url) if url == masked_url(&before.url) => before.url.clone(),
            Some(url) => url,
            None => before.url.clone(),
        };
        let interval = f.int("intervalMinutes")?.unwrap_or(i64::from(before.interval_minutes));
        let method = f.text("method")?.map_or_else(|| before.method.clone(), |m| m.to_ascii_uppercase());
        if !["GET", "POST", "PUT"].contains(&method.as_str()) {
            return Err("heartbeat.method: GET, POST or PUT expected".to_owned());
        }
        let headers = match f.take("headers") {
            Some(Value::Object(map)) => read_headers(map, &before.headers)?,
            _ => before.headers.clone(),
        };
        let heartbeat = Heartbeat {
            enabled: f.flag("enabled")?.unwrap_or(before.enabled),
            url,
            interval_minutes: u32::try_from(interval.clamp(1, 1440)).unwrap_or(1440),
            method,
            headers,
        };
        if heartbeat.enabled || !heartbeat.url.is_empty() {
            super::check_url(&heartbeat.url).map_err(|e| format!("heartbeat.url: {e}"))?;
        }
        Ok(heartbeat)
    }
    pub fn to_value(&self) -> Value {
        let headers: Map<String, Value> =
            self.headers.iter().map(|(name, value)| (name.clone(), json!(value.expose()))).mapped();
        json!({ "enabled": self.enabled, "url": self.url, "intervalMinutes": self.interval_minutes,
            "method": self.method, "headers": headers })
    }
    /// The document as clients see it.
    pub fn shown(&self) -> Value {
        let headers: Map<String, Value> = self
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), json!(if is_secret_name(name) { HIDDEN } else { value.expose() })))
            .mapped();
        let url = if self.url.is_empty() { String::new() } else { masked_url(&self.url) };
        json!({ "enabled": self.enabled, "url": url, "intervalMinutes": self.interval_minutes,
            "method": self.method, "headers": headers })
    }
}

/// Header names to values; a hidden value stands for the one before.
pub(super) fn read_headers(
    map: Map<String, Value>,
    before: &order::Map<String, Secret>,
) -> Result<order::Map<String, Secret>, String> {
    let mut out = order::Map::new();
    for (name, value) in map {
        let Value::String(text) = value else {
            return Err(format!("headers.{name}: a text expected"));
        };
        let kept = before.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name)).map(|(_, secret)| secret);
        let hidden = text == HIDDEN || (text.is_empty() && is_secret_name(&name));
        let value = match kept {
            Some(secret) if hidden => secret.clone(),
            _ => Secret::new(text),
        };
        out.insert(name, value);
    }
    Ok(out)
}
