//! What belongs to a whole connection: cluster, members, HA, replication, Ceph.

use crate::model::{Ceph, Cluster, ClusterMember, Coverage, HaResource, ReplicationJob, Time, Usage};
use crate::proxmox::pve::{CephOsds, CephStatus, ClusterItem, HaItem, ReplicationItem, UncoveredItem};

/// The cluster that `/cluster/status` tells of; `None` for a standalone host. A cluster is an item of that type, or
/// more than one node (contract state.md 4.4).
pub fn cluster(instance: &str, items: &[ClusterItem]) -> Option<Cluster> {
    let itself = items.iter().find(|i| i.kind == "cluster");
    let nodes: Vec<&ClusterItem> = items.iter().filter(|i| i.kind == "node" && !i.name.is_empty()).collect();
    if itself.is_none() && nodes.len() < 2 {
        return None;
    }
    Some(Cluster {
        instance: instance.to_owned(),
        name: itself.map(|c| c.name.clone()).filter(|n| !n.is_empty()).unwrap_or_else(|| "Unknown Cluster".to_owned()),
        quorate: itself.and_then(|c| c.quorate).unwrap_or(false),
        members: nodes
            .iter()
            .map(|n| ClusterMember {
                name: n.name.clone(),
                online: n.online.unwrap_or(false),
                ip: n.ip.clone(),
                local: n.local.unwrap_or(false),
            })
            .collect(),
        ha: Vec::new(),
    })
}

/// The services that HA looks after.
pub fn ha(items: &[HaItem]) -> Vec<HaResource> {
    let services = items.iter().filter(|i| i.kind == "service");
    services
        .map(|s| HaResource {
            sid: if s.sid.is_empty() { s.id.trim_start_matches("service:").to_owned() } else { s.sid.clone() },
            state: s.state.clone(),
            node: s.node.clone(),
        })
        .filter(|s| !s.sid.is_empty())
        .collect()
}

/// A replication job as its source node tells it; `None` without an id.
pub fn replication(instance: &str, node: &str, item: &ReplicationItem) -> Option<ReplicationJob> {
    let at = |t: Option<i64>| t.filter(|t| *t > 0).map_or(Time::UNSET, Time::from_unix);
    let of_id = || item.id.split('-').next().and_then(|v| v.parse().ok());
    (!item.id.is_empty()).then(|| ReplicationJob {
        instance: instance.to_owned(),
        id: item.id.clone(),
        vmid: item.guest.or_else(of_id).unwrap_or(0),
        source: if item.source.is_empty() { node.to_owned() } else { item.source.clone() },
        target: item.target.clone(),
        last_sync: at(item.last_sync),
        next_sync: at(item.next_sync),
        duration: item.duration.unwrap_or(0.0),
        fail_count: item.fail_count.unwrap_or(0),
        error: line(&item.error),
        enabled: !item.disable.unwrap_or(false),
    })
}

/// Ceph's health, space and OSDs; `None` when the answer is not Ceph's.
pub fn ceph(instance: &str, status: &CephStatus) -> Option<Ceph> {
    if status.health.status.is_empty() {
        return None;
    }
    let counts = |osds: &CephOsds| {
        let inner = osds.osdmap.0.as_deref().cloned().unwrap_or_default();
        [
            osds.num_osds.or(inner.num_osds).unwrap_or(0),
            osds.num_up_osds.or(inner.num_up_osds).unwrap_or(0),
            osds.num_in_osds.or(inner.num_in_osds).unwrap_or(0),
        ]
    };
    let [osds, osds_up, osds_in] = counts(&status.osdmap);
    let (total, used) = (status.pgmap.bytes_total.unwrap_or(0), status.pgmap.bytes_used.unwrap_or(0));
    let checks = status.health.checks.iter().filter_map(|(name, check)| {
        let check = check.0.as_ref().filter(|c| c.muted != Some(true))?;
        let said = line(&check.summary.message);
        Some(if said.is_empty() { name.clone() } else { said })
    });
    Some(Ceph {
        instance: instance.to_owned(),
        health: status.health.status.clone(),
        checks: checks.take(50).collect(),
        total,
        used,
        free: status.pgmap.bytes_avail.unwrap_or_else(|| total.saturating_sub(used).max(0)),
        usage: Usage::of(total, used).usage,
        osds,
        osds_up,
        osds_in,
    })
}

/// Guests without a backup job.
pub fn coverage(instance: &str, items: &[UncoveredItem]) -> Coverage {
    let mut uncovered: Vec<i64> = items.iter().filter_map(|i| i.vmid).filter(|v| *v > 0).collect();
    crate::order::sort(&mut uncovered);
    uncovered.dedup();
    Coverage { instance: instance.to_owned(), uncovered, orphans: Vec::new() }
}

/// Outside text on one line, at most 300 characters.
pub(super) fn line(text: &str) -> String {
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    flat.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxmox::List;
    use serde::de::DeserializeOwned;

    fn recorded<T: DeserializeOwned>(text: &str) -> T {
        #[derive(serde::Deserialize)]
        struct Answer<T> {
            data: T,
        }
        serde_json::from_str::<Answer<T>>(text).unwrap().data
    }

    #[test]
    fn the_recorded_status_is_a_cluster_of_four() {
        let items: List<ClusterItem> = recorded(include_str!("../../../tests/data/pve8/cluster-status.json"));
        let c = cluster("lab", &items.0).unwrap();
        assert_eq!((c.name.as_str(), c.quorate, c.members.len()), ("clustername", true, 4));
        assert_eq!((c.members[0].name.as_str(), c.members[0].ip.as_str()), ("node2", "192.168.1.2"));
        assert_eq!(c.members.iter().filter(|m| m.local).map(|m| m.name.as_str()).collect::<Vec<_>>(), ["node1"]);
    }

    #[test]
    fn one_node_alone_is_no_cluster_but_one_node_with_a_cluster_item_is() {
        let read = |json: &str| cluster("lab", &serde_json::from_str::<List<ClusterItem>>(json).unwrap().0);
        assert_eq!(read(r#"[{"type":"node","name":"a"}]"#), None);
        assert_eq!(read("[]"), None);
        assert_eq!(read(r#"[{"type":"node","name":"a"},{"type":"cluster","name":"x"}]"#).unwrap().name, "x");
        assert_eq!(read(r#"[{"type":"node","name":"a"},{"type":"node","name":"b"}]"#).unwrap().name, "Unknown Cluster");
    }

    #[test]
    fn ha_services_are_told_in_both_shapes() {
        let items: List<HaItem> = recorded(include_str!("../../../tests/data/pve8/ha-current.json"));
        assert_eq!(ha(&items.0), [HaResource { sid: "vm:100".into(), state: "started".into(), node: "node1".into() }]);
        let real = r#"[{"type":"service","id":"service:ct:101","sid":"ct:101","node":"b","state":"error"}]"#;
        assert_eq!(ha(&serde_json::from_str::<List<HaItem>>(real).unwrap().0)[0].sid, "ct:101");
    }

    #[test]
    fn replication_of_the_recording_and_a_failing_one() {
        let items: List<ReplicationItem> = recorded(include_str!("../../../tests/data/pve8/replication.json"));
        let job = replication("lab", "node1", &items.0[0]).unwrap();
        assert_eq!(
            (job.id.as_str(), job.vmid, job.source.as_str(), job.target.as_str()),
            ("100-0", 100, "node1", "node2")
        );
        assert_eq!((job.last_sync, job.fail_count, job.enabled), (Time::from_unix(1_715_500_000), 0, true));
        let failing: ReplicationItem =
            serde_json::from_str(r#"{"id":"101-1","fail_count":"3","error":"no\nroute","disable":1,"duration":"2.5"}"#)
                .unwrap();
        let job = replication("lab", "b", &failing).unwrap();
        assert_eq!((job.vmid, job.source.as_str(), job.fail_count, job.duration), (101, "b", 3, 2.5));
        assert_eq!((job.error.as_str(), job.enabled, job.last_sync), ("no route", false, Time::UNSET));
    }

    #[test]
    fn ceph_is_read_flat_and_nested_and_muted_checks_are_silent() {
        let status: CephStatus = serde_json::from_str(
            r#"{"health":{"status":"HEALTH_WARN","checks":{"A":{"summary":{"message":"4 pool(s) nearfull"}},
                "B":{"summary":{"message":"x"},"muted":true},"C":7}},
                "pgmap":{"bytes_total":100,"bytes_used":60,"bytes_avail":40},
                "osdmap":{"osdmap":{"num_osds":21,"num_up_osds":20,"num_in_osds":19}}}"#,
        )
        .unwrap();
        let c = ceph("lab", &status).unwrap();
        assert_eq!((c.health.as_str(), c.usage, c.osds, c.osds_up, c.osds_in), ("HEALTH_WARN", 60.0, 21, 20, 19));
        assert_eq!(c.checks, ["4 pool(s) nearfull"]);
        assert_eq!(ceph("lab", &CephStatus::default()), None);
    }
}
