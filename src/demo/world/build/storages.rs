//! Storages: the two of every installation, shared ones, one for each PBS, and a disabled leftover.

use crate::demo::noise::{Wave, between, hash, unit};
use crate::demo::spec::PveSpec;
use crate::demo::world::{GIB, Storage, StorageKind};

/// All storages of a cluster; `pbs` is the host that takes its backups.
pub fn all(seed: u64, spec: &PveSpec, pbs: Option<usize>) -> Vec<Storage> {
    let used = |total: u64, share: f64, n: u64| Wave {
        mean: total as f64 * share,
        swing: 0.01,
        phase: unit(hash(seed, 0x570, n)),
    };
    let storage = |name: &str, kind, content, shared, total, share, n| Storage {
        name: name.to_owned(),
        kind,
        content,
        shared,
        enabled: true,
        only_on: Vec::new(),
        inactive_on: Vec::new(),
        total,
        used: used(total, share, n),
        pbs: None,
    };
    let share = |n| between(hash(seed, 0x571, n), 0.2, 0.7);
    let mut all = vec![
        storage("local", StorageKind::Dir, "backup,iso,vztmpl", false, 94 * GIB, share(0), 0),
        storage("local-lvm", StorageKind::LvmThin, "images,rootdir", false, 794 * GIB, share(1), 1),
    ];
    // Nodes with a pool of their own; see `nodes`.
    let with_zfs: Vec<usize> = (0..spec.nodes).filter(|n| n % 3 == 1).collect();
    if spec.cluster && !with_zfs.is_empty() {
        let mut tank = storage("local-zfs", StorageKind::ZfsPool, "images,rootdir", false, 860 * GIB, 0.45, 59);
        tank.only_on = with_zfs;
        all.push(tank);
    }
    for n in 0..spec.shared_storages {
        let name = if n == 0 { "nas".to_owned() } else { format!("nas{}", n + 1) };
        let content = "backup,images,iso";
        all.push(storage(&name, StorageKind::Nfs, content, true, 10_000 * GIB, share(2 + n as u64), 2 + n as u64));
    }
    if spec.ceph {
        all.push(storage("ceph-pool", StorageKind::Rbd, "images,rootdir", true, 15_000 * GIB, 0.47, 60));
    }
    if let Some(pbs) = pbs {
        let kind = StorageKind::Pbs;
        let mut it = storage("pbs-main", kind, "backup", true, 8 * 1024 * GIB, 0.58, 61);
        it.pbs = Some((pbs, "main".to_owned(), spec.name.clone()));
        all.push(it);
    }
    let mut old = storage("old-nas", StorageKind::Nfs, "backup,images", true, 0, 0.0, 62);
    old.enabled = false;
    all.push(old);
    all
}
