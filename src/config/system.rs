//! `system.json`: what the settings page changes (contract rest.md 7.3). Values as they are stored; what they mean
//! together with the environment is [`super::Settings`].

use super::fields::Fields;
use crate::json::json;
use serde_json::{Map, Value};

/// The document. Zero and empty mean "not chosen". Unknown keys are carried along.
#[derive(Debug, Clone, PartialEq)]
pub struct System {
    /// Seconds; also the fallback of the two below.
    pub polling_interval: i64,
    pub pve_polling_interval: i64,
    pub pbs_polling_interval: i64,
    pub backend_port: i64,
    pub frontend_port: i64,
    /// List separated by commas, or `*`.
    pub allowed_origins: String,
    /// Seconds.
    pub connection_timeout: i64,
    /// `stable`, `rc`, or empty for stable.
    pub update_channel: String,
    pub auto_update_enabled: bool,
    /// Hours.
    pub auto_update_check_interval: i64,
    /// `HH:MM`.
    pub auto_update_time: String,
    pub log_level: String,
    pub discovery_enabled: bool,
    /// `auto` or a range.
    pub discovery_subnet: String,
    /// `light`, `dark` or empty.
    pub theme: String,
    pub allow_embedding: bool,
    /// List separated by commas.
    pub allowed_embed_origins: String,
    /// Preferences of the page, any shape, below the key `ui`.
    pub ui: Map<String, Value>,
    /// Keys of later versions or other programs.
    pub rest: Map<String, Value>,
}

impl Default for System {
    /// What the first start writes.
    fn default() -> System {
        System {
            polling_interval: 10,
            pve_polling_interval: 0,
            pbs_polling_interval: 0,
            backend_port: 0,
            frontend_port: 0,
            allowed_origins: String::new(),
            connection_timeout: 10,
            update_channel: String::new(),
            auto_update_enabled: false,
            auto_update_check_interval: 0,
            auto_update_time: String::new(),
            log_level: String::new(),
            discovery_enabled: true,
            discovery_subnet: String::new(),
            theme: String::new(),
            allow_embedding: false,
            allowed_embed_origins: String::new(),
            ui: Map::new(),
            rest: Map::new(),
        }
    }
}

impl System {
    /// Reads the file's bytes.
    pub fn parse(bytes: &[u8]) -> Result<System, String> {
        let value: Value = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        System::from_value(value)
    }

    /// Reads the document, also as part of an export. Absent keys are zero, an absent `discoveryEnabled` is true.
    pub fn from_value(value: Value) -> Result<System, String> {
        let mut f = Fields::of(value, "system")?;
        let mut int = |name: &str| f.int(name).map(Option::unwrap_or_default);
        let (polling_interval, pve_polling_interval, pbs_polling_interval) =
            (int("pollingInterval")?, int("pvePollingInterval")?, int("pbsPollingInterval")?);
        let (backend_port, frontend_port) = (int("backendPort")?, int("frontendPort")?);
        let (connection_timeout, auto_update_check_interval) =
            (int("connectionTimeout")?, int("autoUpdateCheckInterval")?);
        let mut text = |name: &str| f.text(name).map(Option::unwrap_or_default);
        let (allowed_origins, update_channel) = (text("allowedOrigins")?, text("updateChannel")?);
        let (auto_update_time, log_level) = (text("autoUpdateTime")?, text("logLevel")?);
        let (discovery_subnet, theme) = (text("discoverySubnet")?, text("theme")?);
        let allowed_embed_origins = text("allowedEmbedOrigins")?;
        let auto_update_enabled = f.flag("autoUpdateEnabled")?.unwrap_or(false);
        let discovery_enabled = f.flag("discoveryEnabled")?.unwrap_or(true);
        let allow_embedding = f.flag("allowEmbedding")?.unwrap_or(false);
        let ui = match f.take("ui") {
            Some(Value::Object(map)) => map,
            _ => Map::new(),
        };
        let mut system = System {
            polling_interval,
            pve_polling_interval,
            pbs_polling_interval,
            backend_port,
            frontend_port,
            allowed_origins,
            connection_timeout,
            update_channel,
            auto_update_enabled,
            auto_update_check_interval,
            auto_update_time,
            log_level,
            discovery_enabled,
            discovery_subnet,
            theme,
            allow_embedding,
            allowed_embed_origins,
            ui,
            rest: f.rest(),
        };
        // 4.9's first start writes `discoveryEnabled: false` although it then runs with discovery on (6.3).
        if system == (System { discovery_enabled: false, ..System::default() }) {
            system.discovery_enabled = true;
        }
        Ok(system)
    }

    /// The document; keys that are zero are left out where 4.9 leaves them out.
    pub fn to_value(&self) -> Value {
        // Discovery turned off and nothing else chosen would read as 4.9's first file (see `from_value`).
        if *self == (System { discovery_enabled: false, ..System::default() }) {
            return System { discovery_subnet: "auto".to_owned(), ..self.clone() }.to_value();
        }
        let mut out = Map::new();
        let mut put = |name: &str, value: Value, always: bool| {
            if always || !(value == json!(0) || value == json!("")) {
                out.insert(name.to_owned(), value);
            }
        };
        put("pollingInterval", json!(self.polling_interval), true);
        put("pvePollingInterval", json!(self.pve_polling_interval), true);
        put("pbsPollingInterval", json!(self.pbs_polling_interval), true);
        put("backendPort", json!(self.backend_port), false);
        put("frontendPort", json!(self.frontend_port), false);
        put("allowedOrigins", json!(self.allowed_origins), false);
        put("connectionTimeout", json!(self.connection_timeout), false);
        put("updateChannel", json!(self.update_channel), false);
        put("autoUpdateEnabled", json!(self.auto_update_enabled), true);
        put("autoUpdateCheckInterval", json!(self.auto_update_check_interval), false);
        put("autoUpdateTime", json!(self.auto_update_time), false);
        put("logLevel", json!(self.log_level), false);
        put("discoveryEnabled", json!(self.discovery_enabled), true);
        put("discoverySubnet", json!(self.discovery_subnet), false);
        put("theme", json!(self.theme), false);
        put("allowEmbedding", json!(self.allow_embedding), true);
        put("allowedEmbedOrigins", json!(self.allowed_embed_origins), false);
        if !self.ui.is_empty() {
            out.insert("ui".to_owned(), Value::Object(self.ui.clone()));
        }
        for (name, value) in &self.rest {
            out.entry(name.clone()).or_insert_with(|| value.clone());
        }
        Value::Object(out)
    }

    /// The file's bytes: indented by two, so that 4.9's installer can still grep `"autoUpdateEnabled": true`.
    pub fn to_bytes(&self) -> Vec<u8> {
        super::pretty(&self.to_value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_unknown_keys_survive() {
        let text = r#"{"pollingInterval":15,"pvePollingInterval":0,"pbsPollingInterval":30,"allowedOrigins":"https://a","connectionTimeout":20,
            "updateChannel":"rc","autoUpdateEnabled":true,"autoUpdateCheckInterval":24,"autoUpdateTime":"03:00","discoveryEnabled":false,
            "theme":"dark","allowEmbedding":true,"allowedEmbedOrigins":"https://b","ui":{"layout":"flat"},"later":{"a":1}}"#;
        let system = System::parse(text.as_bytes()).unwrap();
        assert_eq!((system.polling_interval, system.pbs_polling_interval), (15, 30));
        assert!(!system.discovery_enabled);
        let written = system.to_bytes();
        assert_eq!(System::parse(&written).unwrap(), system);
        let written = String::from_utf8(written).unwrap();
        assert!(written.contains("\"later\""));
        assert!(written.contains("\n  \"autoUpdateEnabled\": true,") && written.contains("\"updateChannel\": \"rc\""));
    }

    #[test]
    fn the_first_file_of_4_9_does_not_turn_discovery_off_but_a_choice_does() {
        let first = r#"{"pollingInterval":10,"pvePollingInterval":0,"pbsPollingInterval":0,"connectionTimeout":10,
            "autoUpdateEnabled":false,"discoveryEnabled":false,"allowEmbedding":false}"#;
        assert!(System::parse(first.as_bytes()).unwrap().discovery_enabled);
        let chosen = first.replace("\"allowEmbedding\":false", "\"allowEmbedding\":false,\"discoverySubnet\":\"auto\"");
        assert!(!System::parse(chosen.as_bytes()).unwrap().discovery_enabled);
        let ours = System { discovery_enabled: false, ..System::default() };
        assert!(!System::parse(&ours.to_bytes()).unwrap().discovery_enabled);
    }

    #[test]
    fn a_broken_file_says_where() {
        assert_eq!(
            System::parse(br#"{"pollingInterval":"soon"}"#).unwrap_err(),
            "system.pollingInterval: a whole number expected, a text found"
        );
        assert!(System::parse(b"{\"pollingInterval\": 1").is_err());
    }
}
