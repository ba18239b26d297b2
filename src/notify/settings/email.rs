//! The mail document (contract state.md 7.3) and what follows from it: who gets mail, over which kind of connection.

use super::providers;
use crate::config::Secret;
use crate::config::fields::Fields;
use crate::json::{json, put};
use serde_json::{Map, Value};

/// How mail is sent. Field names as on the wire; keys below `rest` are carried along.
#[derive(Debug, Clone, PartialEq)]
pub struct Email {
    pub enabled: bool,
    /// Name of a preset, or empty.
    pub provider: String,
    pub server: String,
    pub port: u16,
    pub username: String,
    pub password: Secret,
    pub from: String,
    pub to: Vec<String>,
    pub tls: bool,
    pub start_tls: bool,
    /// Where answers go; empty: to `from`.
    pub reply_to: String,
    /// `auto` or empty (see [`Email::transport`]), `tls`, `starttls`, `opportunistic`, `none`.
    pub security: String,
    /// Accept any certificate of the server.
    pub skip_verify: bool,
    /// Tries for each mail; 0: the usual three.
    pub max_retries: u32,
    /// Seconds before the second try; 0: the usual.
    pub retry_delay: u32,
    /// Mails a minute at most; 0: the usual.
    pub rate_limit: u32,
    pub rest: Map<String, Value>,
}

/// What kind of connection mail goes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TLS from the first byte.
    Tls,
    /// STARTTLS or nothing.
    StartTls,
    /// STARTTLS when the server offers it.
    Opportunistic,
    /// Never encrypted, also with a password: somebody asked for exactly that.
    Plain,
}

impl Default for Email {
    /// What 4.9 shows while there is no file.
    fn default() -> Email {
        Email {
            enabled: false,
            provider: String::new(),
            server: String::new(),
            port: 587,
            username: String::new(),
            password: Secret::default(),
            from: String::new(),
            to: Vec::new(),
            tls: true,
            start_tls: false,
            reply_to: String::new(),
            security: String::new(),
            skip_verify: false,
            max_retries: 0,
            retry_delay: 0,
            rate_limit: 0,
            rest: Map::new(),
        }
    }
}

impl Email {
    /// Reads the document of the file or of a request body. Absent keys are empty, as in 4.9.
    pub fn from_value(value: Value) -> Result<Email, String> {
        let mut f = Fields::of(value, "email")?;
        let port = f.int("port")?.unwrap_or(0);
        let mut count =
            |name: &str| -> Result<u32, String> { Ok(u32::try_from(f.int(name)?.unwrap_or(0)).unwrap_or(0).min(3600)) };
        let (max_retries, retry_delay, rate_limit) =
            (count("maxRetries")?.min(10), count("retryDelay")?, count("rateLimit")?);
        let mut text = |name: &str| f.text(name).map(Option::unwrap_or_default);
        let (provider, server, username, password) =
            (text("provider")?, text("server")?, text("username")?, Secret::new(text("password")?));
        let (from, reply_to, security) = (text("from")?, text("replyTo")?, text("security")?);
        if !["", "auto", "tls", "starttls", "opportunistic", "none"].contains(&security.as_str()) {
            return Err("email.security: one of auto, tls, starttls, opportunistic, none expected".to_owned());
        }
        Ok(Email {
            enabled: f.flag("enabled")?.unwrap_or(false),
            provider,
            server: server.trim().to_owned(),
            port: u16::try_from(port).map_err(|_| "email.port: 0 to 65535 expected".to_owned())?,
            username,
            password,
            from,
            to: f.texts("to")?.unwrap_or_default(),
            tls: f.flag("tls")?.unwrap_or(false),
            start_tls: f.flag("startTLS")?.unwrap_or(false),
            reply_to,
            security,
            skip_verify: f.flag("skipTLSVerify")?.unwrap_or(false),
            max_retries,
            retry_delay,
            rate_limit,
            rest: f.rest(),
        })
    }

    /// A request body that replaces `self`: an absent or empty password keeps the stored one, `null` removes it.
    pub fn replaced_by(&self, value: Value) -> Result<Email, String> {
        let removes = value.as_object().is_some_and(|map| {
            map.iter().any(|(name, value)| name.eq_ignore_ascii_case("password") && value.is_null())
        });
        let mut email = Email::from_value(value)?;
        email.rest.remove("hasPassword");
        email.rest.remove(super::BESIDE);
        if email.password.is_empty() && !removes {
            email.password = self.password.clone();
        }
        Ok(email)
    }

    /// A body whose absent keys keep what they were.
    pub fn merged_with(&self, value: Value) -> Result<Email, String> {
        let Value::Object(patch) = value else {
            return Err("email: an object expected".to_owned());
        };
        let mut doc = self.to_map();
        doc.remove("password");
        for (name, value) in patch {
            let known = doc.keys().find(|k| k.eq_ignore_ascii_case(&name)).cloned();
            doc.insert(known.unwrap_or(name), value);
        }
        self.replaced_by(Value::Object(doc))
    }

    /// The whole document, with the password: for the file.
    pub fn to_map(&self) -> Map<String, Value> {
        let mut out = self.base_map();
        put(&mut out, "password", json!(self.password.expose()));
        super::add_rest(&mut out, &self.rest);
        out
    }

    /// The document as clients see it.
    pub fn shown(&self) -> Value {
        let mut out = self.base_map();
        put(&mut out, "password", json!(""));
        if !self.password.is_empty() {
            put(&mut out, "hasPassword", json!(true));
        }
        for (name, value) in &self.rest {
            if !super::is_secret_name(name) {
                out.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        Value::Object(out)
    }

    /// 4.9's keys always, ours when they say something.
    fn base_map(&self) -> Map<String, Value> {
        let mut out = Map::new();
        let mut put = |name: &str, value: Value, always: bool| {
            if always || !(value == json!("") || value == json!(0) || value == json!(false)) {
                out.insert(name.to_owned(), value);
            }
        };
        put("enabled", json!(self.enabled), true);
        put("provider", json!(self.provider), true);
        put("server", json!(self.server), true);
        put("port", json!(self.port), true);
        put("username", json!(self.username), true);
        put("from", json!(self.from), true);
        put("to", json!(self.to), true);
        put("tls", json!(self.tls), true);
        put("startTLS", json!(self.start_tls), true);
        put("replyTo", json!(self.reply_to), false);
        put("security", json!(self.security), false);
        put("skipTLSVerify", json!(self.skip_verify), false);
        put("maxRetries", json!(self.max_retries), false);
        put("retryDelay", json!(self.retry_delay), false);
        put("rateLimit", json!(self.rate_limit), false);
        out
    }

    /// Port 0 means the usual one.
    pub fn effective_port(&self) -> u16 {
        match (self.port, self.security.as_str()) {
            (0, "tls") => 465,
            (0, _) => 587,
            (port, _) => port,
        }
    }

    /// 4.9 ignores `tls` and sends in clear on 587, which servers then refuse; here `tls` means what it says, and the
    /// port decides in which form.
    pub fn transport(&self) -> Transport {
        match self.security.as_str() {
            "tls" => return Transport::Tls,
            "starttls" => return Transport::StartTls,
            "opportunistic" => return Transport::Opportunistic,
            "none" => return Transport::Plain,
            _ => {}
        }
        let port = self.effective_port();
        let upgrades = matches!(port, 587 | 25);
        if port == 465 || (self.tls && !self.start_tls && !upgrades) {
            Transport::Tls
        } else if self.start_tls || self.tls {
            Transport::StartTls
        } else {
            Transport::Opportunistic
        }
    }

    /// Who gets mail: `to`, or `from` when that is empty.
    pub fn recipients(&self) -> Vec<&str> {
        let to: Vec<&str> = self.to.iter().map(|t| t.trim()).filter(|t| !t.is_empty()).collect();
        if to.is_empty() { vec![self.from.trim()] } else { to }
    }

    /// The name to log in with: some providers have a fixed one.
    pub fn login_name(&self) -> &str {
        if !self.username.is_empty() {
            return &self.username;
        }
        match providers::fixed_user(&self.provider, &self.server) {
            // Postmark takes its token as both.
            Some("") => self.password.expose(),
            Some(name) => name,
            None => "",
        }
    }

    /// Why nothing can be sent with these settings, in 4.9's words.
    pub fn incomplete(&self) -> Option<&'static str> {
        (self.server.is_empty() || self.from.trim().is_empty())
            .then_some("email configuration is incomplete: SMTP host and from address are required")
    }
}
