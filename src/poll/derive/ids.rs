//! The ids of the wire. Their forms are contract; dashes make them ambiguous, so nobody may take one apart.

/// `<instance>-<node>`, always both.
pub fn node(instance: &str, node: &str) -> String {
    format!("{instance}-{node}")
}

/// `<instance>-<node>-<vmid>`; `<node>-<vmid>` when both names are equal.
pub fn guest(instance: &str, node: &str, vmid: i64) -> String {
    if instance == node { format!("{node}-{vmid}") } else { format!("{instance}-{node}-{vmid}") }
}

/// `<instance>-<node>-<storage>`, with the node `shared` for a shared one.
pub fn storage(instance: &str, node: &str, storage: &str) -> String {
    format!("{instance}-{node}-{storage}")
}

/// `<instance>-<node>-<vmid>-<name>`.
pub fn snapshot(instance: &str, node: &str, vmid: i64, name: &str) -> String {
    format!("{instance}-{node}-{vmid}-{name}")
}

/// `pbs-<name>`.
pub fn pbs(instance: &str) -> String {
    format!("pbs-{instance}")
}

/// `pbs-<instance>-<datastore>-<namespace>-<type>-<backup id>-<seconds>`; the root namespace leaves two dashes.
pub fn pbs_backup(instance: &str, store: &str, namespace: &str, kind: &str, id: &str, seconds: i64) -> String {
    format!("pbs-{instance}-{store}-{namespace}-{kind}-{id}-{seconds}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_forms_of_the_contract() {
        assert_eq!(node("pve1", "pve1"), "pve1-pve1");
        assert_eq!(guest("pve1", "pve1", 101), "pve1-101");
        assert_eq!(guest("lab", "pve1", 101), "lab-pve1-101");
        assert_eq!(storage("pve1", "pve1", "local"), "pve1-pve1-local");
        assert_eq!(storage("pve1", "shared", "nas"), "pve1-shared-nas");
        assert_eq!(snapshot("pve1", "pve1", 101, "s"), "pve1-pve1-101-s");
        assert_eq!(pbs_backup("backup1", "ds1", "", "vm", "101", 1735787045), "pbs-backup1-ds1--vm-101-1735787045");
    }
}
