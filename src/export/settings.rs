//! `metrics.json`: where figures are pushed to, and where long histories are read from. Reading only: the file is an
//! administrator's. Errors name the key, never a value: values may be credentials.

use crate::config::{DataFile, Secret};
use serde_json::{Map, Value};

/// Written by hand or by a deployment; taken in again when it changes.
pub const FILE: DataFile = crate::config::METRICS;

const MOST_END_POINTS: usize = 16;
const INTERVAL_SECS: u64 = 60;
const BACKLOG_MEGABYTES: u64 = 64;

/// What the file says. Nothing is pushed and nothing is pulled by default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    pub push: Vec<EndPoint>,
    pub history: Option<Peer>,
}

/// How the figures are written for the receiver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Wire {
    /// Prometheus remote-write 1.0: protobuf in snappy.
    #[default]
    RemoteWrite,
    /// Influx line protocol, gzipped.
    Influx,
}

/// One receiver.
#[derive(Debug, Clone, PartialEq)]
pub struct EndPoint {
    /// Letters, digits, `-` and `_`: also the name of the folder that keeps what waits for this receiver.
    pub name: String,
    pub wire: Wire,
    pub peer: Peer,
    pub interval_secs: u64,
    /// Bytes on disk that may wait while the receiver does not answer.
    pub backlog_bytes: u64,
    /// Added to every series.
    pub labels: Vec<(String, String)>,
}

/// A server of the other side and how to get in. `Debug` shows no credentials, and a URL can hold some.
#[derive(Clone, PartialEq)]
pub struct Peer {
    pub url: String,
    pub username: String,
    pub password: Secret,
    pub token: Secret,
    pub headers: Vec<(String, Secret)>,
    pub verify: bool,
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Peer(hidden)")
    }
}

impl Settings {
    /// Reads the file. The error is fit for the log.
    pub fn parse(bytes: &[u8]) -> Result<Settings, String> {
        let value: Value = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        let top = Keys::of(&value, "the file")?;
        top.only(&["push", "history"])?;
        let mut settings = Settings::default();
        let list = match top.map.get("push") {
            None | Some(Value::Null) => &[][..],
            Some(Value::Array(list)) => list,
            Some(_) => return Err("push is not a list".to_owned()),
        };
        if list.len() > MOST_END_POINTS {
            return Err(format!("push has more than {MOST_END_POINTS} end points"));
        }
        for (n, item) in list.iter().enumerate() {
            let end = end_point(&Keys::of(item, &format!("push[{n}]"))?)?;
            if settings.push.iter().any(|other| other.name == end.name) {
                return Err(format!("push[{n}].name is taken"));
            }
            settings.push.push(end);
        }
        if let Some(value) = top.map.get("history").filter(|v| !v.is_null()) {
            let keys = Keys::of(value, "history")?;
            keys.only(&["source", "username", "password", "token", "headers", "verifySSL"])?;
            if !keys.text("source")?.is_empty() {
                settings.history = Some(peer(&keys, "source")?);
            }
        }
        Ok(settings)
    }
}

fn end_point(keys: &Keys) -> Result<EndPoint, String> {
    keys.only(&[
        "name",
        "format",
        "url",
        "username",
        "password",
        "token",
        "headers",
        "verifySSL",
        "intervalSeconds",
        "backlogMegabytes",
        "labels",
    ])?;
    let name = keys.text("name")?;
    let usable = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > 40 || !name.chars().all(usable) {
        return Err(keys.wrong("name", "1 to 40 letters, digits, - and _"));
    }
    let wire = match keys.text("format")? {
        "" | "remote-write" => Wire::RemoteWrite,
        "influx" => Wire::Influx,
        _ => return Err(keys.wrong("format", "remote-write or influx")),
    };
    let labels = keys.texts("labels")?;
    if labels.iter().any(|(k, _)| !is_label(k)) {
        return Err(keys.wrong("labels", "an object of label names and values"));
    }
    Ok(EndPoint {
        name: name.to_owned(),
        wire,
        peer: peer(keys, "url")?,
        interval_secs: keys.number("intervalSeconds", INTERVAL_SECS, 1, 3_600)?,
        backlog_bytes: keys.number("backlogMegabytes", BACKLOG_MEGABYTES, 1, 10_240)? << 20,
        labels,
    })
}

/// A label's name in Prometheus. What begins with two underscores is reserved.
fn is_label(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.starts_with("__") && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(word)
}

fn peer(keys: &Keys, url: &str) -> Result<Peer, String> {
    let address = keys.text(url)?;
    let web = address.strip_prefix("http://").or(address.strip_prefix("https://")).unwrap_or_default();
    if web.is_empty() || web.contains(char::is_whitespace) {
        return Err(keys.wrong(url, "an http:// or https:// URL"));
    }
    let headers = keys.texts("headers")?;
    Ok(Peer {
        url: address.to_owned(),
        username: keys.text("username")?.to_owned(),
        password: Secret::new(keys.text("password")?),
        token: Secret::new(keys.text("token")?),
        headers: headers.into_iter().map(|(k, v)| (k, Secret::new(v))).collect(),
        verify: match keys.map.get("verifySSL") {
            None | Some(Value::Null) => true,
            Some(Value::Bool(verify)) => *verify,
            Some(_) => return Err(keys.wrong("verifySSL", "true or false")),
        },
    })
}

/// An object and what errors call it.
struct Keys<'a> {
    map: &'a Map<String, Value>,
    place: String,
}

impl<'a> Keys<'a> {
    fn of(value: &'a Value, place: &str) -> Result<Keys<'a>, String> {
        let map = value.as_object().ok_or_else(|| format!("{place} is not an object"))?;
        Ok(Keys { map, place: place.to_owned() })
    }
    fn wrong(&self, key: &str, expected: &str) -> String {
        format!("{}.{key} must be {expected}", self.place)
    }
    /// A mistyped key is an error: it would else be silence.
    fn only(&self, known: &[&str]) -> Result<(), String> {
        match self.map.keys().find(|k| !known.contains(&k.as_str())) {
            Some(_) => Err(format!("{} has a key that is none of {}", self.place, known.join(", "))),
            None => Ok(()),
        }
    }
    fn text(&self, key: &str) -> Result<&'a str, String> {
        match self.map.get(key) {
            None | Some(Value::Null) => Ok(""),
            Some(Value::String(text)) => Ok(text.trim()),
            Some(_) => Err(self.wrong(key, "a text")),
        }
    }
    fn number(&self, key: &str, usual: u64, least: u64, most: u64) -> Result<u64, String> {
        match self.map.get(key) {
            None | Some(Value::Null) => Ok(usual),
            Some(value) => value
                .as_u64()
                .filter(|n| (least..=most).contains(n))
                .ok_or_else(|| self.wrong(key, &format!("a number from {least} to {most}"))),
        }
    }
    fn texts(&self, key: &str) -> Result<Vec<(String, String)>, String> {
        let map = match self.map.get(key) {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Object(map)) if map.len() <= 32 => map,
            Some(_) => return Err(self.wrong(key, "an object of at most 32 texts")),
        };
        let text = |(k, v): (&String, &Value)| Some((k.clone(), v.as_str()?.to_owned()));
        map.iter().map(text).collect::<Option<_>>().ok_or_else(|| self.wrong(key, "an object of texts"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_key_and_never_a_value() {
        for (text, words) in [
            (r#"{"push":[{"name":"a","url":"hunter2"}]}"#, "push[0].url must be an http:// or https:// URL"),
            (r#"{"push":[{"name":"hunter/2","url":"http://a"}]}"#, "push[0].name must be 1 to 40"),
            (r#"{"push":[{"name":"a","url":"http://a","format":"hunter2"}]}"#, "push[0].format must be"),
            (r#"{"push":[{"name":"a","url":"http://a","passwort":"hunter2"}]}"#, "push[0] has a key that is none of"),
            (r#"{"push":[{"name":"a","url":"http://a","intervalSeconds":0}]}"#, "a number from 1 to 3600"),
            (r#"{"push":[{"name":"a","url":"http://a","labels":{"__name__":"hunter2"}}]}"#, "push[0].labels must be"),
            (r#"{"push":[{"name":"a","url":"http://a"},{"name":"a","url":"http://b"}]}"#, "push[1].name is taken"),
            (r#"{"history":{"source":"hunter2"}}"#, "history.source must be an http"),
            (r#"{"push":"hunter2"}"#, "push is not a list"),
        ] {
            let error = Settings::parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(words) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn everything_but_name_and_url_has_a_default_and_debug_hides_credentials() {
        let text = r#"{"push":[{"name":"vm","url":"http://u:hunter2@a/api/v1/write","token":"hunter2"}]}"#;
        let settings = Settings::parse(text.as_bytes()).unwrap();
        let end = &settings.push[0];
        assert_eq!((end.wire, end.interval_secs, end.backlog_bytes), (Wire::RemoteWrite, 60, 64 << 20));
        assert!(end.peer.verify && settings.history.is_none());
        assert!(!format!("{settings:?}").contains("hunter2"));
        assert_eq!(Settings::parse(b"{}").unwrap(), Settings::default());
    }
}
