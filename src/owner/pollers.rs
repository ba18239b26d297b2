//! The threads that poll, one for each configured connection: started, stopped and replaced as the configuration changes.

use super::{Event, Key};
use crate::config::{Node, Settings};
use crate::order::{Map, Pairs};
use crate::poll::{self, Endpoint, Handle, Monitor, Target};
use crate::proxmox::{Access, Auth, Fingerprint, Kind, Tls};
use crossbeam_channel::Sender;
use std::time::{Duration, Instant};

/// Running pollers by connection.
pub struct Pollers {
    events: Sender<Event>,
    started: Instant,
    running: Map<Key, (Target, Handle)>,
}

impl Pollers {
    /// None yet; reports go to `events`. The zero of their monotonic clock is now, until `zero` says otherwise.
    pub fn new(events: Sender<Event>) -> Pollers {
        Pollers { events, started: Instant::now(), running: Map::new() }
    }

    /// Where the process's monotonic clock began.
    pub fn zero(&mut self, started: Instant) {
        self.started = started;
    }

    /// Polls exactly these targets from now on. A target that did not change keeps its thread, its tickets and its rates.
    pub fn follow(&mut self, targets: Vec<Target>) {
        let wanted: Map<Key, Target> = targets.into_iter().map(|t| ((t.kind, t.instance.clone()), t)).mapped();
        self.running.retain(|key, (target, handle)| {
            let stays = wanted.get(key).is_some_and(|w| same(w, target));
            if !stays {
                handle.stop();
            }
            stays
        });
        for (key, target) in wanted {
            let (events, started) = (&self.events, self.started);
            self.running.entry(key).or_insert_with(|| (target.clone(), poll::start(target, started, events.clone())));
        }
    }

    /// Begins a cycle of one connection now.
    pub fn poll_now(&self, kind: Kind, name: &str) {
        if let Some((_, handle)) = self.running.get(&(kind, name.to_owned())) {
            handle.poll_now();
        }
    }
}

/// Members found while polling are written to the configuration, and the past is known sooner or later; that alone is no
/// reason to begin anew.
fn same(a: &Target, b: &Target) -> bool {
    let known = |t: &Target| Target { endpoints: Vec::new(), past: 0, ..t.clone() };
    known(a) == known(b)
}

/// What a configured connection's poller is told. `past`: so many stages of its past are known.
pub(super) fn target(node: &Node, settings: &Settings, past: usize) -> Target {
    let m = node.monitor;
    Target {
        instance: node.name.clone(),
        kind: node.kind,
        access: access(node, settings.connection_timeout),
        endpoints: node.cluster_endpoints.iter().map(|e| endpoint(node, e)).collect(),
        monitor: Monitor {
            vms: m.vms,
            containers: m.containers,
            storage: m.storage,
            backups: m.backups,
            datastores: m.datastores,
            sync_jobs: m.sync_jobs,
            verify_jobs: m.verify_jobs,
            prune_jobs: m.prune_jobs,
            garbage_jobs: m.garbage_jobs,
        },
        interval: match node.kind {
            Kind::Pve => settings.pve_polling,
            Kind::Pbs => settings.pbs_polling,
        },
        past,
    }
}

/// A member answers on the port of the configured address: its own host is `https://<ip>:<port>`.
fn endpoint(node: &Node, member: &crate::config::ClusterEndpoint) -> Endpoint {
    let after_scheme = node.host.split("://").nth(1).unwrap_or(&node.host);
    let port = after_scheme.rsplit_once(':').and_then(|(_, p)| p.parse::<u16>().ok()).unwrap_or(node.kind.port());
    let name = if member.ip.is_empty() { &member.host } else { &member.ip };
    let host = if name.contains(':') && !name.starts_with('[') { format!("[{name}]") } else { name.clone() };
    Endpoint {
        node: member.node_name.clone(),
        url: if host.starts_with("http") { host } else { format!("https://{host}:{port}") },
        ip: member.ip.clone(),
        online: member.online,
        fingerprint: None,
    }
}

/// How to reach a configured connection.
pub fn access(node: &Node, timeout: Duration) -> Access {
    let auth = if node.uses_token() {
        Auth::Token {
            user: node.user.clone(),
            name: node.token_name.clone(),
            secret: node.token_value.expose().to_owned(),
        }
    } else {
        Auth::Password { user: node.user.clone(), secret: node.password.expose().to_owned() }
    };
    let tls = match Fingerprint::parse(&node.fingerprint) {
        Some(pin) => Tls::Pin(pin.0),
        None if node.verify_ssl => Tls::Verify,
        None => Tls::Off,
    };
    Access { base_url: node.host.clone(), auth, tls, timeout }
}
