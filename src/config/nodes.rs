//! `nodes.enc`: the configured connections to PVE and PBS, in 4.9's JSON (contract rest.md 7.5), and the rules of
//! changing them. Nothing here asks a host.

use super::Secret;
use super::address::normalise;
use super::fields::Fields;
use crate::json::json;
use crate::model::Time;
use crate::proxmox::Kind;
use serde_json::{Map, Value};

/// One configured connection.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub kind: Kind,
    /// Unique among the connections of its kind; the `instance` of everything found through it.
    pub name: String,
    /// `https://pve.lan:8006`.
    pub host: String,
    /// `user@realm`; with a token only when the token's name does not say it.
    pub user: String,
    pub password: Secret,
    /// `user@realm!name`.
    pub token_name: String,
    pub token_value: Secret,
    /// SHA-256 of the certificate to accept, as typed; empty when none is pinned.
    pub fingerprint: String,
    pub verify_ssl: bool,
    pub monitor: Monitor,
    pub is_cluster: bool,
    pub cluster_name: String,
    pub cluster_endpoints: Vec<ClusterEndpoint>,
    /// Keys of later versions.
    rest: Map<String, Value>,
}

/// What is asked for. The first four count for PVE, `backups` and the rest for PBS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Monitor {
    pub vms: bool,
    pub containers: bool,
    pub storage: bool,
    pub backups: bool,
    pub datastores: bool,
    pub sync_jobs: bool,
    pub verify_jobs: bool,
    pub prune_jobs: bool,
    pub garbage_jobs: bool,
}

/// A member of a cluster, as the file and the wire name its parts.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct ClusterEndpoint {
    /// `node/alpha`.
    #[serde(rename = "NodeID")]
    pub node_id: String,
    #[serde(rename = "NodeName")]
    pub node_name: String,
    #[serde(rename = "Host")]
    pub host: String,
    #[serde(rename = "IP")]
    pub ip: String,
    #[serde(rename = "Online")]
    pub online: bool,
    #[serde(rename = "LastSeen")]
    pub last_seen: Time,
}

/// The document: connections in the order in which their ids count them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Nodes {
    pub pve: Vec<Node>,
    pub pbs: Vec<Node>,
    rest: Map<String, Value>,
}

pub(super) type Flag = fn(&mut Monitor) -> &mut bool;

/// Wire name of each flag; the file's name starts with a capital letter.
const PVE_FLAGS: [(&str, Flag); 4] = [
    ("monitorVMs", |m| &mut m.vms),
    ("monitorContainers", |m| &mut m.containers),
    ("monitorStorage", |m| &mut m.storage),
    ("monitorBackups", |m| &mut m.backups),
];
const PBS_FLAGS: [(&str, Flag); 6] = [
    ("monitorBackups", |m| &mut m.backups),
    ("monitorDatastores", |m| &mut m.datastores),
    ("monitorSyncJobs", |m| &mut m.sync_jobs),
    ("monitorVerifyJobs", |m| &mut m.verify_jobs),
    ("monitorPruneJobs", |m| &mut m.prune_jobs),
    ("monitorGarbageJobs", |m| &mut m.garbage_jobs),
];

pub(super) fn flags(kind: Kind) -> &'static [(&'static str, Flag)] {
    match kind {
        Kind::Pve => &PVE_FLAGS,
        Kind::Pbs => &PBS_FLAGS,
    }
}

/// `monitorVMs` to `MonitorVMs`.
fn capital(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

impl Node {
    pub fn new(kind: Kind, name: &str, host: &str) -> Node {
        Node {
            kind,
            name: name.to_owned(),
            host: host.to_owned(),
            user: String::new(),
            password: Secret::default(),
            token_name: String::new(),
            token_value: Secret::default(),
            fingerprint: String::new(),
            verify_ssl: false,
            monitor: Monitor { backups: kind == Kind::Pbs, ..Monitor::default() },
            is_cluster: false,
            cluster_name: String::new(),
            cluster_endpoints: Vec::new(),
            rest: Map::new(),
        }
    }

    /// The credential that counts: 4.9 uses the password only when no token is named.
    pub fn uses_token(&self) -> bool {
        !self.token_name.is_empty() && !self.token_value.is_empty()
    }

    pub fn has_credentials(&self) -> bool {
        self.uses_token() || (!self.user.is_empty() && !self.password.is_empty())
    }

    /// Why this connection cannot be polled, if so. 4.9 did not start with such an entry in its file.
    pub fn problem(&self) -> Option<&'static str> {
        if self.name.is_empty() {
            Some("it has no name")
        } else if normalise(self.kind, &self.host).is_err() {
            Some("its host is not an address")
        } else if !self.has_credentials() {
            Some("it has no credentials")
        } else {
            None
        }
    }

    fn of_file(kind: Kind, value: Value, place: &str) -> Result<Node, String> {
        let mut f = Fields::of(value, place)?;
        let mut text = |name: &str| f.text(name).map(Option::unwrap_or_default);
        let mut node = Node::new(kind, &text("Name")?, &text("Host")?);
        node.user = text("User")?;
        node.password = Secret::new(text("Password")?);
        node.token_name = text("TokenName")?;
        node.token_value = Secret::new(text("TokenValue")?);
        node.fingerprint = text("Fingerprint")?;
        node.verify_ssl = f.flag("VerifySSL")?.unwrap_or(false);
        for (name, flag) in flags(kind) {
            if let Some(on) = f.flag(&capital(name))? {
                *flag(&mut node.monitor) = on;
            }
        }
        if kind == Kind::Pve {
            node.is_cluster = f.flag("IsCluster")?.unwrap_or(false);
            node.cluster_name = f.text("ClusterName")?.unwrap_or_default();
            for (i, item) in f.list("ClusterEndpoints")?.unwrap_or_default().into_iter().enumerate() {
                node.cluster_endpoints.push(ClusterEndpoint::of_file(item, &format!("{place}.ClusterEndpoints[{i}]"))?);
            }
        }
        node.rest = f.rest();
        node.repair();
        Ok(node)
    }

    /// What 4.9 repairs when it loads, and what it should have.
    fn repair(&mut self) {
        if self.kind == Kind::Pbs && !self.password.is_empty() && !self.token_name.is_empty() {
            self.token_name.clear();
            self.token_value = Secret::default();
        }
        if let Ok(host) = normalise(self.kind, &self.host) {
            self.host = host;
        }
    }

    fn to_file(&self) -> Value {
        let mut out = self.rest.clone();
        let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
        put("Name", json!(self.name));
        put("Host", json!(self.host));
        put("User", json!(self.user));
        put("Password", json!(self.password.expose()));
        put("TokenName", json!(self.token_name));
        put("TokenValue", json!(self.token_value.expose()));
        put("Fingerprint", json!(self.fingerprint));
        put("VerifySSL", json!(self.verify_ssl));
        let mut monitor = self.monitor;
        for (name, flag) in flags(self.kind) {
            put(&capital(name), json!(*flag(&mut monitor)));
        }
        if self.kind == Kind::Pve {
            put("IsCluster", json!(self.is_cluster));
            put("ClusterName", json!(self.cluster_name));
            let none = self.cluster_endpoints.is_empty();
            put("ClusterEndpoints", if none { Value::Null } else { json!(self.cluster_endpoints) });
        }
        Value::Object(out)
    }

    /// The flags that are on, by wire name; a PBS never shows `monitorBackups` (contract rest.md 5.10).
    pub fn flags_on(&self) -> impl Iterator<Item = &'static str> {
        let mut monitor = self.monitor;
        let pbs = self.kind == Kind::Pbs;
        flags(self.kind)
            .iter()
            .filter(move |(name, flag)| *flag(&mut monitor) && !(pbs && *name == "monitorBackups"))
            .map(|(name, _)| *name)
    }
}

impl ClusterEndpoint {
    fn of_file(value: Value, place: &str) -> Result<ClusterEndpoint, String> {
        let mut f = Fields::of(value, place)?;
        let mut text = |name: &str| f.text(name).map(Option::unwrap_or_default);
        let (node_id, node_name, host, ip) = (text("NodeID")?, text("NodeName")?, text("Host")?, text("IP")?);
        let last_seen = Time::parse(&text("LastSeen")?).unwrap_or(Time::UNSET);
        Ok(ClusterEndpoint { node_id, node_name, host, ip, online: f.flag("Online")?.unwrap_or(false), last_seen })
    }
}

impl Nodes {
    /// Reads the unsealed file.
    pub fn parse(bytes: &[u8]) -> Result<Nodes, String> {
        Nodes::from_value(serde_json::from_slice(bytes).map_err(|e| e.to_string())?)
    }

    /// Reads the document, also as part of an export.
    pub fn from_value(value: Value) -> Result<Nodes, String> {
        let mut f = Fields::of(value, "nodes")?;
        let mut list = |kind: Kind, name: &str| -> Result<Vec<Node>, String> {
            let items = f.list(name)?.unwrap_or_default();
            items.into_iter().enumerate().map(|(i, item)| Node::of_file(kind, item, &format!("{name}[{i}]"))).collect()
        };
        let (pve, pbs) = (list(Kind::Pve, "pveInstances")?, list(Kind::Pbs, "pbsInstances")?);
        Ok(Nodes { pve, pbs, rest: f.rest() })
    }

    pub fn to_value(&self) -> Value {
        let mut out = self.rest.clone();
        let list = |nodes: &[Node]| Value::Array(nodes.iter().map(Node::to_file).collect());
        out.insert("pveInstances".to_owned(), list(&self.pve));
        out.insert("pbsInstances".to_owned(), list(&self.pbs));
        Value::Object(out)
    }

    /// What is sealed into the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        super::pretty(&self.to_value())
    }

    pub fn of(&self, kind: Kind) -> &[Node] {
        match kind {
            Kind::Pve => &self.pve,
            Kind::Pbs => &self.pbs,
        }
    }

    pub fn of_mut(&mut self, kind: Kind) -> &mut Vec<Node> {
        match kind {
            Kind::Pve => &mut self.pve,
            Kind::Pbs => &mut self.pbs,
        }
    }

    /// Every connection with its wire id, PVE first.
    pub fn with_ids(&self) -> impl Iterator<Item = (String, &Node)> {
        let ids = |kind: Kind| move |(i, node)| (format!("{}-{i}", kind.as_str()), node);
        self.pve.iter().enumerate().map(ids(Kind::Pve)).chain(self.pbs.iter().enumerate().map(ids(Kind::Pbs)))
    }

    pub fn by_name(&self, kind: Kind, name: &str) -> Option<&Node> {
        self.of(kind).iter().find(|n| n.name == name)
    }

    /// Those that can be polled: complete, and the first of their name.
    pub fn usable(&self) -> impl Iterator<Item = &Node> {
        [Kind::Pve, Kind::Pbs].into_iter().flat_map(|kind| {
            let list = self.of(kind);
            list.iter().enumerate().filter_map(move |(i, node)| {
                let first = list.iter().take(i).all(|earlier| earlier.name != node.name);
                (first && node.problem().is_none()).then_some(node)
            })
        })
    }

    /// Takes in what a poll found of a cluster. `None` when the members are those already known; whether they are
    /// online is shown but not kept.
    pub fn with_members(&self, instance: &str, cluster_name: &str, members: &[ClusterEndpoint]) -> Option<Nodes> {
        let at = self.pve.iter().position(|n| n.name == instance)?;
        let mut changed = self.clone();
        let node = changed.pve.get_mut(at)?;
        node.set_cluster(cluster_name, members);
        let known = self.pve.get(at)?;
        let (old, new) = (&known.cluster_endpoints, &node.cluster_endpoints);
        let same = known.is_cluster == node.is_cluster
            && known.cluster_name == node.cluster_name
            && old.len() == new.len()
            && old.iter().zip(new).all(|(a, b)| a.node_name == b.node_name && a.ip == b.ip);
        (!same).then_some(changed)
    }
}

impl Node {
    /// Members of a cluster; a host with one member or none is no cluster.
    pub fn set_cluster(&mut self, name: &str, members: &[ClusterEndpoint]) {
        self.is_cluster = members.len() > 1;
        if self.is_cluster {
            self.cluster_name = if name.is_empty() { "Unknown Cluster".to_owned() } else { name.to_owned() };
            self.cluster_endpoints = members.to_vec();
        } else {
            self.cluster_name = String::new();
            self.cluster_endpoints = Vec::new();
        }
    }
}

/// A wire id: which list, and the place in it. Strict: 4.9 took `pve-1abc` for 1 (contract rest.md 16, row 0).
pub fn parse_id(id: &str) -> Option<(Kind, usize)> {
    let (kind, index) = id.split_once('-')?;
    let kind = match kind {
        "pve" => Kind::Pve,
        "pbs" => Kind::Pbs,
        _ => return None,
    };
    let digits = !index.is_empty() && index.len() <= 6 && index.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| index.parse().ok()).flatten().map(|i| (kind, i))
}
