//! Looking for Proxmox hosts: when it begins and ends, what clients hear of it (contract rest.md 11, state.md 3.2).

use super::{After, Core, Event, Task};
use crate::config::address::bare_host;
use crate::discover::{self, Outcome, Server, Stop};
use crate::http::{Response, socket};
use crate::json::{json, put};
use serde_json::{Map, Value};

impl Core {
    /// From now on the network is looked at, as the settings say.
    pub fn open_discovery(&mut self) {
        self.discovery.open(self.now);
    }

    /// Whether the network may be looked at.
    pub fn is_discovering(&self) -> bool {
        self.config.settings.discovery_enabled && !self.config.settings.mock
    }

    /// Once a second: begins a scan when one is due, and tells of servers after changes of connections.
    pub(super) fn step_discovery(&mut self) {
        if !self.is_discovering() {
            return;
        }
        if self.discovery.is_time_to_tell(self.now) {
            self.tell_servers(&[]);
        }
        if self.discovery.is_due(self.now) {
            self.begin_scan();
        }
    }

    fn begin_scan(&mut self) {
        let configured = self.config.settings.discovery_subnet.clone();
        let subnet = self.discovery.subnet.clone().unwrap_or(configured);
        let ranges = match discover::wanted(&subnet) {
            Ok(ranges) => ranges,
            Err(why) => {
                log::warn!("the network is not looked at for Proxmox hosts: {why}");
                self.discovery.refuse(why, self.now);
                return self.tell_servers(&[]);
            }
        };
        let stop = self.discovery.begin(self.now);
        let timestamp = self.now.unix_secs();
        let data = json!({ "scanning": true, "subnet": subnet, "timestamp": timestamp });
        self.announce_at("discovery_started", &data);
        let events = self.jobs.events();
        let work = move || {
            let tell = |found: Vec<Server>, asked: usize, of: usize| {
                let stop = stop.clone();
                let news = move |core: &mut Core| {
                    core.scan_goes_on(&stop, found, (asked, of));
                    Response::error(204, "").into()
                };
                // The owner is gone only while the process ends.
                let _ = events.send(Event::Done(Box::new(news), None));
            };
            let outcome = discover::scan(ranges, &stop, &tell);
            After::Continue(Box::new(move |core: &mut Core| {
                core.scan_ended(&stop, outcome);
                Response::error(204, "").into()
            }))
        };
        self.jobs.submit_long(Task { name: "look for Proxmox hosts", work: Box::new(work) });
    }

    /// What a running scan has found so far joins what was known.
    fn scan_goes_on(&mut self, stop: &Stop, found: Vec<Server>, progress: (usize, usize)) {
        if !self.discovery.is_current(stop) {
            return;
        }
        self.discovery.progress = progress;
        let known = &mut self.discovery.last.servers;
        let before = known.len();
        for server in found {
            let same = |other: &Server| (other.address, other.kind) == (server.address, server.kind);
            if !known.iter().any(same) {
                known.push(server);
            }
        }
        let (asked, of) = progress;
        if known.len() > before || self.hub.count() > 0 {
            self.tell_servers(&[("asked", json!(asked)), ("addresses", json!(of))]);
        }
    }

    fn scan_ended(&mut self, stop: &Stop, outcome: Outcome) {
        let (asked, found) = (outcome.asked, outcome.servers.len());
        if self.discovery.end(stop, outcome, self.now) {
            log::info!("asked {asked} addresses for Proxmox hosts, found {found}");
            self.tell_servers(&[]);
        }
        let data = json!({ "scanning": false, "timestamp": self.now.unix_secs() });
        self.announce_at("discovery_complete", &data);
    }

    /// The connections changed; clients hear of the servers at once, or in two seconds.
    pub fn tell_servers_of_change(&mut self, at_once: bool) {
        self.discovery.connections_changed(self.now, (!at_once).then_some(2_000));
        if at_once && self.is_discovering() {
            self.tell_servers(&[("immediate", json!(true))]);
        }
    }

    fn tell_servers(&mut self, more: &[(&str, Value)]) {
        let mut data = Map::new();
        put(&mut data, "servers", json!(self.servers_found()));
        put(&mut data, "errors", json!(self.discovery.last.errors));
        put(&mut data, "scanning", json!(self.discovery.is_scanning()));
        put(&mut data, "timestamp", json!(self.now.unix_secs()));
        more.iter().for_each(|(name, value)| put(&mut data, name, value.clone()));
        self.announce_at("discovery_update", &Value::Object(data));
    }

    /// Tells every WebSocket client, with the time outside of the data as well.
    fn announce_at(&mut self, kind: &str, data: &Value) {
        let frame = socket::message(kind, data, Some(self.now.wall.rfc3339()));
        self.hub.broadcast_event(&frame);
    }

    /// What was found, in the words of the API.
    pub fn servers_found(&self) -> Vec<Value> {
        self.discovery.last.servers.iter().map(|s| self.server_found(s)).collect()
    }

    fn server_found(&self, server: &Server) -> Value {
        let ip = server.address.to_string();
        let mut out = json!({
            "ip": ip,
            "port": server.kind.port(),
            "type": server.kind.as_str(),
            "version": server.version,
            "host": ip,
            "name": server.name.as_deref().unwrap_or(&ip),
            "configured": self.is_configured(server, &ip),
        });
        let Some(map) = out.as_object_mut() else { return out };
        for (key, text) in [("hostname", &server.name), ("release", &server.release)] {
            if let Some(text) = text {
                put(map, key, json!(text));
            }
        }
        out
    }

    /// Whether a connection is this server, as far as addresses and names tell.
    fn is_configured(&self, server: &Server, ip: &str) -> bool {
        let name = server.name.as_deref().unwrap_or(ip);
        self.config.nodes.get().of(server.kind).iter().any(|node| {
            let host = bare_host(&node.host);
            let label = host.split('.').next().unwrap_or_default();
            host == ip || host.eq_ignore_ascii_case(name) || label.eq_ignore_ascii_case(name) || {
                node.cluster_endpoints.iter().any(|e| e.ip == ip)
            }
        })
    }
}
