//! One request as an answering function sees it, and what such a function gives back. Pure values.

use super::catalog::Parts;
use super::scene::Scene;
use super::world::{Guest, Host, Kind, Pbs, Pve, World};
use serde::Serialize;
use std::collections::BTreeSet;

/// A checked, authenticated request.
pub struct Ask<'a> {
    pub scene: &'a Scene,
    /// Index of the host that was asked.
    pub host: usize,
    /// Index of its node that answers.
    pub endpoint: usize,
    /// Seconds since 1970 by the host's clock.
    pub t: i64,
    pub parts: &'a Parts<'a>,
    pub given: &'a [(String, String)],
    pub privileges: &'a BTreeSet<String>,
}

/// The body of a 200, or why there is none.
pub type Outcome = Result<Vec<u8>, Refusal>;

/// An error as Proxmox words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub message: String,
    /// The parameter at fault and what is wrong with it.
    pub parameter: Option<(String, String)>,
}

impl Refusal {
    pub fn new(status: u16, message: impl Into<String>) -> Refusal {
        Refusal { status, message: message.into(), parameter: None }
    }
    pub fn parameter(name: &str, complaint: &str) -> Refusal {
        Refusal {
            status: 400,
            message: "Parameter verification failed.".to_owned(),
            parameter: Some((name.to_owned(), complaint.to_owned())),
        }
    }
}

#[derive(Serialize)]
struct Envelope<T> {
    data: T,
}

/// A body with this as its `data`.
pub fn data(it: impl Serialize) -> Outcome {
    serde_json::to_vec(&Envelope { data: it }).map_err(|e| Refusal::new(500, format!("failed to write answer: {e}")))
}

impl<'a> Ask<'a> {
    pub fn world(&self) -> &'a World {
        &self.scene.world
    }
    /// A part of the path, empty when the route has none of that name.
    pub fn part(&self, name: &str) -> &'a str {
        self.parts.iter().find(|(n, _)| *n == name).map_or("", |(_, value)| *value)
    }
    /// A parameter.
    pub fn param(&self, name: &str) -> Option<&'a str> {
        self.given.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
    pub fn number(&self, name: &str) -> Option<i64> {
        self.param(name).and_then(|v| v.parse().ok())
    }
    pub fn flag(&self, name: &str) -> bool {
        self.param(name).is_some_and(|v| ["1", "yes", "on", "true"].contains(&v))
    }
    pub fn may(&self, privilege: &str) -> bool {
        self.privileges.contains(privilege)
    }
    /// The last moment at which the statistics daemon collected: it does so every ten seconds.
    pub fn collected(&self) -> i64 {
        self.t - self.t.rem_euclid(10)
    }

    pub fn pve(&self) -> Result<&'a Pve, Refusal> {
        self.world().pve(self.host).ok_or_else(|| Refusal::new(501, "not a Proxmox VE"))
    }
    pub fn pbs(&self) -> Result<&'a Pbs, Refusal> {
        match self.world().hosts.get(self.host) {
            Some(Host::Pbs(pbs)) => Ok(pbs),
            _ => Err(Refusal::new(501, "not a Proxmox Backup Server")),
        }
    }
    /// The cluster and the index of the node in the path. Nodes that are down answer 595, as through the proxy.
    pub fn node(&self) -> Result<(&'a Pve, usize), Refusal> {
        let (pve, name) = (self.pve()?, self.part("node"));
        let found = if name == "localhost" { Some(self.endpoint) } else { pve.node_index(name) };
        let Some(index) = found else {
            let cause = "failed to get address info for";
            let text = format!("hostname lookup '{name}' failed - {cause}: {name}: Name or service not known");
            return Err(Refusal::new(500, text));
        };
        match pve.nodes.get(index) {
            Some(node) if node.online => Ok((pve, index)),
            _ => Err(Refusal::new(595, "No route to host")),
        }
    }
    /// The guest in the path, which must be on the node in the path.
    pub fn guest(&self, kind: Kind) -> Result<(&'a Pve, usize, &'a Guest), Refusal> {
        let (pve, node) = self.node()?;
        let vmid = self.part("vmid");
        let found = vmid.parse().ok().and_then(|id| pve.guest(id));
        let here = found.filter(|g| g.kind == kind && pve.node_of(g, self.t) == node);
        here.map(|g| (pve, node, g)).ok_or_else(|| {
            let folder = if kind == Kind::Qemu { "qemu-server" } else { "lxc" };
            let name = pve.nodes.get(node).map_or("", |n| &n.name);
            Refusal::new(500, format!("Configuration file 'nodes/{name}/{folder}/{vmid}.conf' does not exist"))
        })
    }
}
