//! The webhook document (contract state.md 7.5), its rules and its masked form.

use super::extras::read_headers;
use super::mask::{HIDDEN, is_secret_name, masked_url};
use crate::config::Secret;
use crate::config::fields::Fields;
use crate::json::json;
use crate::order::{self, Pairs};
use serde_json::{Map, Value};

/// One webhook. Field names as on the wire; keys below `rest` are carried along.
#[derive(Clone, PartialEq, Default)]
pub struct Webhook {
    pub id: String,
    pub name: String,
    /// Mostly a secret in itself: never shown in logs or histories.
    pub url: String,
    /// Empty: POST.
    pub method: String,
    /// `None`: the wire's `null`.
    pub headers: Option<order::Map<String, Secret>>,
    pub enabled: bool,
    /// `discord`, `slack`, …; what is not known is sent as `generic`.
    pub service: String,
    /// A template of the administrator's own; blank: the service's payload.
    pub template: String,
    /// Values for `.CustomFields` of templates.
    pub custom_fields: order::Map<String, Value>,
    pub filter: Filter,
    /// False: one try only.
    pub retry_enabled: bool,
    /// Tries after the first one; `None`: two.
    pub retry_count: Option<u32>,
    /// Accept any certificate.
    pub skip_verify: bool,
    /// A text put in front of the message where the service has mentions (`<@123>`, `@here`).
    pub mention: String,
    pub rest: Map<String, Value>,
}

/// Which alerts a webhook wants; empty lists want all.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    pub levels: Vec<String>,
    pub types: Vec<String>,
    pub nodes: Vec<String>,
    pub resource_types: Vec<String>,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("url", &masked_url(&self.url))
            .field("service", &self.service)
            .field("enabled", &self.enabled)
            .finish_non_exhaustive()
    }
}

impl Filter {
    fn from_value(value: Value) -> Result<Filter, String> {
        let mut f = Fields::of(value, "filterRules")?;
        let mut texts = |name: &str| f.texts(name).map(Option::unwrap_or_default);
        Ok(Filter {
            levels: texts("levels")?,
            types: texts("types")?,
            nodes: texts("nodes")?,
            resource_types: texts("resourceTypes")?,
        })
    }
    fn to_value(&self) -> Value {
        json!({ "levels": self.levels, "types": self.types, "nodes": self.nodes, "resourceTypes": self.resource_types })
    }
    pub fn wants(&self, level: &str, kind: &str, node: &str, resource_type: &str) -> bool {
        let any = |list: &[String], value: &str| list.is_empty() || list.iter().any(|l| l.eq_ignore_ascii_case(value));
        any(&self.levels, level)
            && any(&self.types, kind)
            && any(&self.nodes, node)
            && any(&self.resource_types, resource_type)
    }
}

impl Webhook {
    /// Reads the document of the file. `place` is named in errors.
    pub fn from_value(value: Value, place: &str) -> Result<Webhook, String> {
        Webhook::read(value, place, &Webhook::default())
    }

    /// A request body: a new webhook.
    pub fn from_body(value: Value) -> Result<Webhook, String> {
        Webhook::read(value, "webhook", &Webhook::default())
    }

    /// A request body that changes `self`: keys that are absent keep their value, hidden values and a hidden address
    /// stand for what is stored.
    pub fn changed_by(&self, value: Value) -> Result<Webhook, String> {
        let Value::Object(patch) = value else {
            return Err("webhook: an object expected".to_owned());
        };
        let Value::Object(mut doc) = self.to_value() else {
            return Err("webhook: an object expected".to_owned());
        };
        for (name, value) in patch {
            let known = doc.keys().find(|k| k.eq_ignore_ascii_case(&name)).cloned();
            doc.insert(known.unwrap_or(name), value);
        }
        let mut webhook = Webhook::read(Value::Object(doc), "webhook", self)?;
        webhook.id.clone_from(&self.id);
        Ok(webhook)
    }

    fn read(value: Value, place: &str, before: &Webhook) -> Result<Webhook, String> {
        let mut f = Fields::of(value, place)?;
        let headers = match f.take("headers") {
            None => None,
            Some(Value::Object(map)) => Some(read_headers(map, before.headers.as_ref().unwrap_or(&order::Map::new()))?),
            Some(_) => return Err(format!("{place}.headers: an object of texts expected")),
        };
        let custom_fields = match f.take("customFields") {
            Some(Value::Object(map)) => map.into_iter().mapped(),
            _ => order::Map::new(),
        };
        let filter = f.take("filterRules").map(Filter::from_value).transpose()?.unwrap_or_default();
        let retry_count = f.int("retryCount")?.map(|n| u32::try_from(n.clamp(0, 10)).unwrap_or(0));
        let (retry_enabled, enabled) = (f.flag("retryEnabled")?.unwrap_or(true), f.flag("enabled")?.unwrap_or(false));
        let skip_verify = f.flag("skipTLSVerify")?.unwrap_or(false);
        let mut text = |name: &str| f.text(name).map(Option::unwrap_or_default);
        let url = text("url")?;
        let webhook = Webhook {
            id: text("id")?,
            name: text("name")?,
            url: if !before.url.is_empty() && url == masked_url(&before.url) { before.url.clone() } else { url },
            method: text("method")?,
            service: text("service")?,
            template: text("template")?,
            mention: text("mention")?,
            headers,
            enabled,
            custom_fields,
            filter,
            retry_enabled,
            retry_count,
            skip_verify,
            rest: f.rest(),
        };
        Ok(webhook)
    }

    /// The whole document: for the file.
    pub fn to_value(&self) -> Value {
        self.document(|_, secret| secret.expose().to_owned(), &self.url)
    }

    /// The document as clients see it: header values that are secrets are hidden. The address is shown to those who
    /// may change it (contract 7.1), hidden from those who may only read.
    pub fn shown(&self, may_manage: bool) -> Value {
        let masked = masked_url(&self.url);
        let header = |name: &str, secret: &Secret| {
            if is_secret_name(name) { HIDDEN.to_owned() } else { secret.expose().to_owned() }
        };
        self.document(header, if may_manage { &self.url } else { &masked })
    }

    fn document(&self, header: impl Fn(&str, &Secret) -> String, url: &str) -> Value {
        let mut out = Map::new();
        let headers = self.headers.as_ref().map(|headers| {
            headers.iter().map(|(name, secret)| (name.clone(), json!(header(name, secret)))).mapped::<Map<_, _>>()
        });
        let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
        put("id", json!(self.id));
        put("name", json!(self.name));
        put("url", json!(url));
        put("method", json!(self.method));
        put("headers", headers.map_or(Value::Null, Value::Object));
        put("enabled", json!(self.enabled));
        put("service", json!(self.service));
        put("template", json!(self.template));
        if !self.custom_fields.is_empty() {
            put("customFields", json!(self.custom_fields));
        }
        if self.filter != Filter::default() {
            put("filterRules", self.filter.to_value());
        }
        if !self.retry_enabled {
            put("retryEnabled", json!(false));
        }
        if let Some(count) = self.retry_count {
            put("retryCount", json!(count));
        }
        if self.skip_verify {
            put("skipTLSVerify", json!(true));
        }
        if !self.mention.is_empty() {
            put("mention", json!(self.mention));
        }
        super::add_rest(&mut out, &self.rest);
        Value::Object(out)
    }

    /// The value of a header, without regard to case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let headers = self.headers.as_ref()?;
        headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, secret)| secret.expose())
    }

    /// Texts that must not show up in answers or logs.
    pub fn secrets(&self) -> Vec<&str> {
        let mut out = vec![self.url.as_str()];
        let in_headers = self.headers.iter().flatten().filter(|(name, _)| is_secret_name(name));
        out.extend(in_headers.map(|(_, secret)| secret.expose()));
        let after_host = self.url.split_once("://").map_or("", |(_, rest)| rest);
        out.extend(after_host.split(['/', '?', '&', '=', '@']).skip(1).filter(|part| part.len() >= 8));
        out
    }
}

/// 4.9's rule for addresses, in its words: not empty, parseable, http or https, with a host.
pub fn check_url(url: &str) -> Result<(), String> {
    if url.is_empty() {
        return Err("URL cannot be empty".to_owned());
    }
    let uri: ureq::http::Uri = url.parse().map_err(|e| format!("invalid URL format: {e}"))?;
    match uri.scheme_str() {
        Some("http" | "https") => {}
        _ => return Err("URL must use http or https scheme".to_owned()),
    }
    match uri.host() {
        Some(host) if !host.is_empty() => Ok(()),
        _ => Err("URL must have a host".to_owned()),
    }
}
