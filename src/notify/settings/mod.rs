//! What is configured about notifications: mail, webhooks, which alerts go where, the heartbeat. Documents and their
//! rules, from values to values: how they are read, kept, merged and shown. No files, no sending.

mod email;
mod extras;
mod mask;
mod providers;
mod webhook;

pub use email::{Email, Transport};
pub use extras::{Heartbeat, Route};
pub use mask::{HIDDEN, is_secret_name, masked_url, scrub};
pub use providers::{PROVIDERS, Provider};
pub use webhook::{Filter, Webhook, check_url};

use crate::config::fields::Fields;
use crate::json::json;
use serde_json::{Map, Value};

/// Everything the room is told by the administrator.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub email: Email,
    pub webhooks: Vec<Webhook>,
    /// False: nothing is delivered, whatever the channels say.
    pub enabled: bool,
    pub routes: Vec<Route>,
    pub heartbeat: Heartbeat,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            email: Email::default(),
            webhooks: Vec::new(),
            enabled: true,
            routes: Vec::new(),
            heartbeat: Heartbeat::default(),
        }
    }
}

/// The key inside `email.enc` under which lives what 4.9 has no file for.
const BESIDE: &str = "notifications";

impl Settings {
    /// From the contents of `email.enc` and `webhooks.enc` (unsealed); `None` where there is no file.
    pub fn from_files(email: Option<&[u8]>, webhooks: Option<&[u8]>) -> Result<Settings, String> {
        let mut settings = Settings::default();
        if let Some(bytes) = email {
            settings.set_email_file(bytes)?;
        }
        if let Some(bytes) = webhooks {
            settings.webhooks = read_webhooks(bytes)?;
        }
        Ok(settings)
    }

    /// Takes in the content of `email.enc`.
    pub fn set_email_file(&mut self, bytes: &[u8]) -> Result<(), String> {
        let value: Value = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        let mut email = Email::from_value(value)?;
        let beside = email.rest.remove(BESIDE).unwrap_or(Value::Null);
        self.email = email;
        self.set_beside(beside)
    }

    /// Takes in the content of `webhooks.enc`.
    pub fn set_webhooks_file(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.webhooks = read_webhooks(bytes)?;
        Ok(())
    }

    /// Routes, heartbeat and the main switch, as the notifications document has them; absent keys stay as they are.
    pub fn set_beside(&mut self, value: Value) -> Result<(), String> {
        let mut f = Fields::of(value, "notifications")?;
        if let Some(enabled) = f.flag("enabled")? {
            self.enabled = enabled;
        }
        if let Some(list) = f.list("routes")? {
            self.routes = list.into_iter().map(Route::from_value).collect::<Result<_, _>>()?;
        }
        if let Some(value) = f.take("heartbeat") {
            self.heartbeat = Heartbeat::from_value(value, &self.heartbeat)?;
        }
        Ok(())
    }

    /// The content of `email.enc`: 4.9's document, and beside it what 4.9 does not know and therefore ignores.
    pub fn email_file(&self) -> Vec<u8> {
        let mut doc = self.email.to_map();
        let beside = json!({
            "enabled": self.enabled,
            "routes": self.routes.iter().map(Route::to_value).collect::<Vec<_>>(),
            "heartbeat": self.heartbeat.to_value(),
        });
        if !(self.enabled && self.routes.is_empty() && self.heartbeat == Heartbeat::default()) {
            doc.insert(BESIDE.to_owned(), beside);
        }
        crate::config::pretty(&Value::Object(doc))
    }

    /// The content of `webhooks.enc`.
    pub fn webhooks_file(&self) -> Vec<u8> {
        crate::config::pretty(&Value::Array(self.webhooks.iter().map(Webhook::to_value).collect()))
    }

    pub fn webhook(&self, id: &str) -> Option<&Webhook> {
        self.webhooks.iter().find(|w| w.id == id)
    }
}

/// `webhooks.enc`: a list; entries that cannot be used are errors, because saving would lose them.
fn read_webhooks(bytes: &[u8]) -> Result<Vec<Webhook>, String> {
    let value: Value = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    let list = match value {
        Value::Null => Vec::new(),
        Value::Array(list) => list,
        _ => return Err("webhooks: a list expected".to_owned()),
    };
    list.into_iter().enumerate().map(|(n, v)| Webhook::from_value(v, &format!("webhooks[{n}]"))).collect()
}

/// Puts back what the document had and nobody here knows, without overwriting anything.
fn add_rest(out: &mut Map<String, Value>, rest: &Map<String, Value>) {
    for (name, value) in rest {
        out.entry(name.clone()).or_insert_with(|| value.clone());
    }
}

#[cfg(test)]
mod tests;
