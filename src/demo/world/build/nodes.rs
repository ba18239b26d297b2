//! Nodes: hardware large enough for the guests that they carry.

use crate::demo::noise::{Wave, between, hash, pick, unit};
use crate::demo::spec::PveSpec;
use crate::demo::world::names::{CPU_MODELS, HDD_MODELS, NVME_MODELS, SSD_MODELS};
use crate::demo::world::{DAY, Disk, GIB, Guest, Node};

/// Node number `n` of a cluster.
pub fn node(cluster: u64, spec: &PveSpec, n: usize, guests: &[Guest], born: i64) -> Node {
    let seed = hash(cluster, 0x40DE, n as u64);
    let draw = |what: u64| hash(seed, what, 0);
    let carried = || guests.iter().filter(|g| g.node == n && !g.runs.is_empty());
    let memory: u64 = carried().map(|g| g.maxmem).sum();
    let busy: f64 = carried().map(|g| g.cores * g.cpu.mean).sum();
    let (cpu_model, cpu_mhz) = *pick(draw(1), &CPU_MODELS);
    let maxmem = [16, 32, 64, 128, 256, 384, 512, 768, 1024].map(|g| g * GIB);
    let wanted = memory / 100 * 115 + 6 * GIB;
    let cores = [4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256];
    Node {
        seed,
        name: format!("{}{}", spec.node_prefix, n + 1),
        member: true,
        online: true,
        booted: born - 20 * DAY - (draw(2) % (30 * DAY as u64)) as i64,
        cores: cores.into_iter().find(|c| f64::from(*c) > busy * 2.2 + 1.0).unwrap_or(384),
        sockets: 1,
        cpu_model,
        cpu_mhz,
        // The firmware keeps a little for itself.
        maxmem: maxmem.into_iter().find(|m| *m >= wanted).unwrap_or(wanted) - 300 * (1 << 20),
        swap: 8 * GIB - 4096,
        root_total: 94 * GIB,
        root_used: Wave { mean: 94.0 * GIB as f64 * between(draw(3), 0.12, 0.55), swing: 0.01, phase: 0.4 },
        arc: Wave { mean: if spec.nodes > 1 && n % 3 == 1 { 3.2 * GIB as f64 } else { 0.0 }, swing: 0.2, phase: 0.1 },
        cached: between(draw(4), 0.5, 0.97),
        rates: [5, 6].map(|k| Wave {
            mean: between(draw(k), 40_000.0, 900_000.0),
            swing: 0.7,
            phase: unit(draw(k + 10)),
        }),
        disks: disks(seed, n),
        zfs: (n % 3 == 1).then_some("ONLINE"),
    }
}

/// A system disk, data disks, and on some nodes one that wears out or a controller that hides SMART.
fn disks(seed: u64, n: usize) -> Vec<Disk> {
    let serial = |k: u64| format!("S{:011X}", hash(seed, 0x5E41, k) & 0xFFF_FFFF_FFFF);
    let disk = |path: &str, kind, model: &'static str, size, used, wearout: Option<u32>, k| Disk {
        path: path.to_owned(),
        kind,
        model,
        serial: serial(k),
        size,
        used,
        health: if kind == "nvme" || kind == "ssd" || kind == "hdd" { "PASSED" } else { "UNKNOWN" },
        wearout,
    };
    let wear = |k: u64| 100 - (hash(seed, 0x3EA4, k) % 30) as u32;
    let nvme = NVME_MODELS[(seed % NVME_MODELS.len() as u64) as usize];
    let ssd = *pick(hash(seed, 1, 9), &SSD_MODELS);
    let mut all = vec![disk("/dev/nvme0n1", "nvme", nvme, 1_000_204_886_016, "LVM", Some(wear(0)), 0)];
    match n % 3 {
        0 => all.push(disk("/dev/sda", "ssd", ssd, 1_000_204_886_016, "ext4", Some(wear(1)), 1)),
        1 => {
            all.push(disk("/dev/sda", "ssd", ssd, 960_197_124_096, "ZFS", Some(wear(1)), 1));
            all.push(disk("/dev/sdb", "ssd", ssd, 960_197_124_096, "ZFS", Some(7), 2));
        }
        _ => {
            let hdd = *pick(hash(seed, 2, 9), &HDD_MODELS);
            all.push(disk("/dev/sda", "hdd", hdd, 4_000_787_030_016, "partitions", None, 1));
            all.push(disk("/dev/sdb", "unknown", "LOGICAL_VOLUME", 1_200_187_965_440, "ext4", None, 2));
        }
    }
    all
}
