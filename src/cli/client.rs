//! Asking a running server from the command line; `pulse health`.

use super::{options, usage};
use std::process::ExitCode;
use std::time::Duration;

/// Exit 0 when the server at `--url` (default: this machine, the configured port) says that it is healthy.
pub fn health(words: &[&str]) -> ExitCode {
    let given = match options(words, &["--url"]) {
        Ok(given) => given,
        Err(problem) => return usage(&problem),
    };
    let url = given.last().map_or_else(local_url, |(_, url)| (*url).to_owned());
    match ask(&format!("{}/api/health", url.trim_end_matches('/')), None) {
        Ok(body) if body.get("status").and_then(|s| s.as_str()) == Some("healthy") => {
            println!("healthy");
            ExitCode::SUCCESS
        }
        Ok(_) => {
            eprintln!("failed to check {url}: it does not answer as Pulse does");
            ExitCode::FAILURE
        }
        Err(problem) => {
            eprintln!("failed to check {url}: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// The server on this machine, by the same variables that it reads itself.
pub(super) fn local_url() -> String {
    let var = |name: &str| std::env::var(name).ok();
    let port = var("FRONTEND_PORT").or_else(|| var("PORT")).and_then(|p| p.parse::<u16>().ok()).unwrap_or(7655);
    let scheme = if var("HTTPS_ENABLED").is_some_and(|v| v == "true" || v == "1") { "https" } else { "http" };
    format!("{scheme}://127.0.0.1:{port}")
}

/// A GET that ends within five seconds; the answer's JSON. On this machine a certificate is not checked:
/// it was made for the outside name.
pub(super) fn ask(url: &str, token: Option<&str>) -> Result<serde_json::Value, String> {
    let tls = ureq::tls::TlsConfig::builder()
        .provider(ureq::tls::TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(std::sync::Arc::new(rustls::crypto::ring::default_provider()))
        .disable_verification(url.starts_with("https://127.0.0.1"))
        .build();
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(5)))
        .max_redirects(0)
        .tls_config(tls)
        .build()
        .into();
    let mut request = agent.get(url);
    if let Some(token) = token {
        request = request.header("X-API-Token", token);
    }
    let mut response = request.call().map_err(|e| e.to_string())?;
    let text = response.body_mut().with_config().limit(4 << 20).read_to_string().map_err(|e| e.to_string())?;
    serde_json::from_str(&text).map_err(|_| "the answer is not JSON".to_owned())
}
