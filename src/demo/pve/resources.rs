//! `/cluster/resources`: one list of everything, as the statistics daemon last saw it.

use crate::demo::ask::{Ask, Outcome, data};
use crate::demo::world::{Guest, Kind, NodeFigures, Pve};
use serde::Serialize;

/// One row. What Proxmox leaves out for its kind is `None` here.
#[derive(Serialize, Default)]
#[serde(rename_all = "kebab-case")]
pub struct Row<'a> {
    pub id: String,
    pub r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vmid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maxcpu: Option<serde_json::Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memhost: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maxmem: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maxdisk: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diskread: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diskwrite: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netin: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netout: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uptime: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hastate: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup_mode: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugintype: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared: Option<u8>,
}

/// Everything that the login may see, or one type of it.
pub fn all(ask: &Ask) -> Outcome {
    let pve = ask.pve()?;
    let t = ask.collected();
    let wanted = |kind: &str| ask.param("type").is_none_or(|w| w == kind);
    let mut rows = Vec::new();
    if wanted("vm") && ask.may("VM.Audit") {
        rows.extend(pve.guests.iter().map(|g| guest(pve, g, t)));
    }
    if wanted("node") {
        let figures = pve.nodes_at(t);
        let row = |index: usize| node(ask, pve, index, figures.get(index).copied().unwrap_or_default());
        rows.extend(pve.members().map(|(i, _)| row(i)));
    }
    if wanted("storage") && ask.may("Datastore.Audit") {
        rows.extend(pve.members().filter(|(_, n)| n.online).flat_map(|(i, _)| storages(pve, i, t)));
    }
    data(rows)
}

/// A guest. On a node that is down nothing is known but where it should be.
pub fn guest<'a>(pve: &'a Pve, guest: &'a Guest, t: i64) -> Row<'a> {
    let home = pve.nodes.get(pve.node_of(guest, t));
    let kind = guest.kind.name();
    let mut row = Row {
        id: format!("{kind}/{}", guest.vmid),
        r#type: kind,
        node: home.map(|n| n.name.as_str()),
        vmid: Some(guest.vmid),
        pool: guest.pool.as_deref(),
        hastate: guest.ha.as_deref(),
        ..Row::default()
    };
    if !home.is_some_and(|n| n.online) {
        row.status = Some("unknown");
        return row;
    }
    let figures = guest.at(t);
    row.name = Some(&guest.name);
    row.status = Some(if figures.running { "running" } else { "stopped" });
    row.cpu = Some(figures.cpu);
    row.maxcpu = number(guest.cores);
    row.mem = Some(figures.memory_reported);
    row.memhost = (pve.version == crate::demo::spec::Version::Pve9 && guest.kind == Kind::Qemu)
        .then_some(figures.memory_host * u64::from(figures.running));
    row.maxmem = Some(guest.maxmem);
    row.disk = Some(figures.disk);
    row.maxdisk = Some(guest.maxdisk);
    let [read, written, netin, netout] = figures.counters;
    (row.diskread, row.diskwrite, row.netin, row.netout) = (Some(read), Some(written), Some(netin), Some(netout));
    row.uptime = Some(figures.uptime);
    row.template = Some(u8::from(guest.template));
    row.tags = (!guest.tags.is_empty()).then_some(&guest.tags);
    row.lock = guest.lock.as_deref();
    row
}

/// A whole number where it is one: a container limited to 1.5 cores shows 1.5.
pub fn number(value: f64) -> Option<serde_json::Number> {
    if value.fract() == 0.0 { Some((value as u64).into()) } else { serde_json::Number::from_f64(value) }
}

fn node<'a>(ask: &Ask, pve: &'a Pve, index: usize, figures: NodeFigures) -> Row<'a> {
    let Some(node) = pve.nodes.get(index) else { return Row::default() };
    let mut row = Row {
        id: format!("node/{}", node.name),
        r#type: "node",
        node: Some(&node.name),
        status: Some(if node.online { "online" } else { "offline" }),
        ..Row::default()
    };
    if node.online && ask.may("Sys.Audit") {
        row.level = Some("");
        row.cpu = Some(figures.cpu);
        row.maxcpu = Some(node.cores.into());
        row.mem = Some(figures.memory_used);
        row.maxmem = Some(node.maxmem);
        row.disk = Some(figures.root_used);
        row.maxdisk = Some(node.root_total);
        row.uptime = Some(figures.uptime);
        row.cgroup_mode = Some(2);
    }
    row
}

fn storages(pve: &Pve, node: usize, t: i64) -> impl Iterator<Item = Row<'_>> {
    let name = pve.nodes.get(node).map_or("", |n| n.name.as_str());
    pve.storages.iter().filter(move |s| s.enabled && s.known_on(node)).map(move |storage| {
        let figures = storage.at(node, t);
        Row {
            id: format!("storage/{name}/{}", storage.name),
            r#type: "storage",
            node: Some(name),
            storage: Some(&storage.name),
            status: Some(if figures.active { "available" } else { "unknown" }),
            content: Some(storage.content),
            plugintype: Some(storage.kind.name()),
            shared: Some(u8::from(storage.shared)),
            disk: Some(figures.used),
            maxdisk: Some(figures.total),
            ..Row::default()
        }
    })
}
