//! Asking a simulated Proxmox directly, as plainly as possible: no retries, no pinning.

use pulse::demo::{Simulator, Spec};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use ureq::tls::TlsConfig;

/// A simulator that must start.
pub fn start(spec: Spec) -> Simulator {
    pulse::demo::start(spec).unwrap()
}

/// A client of one host that takes any certificate.
pub struct Client {
    agent: ureq::Agent,
    pub base: String,
    pub authorization: Option<String>,
    pub cookie: Option<String>,
}

/// Status and body of an answer, or what went wrong on the way.
pub type Got = Result<(u16, String), ureq::Error>;

impl Client {
    /// With the token of a host.
    pub fn of(simulator: &Simulator, host: usize) -> Client {
        let mut client = Client::anonymous(simulator.url(host));
        client.authorization = simulator.access(host).map(|a| a.authorization());
        client
    }
    pub fn anonymous(base: String) -> Client {
        let tls = TlsConfig::builder()
            .disable_verification(true)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let config = ureq::Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(Duration::from_secs(10)))
            .build();
        Client { agent: config.into(), base, authorization: None, cookie: None }
    }
    /// The same without connections kept from before.
    pub fn fresh(&self) -> Client {
        let mut client = Client::anonymous(self.base.clone());
        (client.authorization, client.cookie) = (self.authorization.clone(), self.cookie.clone());
        client
    }
    pub fn get(&self, path: &str) -> Got {
        let mut request = self.agent.get(format!("{}/api2/json{path}", self.base));
        if let Some(value) = &self.authorization {
            request = request.header("Authorization", value);
        }
        if let Some(value) = &self.cookie {
            request = request.header("Cookie", value);
        }
        let mut response = request.call()?;
        let status = response.status().as_u16();
        Ok((status, response.body_mut().with_config().limit(64 << 20).read_to_string()?))
    }
    pub fn post(&self, path: &str, form: &[(&str, &str)]) -> Got {
        let request = self.agent.post(format!("{}/api2/json{path}", self.base));
        let mut response = request.send_form(form.iter().copied())?;
        Ok((response.status().as_u16(), response.body_mut().read_to_string()?))
    }
    /// The `data` of an answer that must be a 200.
    pub fn data(&self, path: &str) -> Value {
        let (status, body) = self.get(path).unwrap();
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str::<Value>(&body).unwrap()["data"].take()
    }
    /// Status of an answer.
    pub fn status(&self, path: &str) -> u16 {
        self.get(path).unwrap().0
    }
}
