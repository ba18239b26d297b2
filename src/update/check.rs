//! Asking the release server. Blocks: belongs into a job.

use super::release::{self, Release};
use crate::proxmox::{Tls, TlsConnector, tls_config};
use std::io::Read;
use std::time::Duration;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector, TcpConnector};

const SERVER: &str = "https://api.github.com";
const WITHIN: Duration = Duration::from_secs(15);
const MOST_BYTES: u64 = 2 << 20;
const MOST_REDIRECTS: u32 = 3;

/// The newest release of a channel. `server`: another base address than the public one.
pub fn newest(server: Option<&str>, channel: &str) -> Result<Release, String> {
    let tls = tls_config(Tls::Verify).map_err(|e| e.to_string())?;
    let config = ureq::config::Config::builder()
        .http_status_as_error(false)
        .max_redirects(MOST_REDIRECTS)
        .max_idle_connections(0)
        .timeout_global(Some(WITHIN))
        .user_agent("Pulse-Update-Checker")
        .accept("application/vnd.github.v3+json")
        .build();
    let connector = ().chain(TcpConnector::default()).chain(ConnectProxyConnector::default()).chain(TlsConnector(tls));
    let agent = ureq::Agent::with_parts(config, connector, DefaultResolver::default());
    let url = format!("{}{}", server.unwrap_or(SERVER), release::path(channel));
    let mut response = agent.get(&url).call().map_err(|e| format!("failed to reach the release server: {e}"))?;
    if response.status() != 200 {
        return Err(format!("the release server answered {}", response.status().as_u16()));
    }
    let mut body = Vec::new();
    let read = response.body_mut().as_reader().take(MOST_BYTES).read_to_end(&mut body);
    read.map_err(|e| format!("failed to read from the release server: {e}"))?;
    release::pick(channel, &body)
}
