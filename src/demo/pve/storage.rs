//! Storages: how they are defined for the cluster, and what each node sees of them.

use crate::demo::ask::{Ask, Outcome, Refusal, data};
use crate::demo::world::{Pve, Storage, StorageKind};
use crate::json::json;
use serde_json::{Map, Value};

/// `/storage`: the definitions. Whether they are active stands nowhere here, as on a real host.
pub fn definitions(ask: &Ask) -> Outcome {
    let pve = ask.pve()?;
    if !ask.may("Datastore.Audit") {
        return data(Vec::<Value>::new());
    }
    let wanted = |s: &&Storage| ask.param("type").is_none_or(|t| t == s.kind.name());
    data(pve.storages.iter().filter(wanted).map(|s| definition(pve, s)).collect::<Vec<_>>())
}

fn definition(pve: &Pve, storage: &Storage) -> Value {
    let mut row = json!({
        "storage": storage.name, "type": storage.kind.name(), "content": storage.content,
        "digest": "6d3ae8a2f6a4c1b0e9d8c7b6a5f4e3d2c1b0a998",
    });
    let more = match storage.kind {
        StorageKind::Dir => json!({ "path": "/var/lib/vz", "shared": 0 }),
        StorageKind::LvmThin => json!({ "vgname": "pve", "thinpool": "data" }),
        StorageKind::ZfsPool => json!({ "pool": "tank", "sparse": 1 }),
        StorageKind::Nfs => {
            let path = format!("/mnt/pve/{}", storage.name);
            json!({ "server": "10.10.0.9", "export": "/export/pve", "path": path, "shared": 1 })
        }
        StorageKind::Rbd => json!({ "pool": "rbd", "krbd": 0, "shared": 1 }),
        StorageKind::Pbs => {
            let (_, datastore, namespace) = storage.pbs.clone().unwrap_or_default();
            json!({
                "server": "127.0.0.1", "datastore": datastore, "namespace": namespace, "username": "backup@pbs!pve",
                "shared": 1, "prune-backups": "keep-all=1",
            })
        }
    };
    if let (Value::Object(row), Value::Object(more)) = (&mut row, more) {
        row.extend(more);
    }
    if !storage.enabled {
        row["disable"] = json!(1);
    }
    if !storage.only_on.is_empty() {
        let names: Vec<&str> =
            storage.only_on.iter().filter_map(|n| pve.nodes.get(*n)).map(|n| n.name.as_str()).collect();
        row["nodes"] = json!(names.join(","));
    }
    row
}

/// `/nodes/{node}/storage`: what one node sees.
pub fn list(ask: &Ask) -> Outcome {
    let (pve, node) = ask.node()?;
    let wanted = |s: &&Storage| {
        let holds = |kind: &str| s.content.split(',').any(|c| c == kind);
        ask.may("Datastore.Audit")
            && s.known_on(node)
            && ask.param("storage").is_none_or(|name| name == s.name)
            && ask.param("content").is_none_or(|kinds| kinds.split([',', ';', ' ']).any(holds))
            && (!ask.flag("enabled") || s.enabled)
    };
    let rows: Vec<Value> =
        pve.storages.iter().filter(wanted).map(|s| Value::Object(seen(s, node, ask.collected()))).collect();
    data(rows)
}

pub fn status(ask: &Ask) -> Outcome {
    let (_, node, storage) = found(ask)?;
    let mut row = seen(storage, node, ask.collected());
    row.remove("storage");
    data(row)
}

/// The storage in the path.
pub fn found<'a>(ask: &Ask<'a>) -> Result<(&'a Pve, usize, &'a Storage), Refusal> {
    let (pve, node) = ask.node()?;
    let name = ask.part("storage");
    let storage = pve.storage(name);
    let storage = storage.ok_or_else(|| Refusal::new(500, format!("storage '{name}' does not exist")))?;
    if !storage.known_on(node) {
        let node = pve.nodes.get(node).map_or("", |n| n.name.as_str());
        return Err(Refusal::new(500, format!("storage '{name}' is not available on node '{node}'")));
    }
    Ok((pve, node, storage))
}

/// Figures are missing where the storage cannot be reached.
fn seen(storage: &Storage, node: usize, t: i64) -> Map<String, Value> {
    let figures = storage.at(node, t);
    let mut row = Map::new();
    let mut put = |name: &str, value: Value| row.insert(name.to_owned(), value);
    put("storage", json!(storage.name));
    put("type", json!(storage.kind.name()));
    put("content", json!(storage.content));
    put("shared", json!(u8::from(storage.shared)));
    put("enabled", json!(u8::from(storage.enabled)));
    put("active", json!(u8::from(figures.active)));
    if storage.enabled {
        put("total", json!(figures.total));
        put("used", json!(figures.used));
        put("avail", json!(figures.total - figures.used));
    }
    if figures.total > 0 {
        put("used_fraction", json!(figures.used as f64 / figures.total as f64));
    }
    row
}
