//! Storages: one for each node, or one for the connection when it is shared (contract state.md 4.5, 8.1 numbers 4, 34).

use super::{Source, ids};
use crate::model::{Storage, Time};
use crate::proxmox::pve::{StorageDefinition, StorageItem};
use std::collections::HashMap;

/// What a node says about its storages.
#[derive(Debug, Clone, Copy)]
pub struct OfNode<'a> {
    pub node: &'a str,
    pub items: &'a [StorageItem],
    /// When it said so, if not in this cycle.
    pub asked_at: Option<Time>,
    /// The node is online; the storages of others cannot be reached.
    pub online: bool,
}

/// All storages of a connection in the order of the nodes. `definitions` is `/storage`, `None` when not known: then
/// nodes themselves say what is shared.
pub fn all(source: &Source, definitions: Option<&[StorageDefinition]>, nodes: &[OfNode]) -> Vec<Storage> {
    let defined: Option<HashMap<&str, &StorageDefinition>> =
        definitions.map(|all| all.iter().map(|d| (d.storage.as_str(), d)).collect());
    let mut out: Vec<Storage> = Vec::new();
    let mut shared_at: HashMap<&str, usize> = HashMap::new();
    for of_node in nodes {
        for item in of_node.items.iter().filter(|i| !i.storage.is_empty()) {
            let definition = defined.as_ref().and_then(|d| d.get(item.storage.as_str()).copied());
            let shared = match definition {
                Some(d) => d.shared.unwrap_or_else(|| always_shared(&d.plugin)),
                None => defined.is_none() && item.shared.unwrap_or(false),
            };
            let made = one(source, of_node, item, definition, shared);
            if shared {
                let known = shared_at.entry(item.storage.as_str()).or_insert(out.len());
                if let Some(known) = out.get_mut(*known) {
                    merge(known, made);
                    continue;
                }
            }
            out.push(made);
        }
    }
    out
}

/// These plugins are shared by their nature, and PVE leaves the flag out of their definition.
fn always_shared(plugin: &str) -> bool {
    matches!(plugin, "nfs" | "cifs" | "pbs" | "rbd" | "cephfs" | "glusterfs" | "iscsi" | "iscsidirect" | "zfs" | "drbd")
}

fn one(
    source: &Source,
    of_node: &OfNode,
    item: &StorageItem,
    definition: Option<&StorageDefinition>,
    shared: bool,
) -> Storage {
    let enabled = match definition {
        Some(d) => !d.disable.unwrap_or(false),
        None => item.enabled.unwrap_or(true),
    };
    let active = of_node.online && enabled && item.active.unwrap_or(false);
    let total = item.total.unwrap_or(0);
    let used = item.used.unwrap_or(0);
    let content = definition.map(|d| d.content.as_str()).filter(|c| !c.is_empty()).unwrap_or(&item.content);
    let node = if shared { "shared" } else { of_node.node };
    let plugin = if item.plugin.is_empty() { definition.map_or("", |d| d.plugin.as_str()) } else { &item.plugin };
    Storage {
        id: ids::storage(source.instance, node, &item.storage),
        name: item.storage.clone(),
        node: node.to_owned(),
        instance: source.instance.to_owned(),
        r#type: plugin.to_owned(),
        status: status(enabled, active).to_owned(),
        total,
        used,
        free: item.avail.unwrap_or_else(|| total.saturating_sub(used).max(0)),
        usage: crate::model::Usage::of(total, used).usage,
        content: sorted(content),
        shared,
        enabled,
        active,
        nodes: if shared { vec![of_node.node.to_owned()] } else { Vec::new() },
        last_seen: of_node.asked_at,
    }
}

fn status(enabled: bool, active: bool) -> &'static str {
    match (enabled, active) {
        (_, true) => "available",
        (true, false) => "inactive",
        (false, false) => "disabled",
    }
}

/// Another node sees the same shared storage: the figures are those of the first node where it is active.
fn merge(known: &mut Storage, other: Storage) {
    let mut nodes = std::mem::take(&mut known.nodes);
    nodes.extend(other.nodes.iter().cloned());
    if !known.active && other.active {
        *known = other;
    }
    known.nodes = nodes;
}

/// `iso,backup` as `backup,iso`.
fn sorted(content: &str) -> String {
    let mut words: Vec<&str> = content.split(',').map(str::trim).filter(|w| !w.is_empty()).collect();
    crate::order::sort(&mut words);
    words.join(",")
}

/// Total, used and free of `local` or else `local-lvm`.
pub fn local(items: &[StorageItem]) -> Option<(i64, i64, i64)> {
    ["local", "local-lvm"].iter().find_map(|name| {
        let item = items.iter().find(|i| i.storage == *name)?;
        let total = item.total.filter(|t| *t > 0)?;
        let used = item.used.unwrap_or(0);
        Some((total, used, item.avail.unwrap_or_else(|| total.saturating_sub(used).max(0))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Source<'static> {
        Source { instance: "lab", host: "https://h:8006", cluster: Some("c"), now: Time::from_unix(1_700_000_000) }
    }

    fn items(json: &str) -> Vec<StorageItem> {
        serde_json::from_str::<crate::proxmox::List<StorageItem>>(json).unwrap().0
    }

    fn definitions(json: &str) -> Vec<StorageDefinition> {
        serde_json::from_str::<crate::proxmox::List<StorageDefinition>>(json).unwrap().0
    }

    fn of<'a>(node: &'a str, items: &'a [StorageItem]) -> OfNode<'a> {
        OfNode { node, items, asked_at: None, online: true }
    }

    #[test]
    fn a_local_storage_is_enabled_unless_disabled_and_active_when_the_node_says_so() {
        let defs = definitions(
            r#"[{"storage":"local","type":"dir","content":"vztmpl,iso,backup"},{"storage":"old","type":"dir","disable":1},
                {"storage":"off","type":"dir"}]"#,
        );
        let seen = items(
            r#"[{"storage":"local","type":"dir","active":1,"enabled":1,"total":100,"used":40,"avail":50,"content":"x"},
                {"storage":"old","type":"dir","active":0,"enabled":0},{"storage":"off","type":"dir","active":"0"}]"#,
        );
        let out = all(&source(), Some(&defs), &[of("alpha", &seen)]);
        let brief: Vec<_> = out.iter().map(|s| (s.id.as_str(), s.status.as_str(), s.enabled, s.active)).collect();
        assert_eq!(
            brief,
            [
                ("lab-alpha-local", "available", true, true),
                ("lab-alpha-old", "disabled", false, false),
                ("lab-alpha-off", "inactive", true, false)
            ]
        );
        assert_eq!((out[0].content.as_str(), out[0].free, out[0].usage), ("backup,iso,vztmpl", 50, 40.0));
    }

    #[test]
    fn a_shared_storage_is_there_once_with_the_figures_of_a_node_where_it_is_active() {
        let defs = definitions(r#"[{"storage":"nas","type":"nfs","shared":1,"content":"images,backup"}]"#);
        let dead = items(r#"[{"storage":"nas","type":"nfs","active":0,"total":0}]"#);
        let live = items(r#"[{"storage":"nas","type":"nfs","active":1,"total":400,"used":100,"avail":300}]"#);
        let out = all(&source(), Some(&defs), &[of("alpha", &dead), of("beta", &live), of("gamma", &live)]);
        assert_eq!(out.len(), 1);
        assert_eq!((out[0].id.as_str(), out[0].node.as_str()), ("lab-shared-nas", "shared"));
        assert_eq!((out[0].total, out[0].status.as_str(), out[0].usage), (400, "available", 25.0));
        assert_eq!(out[0].nodes, ["alpha", "beta", "gamma"]);
    }

    #[test]
    fn without_definitions_the_nodes_say_what_is_shared() {
        let seen = items(r#"[{"storage":"nas","type":"nfs","shared":1,"active":1},{"storage":"l","active":1}]"#);
        let out = all(&source(), None, &[of("alpha", &seen), of("beta", &seen)]);
        let names: Vec<_> = out.iter().map(|s| s.id.as_str()).collect();
        assert_eq!(names, ["lab-shared-nas", "lab-alpha-l", "lab-beta-l"]);
    }

    #[test]
    fn storages_of_a_node_that_is_offline_are_inactive() {
        let seen = items(r#"[{"storage":"local","active":1,"total":10,"used":5}]"#);
        let gone = OfNode { online: false, ..of("alpha", &seen) };
        let out = all(&source(), None, &[gone]);
        assert_eq!((out[0].status.as_str(), out[0].active, out[0].total), ("inactive", false, 10));
    }

    #[test]
    fn many_storages_cost_time_only_once_each() {
        let item = |n: usize| StorageItem { storage: format!("s{n}"), shared: Some(true), ..StorageItem::default() };
        let many: Vec<StorageItem> = (0..20_000).map(item).collect();
        let began = std::time::Instant::now();
        assert_eq!(all(&source(), None, &[of("alpha", &many), of("beta", &many)]).len(), many.len());
        assert!(began.elapsed() < std::time::Duration::from_secs(2), "{:?}", began.elapsed());
    }

    #[test]
    fn impossible_figures_do_not_overflow() {
        let seen = items(r#"[{"storage":"x","active":1,"total":10,"used":9223372036854775807}]"#);
        let out = all(&source(), None, &[of("alpha", &seen)]);
        assert_eq!((out[0].free, out[0].usage), (0, 100.0));
    }
}
