//! What concerns the whole cluster: version, members and quorum, high availability, pools, options.

use super::resources;
use crate::demo::ask::{Ask, Outcome, data};
use crate::demo::world::{Guest, Kind, Pve};
use crate::json::{json, put};
use serde_json::{Map, Value};

pub fn version(ask: &Ask) -> Outcome {
    let (version, release, repoid) = ask.pve()?.version.texts();
    data(json!({ "version": version, "release": release, "repoid": repoid }))
}

/// The cluster itself (missing on a host of its own) and its nodes.
pub fn status(ask: &Ask) -> Outcome {
    let pve = ask.pve()?;
    let mut rows = Vec::new();
    if pve.cluster {
        rows.push(json!({
            "type": "cluster", "id": "cluster", "name": pve.name, "version": pve.nodes.len(),
            "nodes": pve.members().count(), "quorate": u8::from(pve.quorate()),
        }));
    }
    for (index, node) in pve.members() {
        rows.push(json!({
            "type": "node", "id": format!("node/{}", node.name), "name": node.name, "level": "",
            "nodeid": if pve.cluster { index + 1 } else { 0 }, "ip": pve.address_of_node.get(index),
            "online": u8::from(node.online), "local": u8::from(index == ask.endpoint),
        }));
    }
    data(rows)
}

fn managed(pve: &Pve) -> impl Iterator<Item = (&Guest, &str, String)> {
    pve.guests.iter().filter_map(|g| {
        let kind = if g.kind == Kind::Qemu { "vm" } else { "ct" };
        g.ha.as_deref().map(|state| (g, state, format!("{kind}:{}", g.vmid)))
    })
}

pub fn ha_resources(ask: &Ask) -> Outcome {
    let rows = managed(ask.pve()?).filter(|(_, _, sid)| ask.param("type").is_none_or(|t| sid.starts_with(t)));
    let row = |(_, state, sid): (&Guest, &str, String)| {
        let kind = sid.split(':').next().unwrap_or_default().to_owned();
        json!({
            "sid": sid, "type": kind, "state": state, "max_relocate": 1, "max_restart": 1,
            "digest": "c9b8a3f41d2e5f60718293a4b5c6d7e8f9012345",
        })
    };
    data(rows.map(row).collect::<Vec<_>>())
}

/// `Sat Aug 16 12:00:05 2025`, as the high-availability services write times.
fn clock(t: i64) -> String {
    jiff::Timestamp::from_second(t).map(|s| s.strftime("%a %b %e %H:%M:%S %Y").to_string()).unwrap_or_default()
}

pub fn ha_status(ask: &Ask) -> Outcome {
    let (pve, t) = (ask.pve()?, ask.collected());
    let name = |index: usize| pve.nodes.get(index).map_or("", |n| n.name.as_str());
    let local = name(ask.endpoint);
    let quorate = pve.quorate();
    let said = if quorate { "OK" } else { "No quorum on node" };
    let mut rows = vec![json!({
        "id": "quorum", "type": "quorum", "node": local, "status": said, "quorate": u8::from(quorate),
    })];
    let managed: Vec<_> = managed(pve).collect();
    let watching = pve.members().find(|(_, n)| n.online).filter(|_| !managed.is_empty());
    if let Some((_, master)) = watching {
        let text = format!("{} (active, {})", master.name, clock(t));
        rows.push(json!({
            "id": "master", "type": "master", "node": master.name, "status": text, "timestamp": t - 3,
        }));
    }
    for (_, node) in pve.members() {
        let status = match (node.online, managed.is_empty()) {
            (false, _) => format!("{} (old timestamp - dead?, {})", node.name, clock(node.booted)),
            (true, true) => format!("{} (idle, {})", node.name, clock(t)),
            (true, false) => format!("{} (active, {})", node.name, clock(t)),
        };
        rows.push(json!({
            "id": format!("lrm:{}", node.name), "type": "lrm", "node": node.name, "status": status,
            "timestamp": if node.online { t - 2 } else { node.booted },
        }));
    }
    for (guest, state, sid) in managed {
        let node = name(pve.node_of(guest, t));
        rows.push(json!({
            "id": format!("service:{sid}"), "type": "service", "sid": sid, "node": node, "state": state,
            "crm_state": state, "request_state": "started", "max_relocate": 1, "max_restart": 1,
            "status": format!("{sid} ({node}, {state})"),
        }));
    }
    data(rows)
}

/// Every sixth virtual machine of a cluster with ZFS is replicated to the next node.
pub fn replicated(pve: &Pve) -> impl Iterator<Item = (&Guest, usize)> {
    let many = pve.members().count() > 1;
    let fits = move |g: &&Guest| many && g.kind == Kind::Qemu && g.vmid % 6 == 2 && !g.template;
    pve.guests.iter().filter(fits).map(|g| (g, (g.node + 1) % pve.nodes.len().max(1)))
}

pub fn replication(ask: &Ask) -> Outcome {
    let pve = ask.pve()?;
    let row = |(guest, target): (&Guest, usize)| {
        json!({
            "id": format!("{}-0", guest.vmid), "type": "local", "guest": guest.vmid, "jobnum": 0,
            "schedule": "*/15", "target": pve.nodes.get(target).map(|n| &n.name),
            "source": pve.nodes.get(guest.node).map(|n| &n.name),
        })
    };
    data(replicated(pve).map(row).collect::<Vec<_>>())
}

pub fn options(ask: &Ask) -> Outcome {
    let pve = ask.pve()?;
    let mut tags: Vec<&str> = pve.guests.iter().flat_map(|g| g.tags.split(';')).filter(|t| !t.is_empty()).collect();
    crate::order::sort(&mut tags);
    tags.dedup();
    data(json!({
        "keyboard": "de", "mac_prefix": "BC:24:11", "allowed-tags": tags,
        "tag-style": { "color-map": "critical:c0392b:ffffff;prod:27ae60:ffffff", "shape": "full" },
    }))
}

pub fn pools(ask: &Ask) -> Outcome {
    let (pve, t) = (ask.pve()?, ask.collected());
    let mut rows = Vec::new();
    let known = crate::demo::world::pools().iter().filter(|(id, _)| ask.param("poolid").is_none_or(|p| p == *id));
    for (id, comment) in known {
        let mut row = Map::new();
        put(&mut row, "poolid", json!(id));
        put(&mut row, "comment", json!(comment));
        // Members come only when one pool is asked for.
        if ask.param("poolid").is_some() {
            let inside = |g: &&Guest| g.pool.as_deref() == Some(*id) && wanted(ask, g);
            let members: Vec<_> = pve.guests.iter().filter(inside).map(|g| resources::guest(pve, g, t)).collect();
            put(&mut row, "members", json!(members));
        }
        rows.push(Value::Object(row));
    }
    data(rows)
}

fn wanted(ask: &Ask, guest: &Guest) -> bool {
    ask.param("type").is_none_or(|t| t == guest.kind.name())
}
