//! Asking one host one question, outside of polling: the connection tests and the search for a cluster's members when a
//! connection is added. Everything here blocks and belongs into a job.

use crate::config::{ClusterEndpoint, Node};
use crate::model::Time;
use crate::owner::access;
use crate::proxmox::{Client, Error, Kind, List, pbs, peer_fingerprint, pve};
use std::time::{Duration, Instant};

/// A test as a whole may take this long for each of its requests (contract rest.md 5.12).
pub const TEST_TIMEOUT: Duration = Duration::from_secs(10);
/// The search for members while a connection is added.
pub const MEMBERS_TIMEOUT: Duration = Duration::from_secs(3);

/// What a host that answers said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// PVE: nodes; PBS: datastores.
    pub count: usize,
    /// PVE: members of its cluster; empty for a host without one.
    pub members: Vec<ClusterEndpoint>,
    pub cluster_name: String,
    /// SHA-256 of the certificate it showed; `None` over plain http.
    pub fingerprint: Option<String>,
    pub latency: Duration,
}

/// Why a test failed: before the first question (address, login) or at it.
#[derive(Debug)]
pub struct Failed {
    pub at_login: bool,
    pub error: Error,
}

impl Failed {
    /// 4.9's words; the cause itself goes beside them.
    pub fn message(&self) -> &'static str {
        if self.at_login {
            "Failed to initialize connection"
        } else {
            "Connection failed. Please check your credentials and network settings"
        }
    }
    /// SHA-256 of a certificate that was refused.
    pub fn fingerprint(&self) -> Option<String> {
        match &self.error {
            Error::Tls { fingerprint: Some(seen), .. } => Some(seen.to_string()),
            _ => None,
        }
    }
}

/// Logs in and asks for the nodes or datastores.
pub fn test(node: &Node) -> Result<Found, Failed> {
    let started = Instant::now();
    let access = access(node, TEST_TIMEOUT);
    let at_login = |error| Failed { at_login: true, error };
    let mut client = Client::new(node.kind, &access).map_err(at_login)?;
    client.ready(0).map_err(at_login)?;
    let asked = match node.kind {
        Kind::Pve => client.get::<List<pve::NodeItem>>("nodes", TEST_TIMEOUT).map(|l| l.0.len()),
        Kind::Pbs => client.get::<List<pbs::DatastoreItem>>("admin/datastore", TEST_TIMEOUT).map(|l| l.0.len()),
    };
    let count = asked.map_err(|error| Failed { at_login: false, error })?;
    let latency = started.elapsed();
    let (cluster_name, members) = match node.kind {
        // A host that hides its cluster status from the user is still a host that works.
        Kind::Pve => members(&client, MEMBERS_TIMEOUT).unwrap_or_default(),
        Kind::Pbs => Default::default(),
    };
    let fingerprint = peer_fingerprint(&access.base_url, MEMBERS_TIMEOUT).ok().map(|f| f.to_string());
    Ok(Found { count, members, cluster_name, fingerprint, latency })
}

/// The cluster of a PVE that is about to be added; nothing when it cannot be asked.
pub fn find_cluster(node: &Node, now: Time) -> Option<(String, Vec<ClusterEndpoint>)> {
    let mut client = Client::new(node.kind, &access(node, MEMBERS_TIMEOUT)).ok()?;
    client.ready(0).ok()?;
    let (name, mut members) = members(&client, MEMBERS_TIMEOUT).ok()?;
    for member in &mut members {
        member.last_seen = now;
    }
    (members.len() > 1).then_some((name, members))
}

fn members(client: &Client, within: Duration) -> Result<(String, Vec<ClusterEndpoint>), Error> {
    let items = client.get::<List<pve::ClusterItem>>("cluster/status", within)?.0;
    let name = items.iter().find(|i| i.kind == "cluster").map(|i| i.name.clone()).unwrap_or_default();
    let nodes: Vec<_> = items.into_iter().filter(|i| i.kind == "node" && !i.name.is_empty()).collect();
    if nodes.len() < 2 {
        return Ok((String::new(), Vec::new()));
    }
    let endpoint = |i: pve::ClusterItem| ClusterEndpoint {
        node_id: format!("node/{}", i.name),
        host: i.name.clone(),
        node_name: i.name,
        ip: i.ip,
        online: i.online.unwrap_or(false),
        last_seen: Time::UNSET,
    };
    Ok((name, nodes.into_iter().map(endpoint).collect()))
}
