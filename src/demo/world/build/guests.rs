//! Guests: a role, a size, disks, a backup plan, and the special cases that monitoring must get right.

use crate::demo::noise::{Wave, between, hash, pick, unit};
use crate::demo::spec::PveSpec;
use crate::demo::world::names::{ROLES, Role, SNAPSHOTS};
use crate::demo::world::{
    Agent, DAY, Filesystem, GIB, Guest, Kind, MIB, Memory, Os, Plan, Snapshot, Span, Storage, StorageKind,
};

/// Which draw a hash is for, so that no two properties of a guest depend on each other.
#[derive(Clone, Copy)]
enum Draw {
    Seed = 100,
    Cores,
    Memory,
    Disk,
    Started,
    Cpu,
    Programs,
    Rate,
    Phase,
    Plan,
    Snapshot,
    Rest,
}

struct Dice(u64);

impl Dice {
    fn of(&self, draw: Draw, n: u64) -> u64 {
        hash(self.0, draw as u64, n)
    }
    fn wave(&self, n: u64, mean: f64, swing: f64) -> Wave {
        let h = self.of(Draw::Phase, n);
        // Most work is done in the early afternoon (0.67 peaks at 14:00 UTC); some machines work at any hour.
        let phase = if h.is_multiple_of(6) { unit(h) } else { between(h, 0.56, 0.78) };
        Wave { mean, swing, phase }
    }
}

/// Guest number `n` of a cluster.
pub fn guest(seed: u64, spec: &PveSpec, n: usize, nodes: usize, storages: &[Storage], born: i64) -> Guest {
    let dice = Dice(hash(seed, Draw::Seed as u64, n as u64));
    let role = &ROLES[n % ROLES.len()];
    let vmid = 100 + n as u32;
    let kind = if role.container { Kind::Lxc } else { Kind::Qemu };
    let template = n % 40 == 39;
    let stopped = template || n % 11 == 10;
    let maxmem = *pick(dice.of(Draw::Memory, 0), memory_sizes(kind)) * MIB;
    let storage = storages.iter().find(|s| holds_disks(s.kind)).map_or("local-lvm", |s| &s.name).to_owned();
    let mut guest = Guest {
        seed: dice.0,
        vmid,
        kind,
        name: if template { format!("tmpl-{}", role.name) } else { name(role, n) },
        os: role.os,
        cores: cores(&dice, kind, n),
        maxmem,
        swap: if kind == Kind::Lxc { 512 * MIB } else { 0 },
        maxdisk: pick(dice.of(Draw::Disk, 0), &[8, 16, 32, 64, 128]) * GIB,
        node: n % nodes.max(1),
        tags: role.tags.to_owned(),
        pool: (!role.pool.is_empty()).then(|| role.pool.to_owned()),
        lock: None,
        template,
        ha: (spec.cluster && n % 9 == 2 && !template).then(|| "started".to_owned()),
        agent: if kind == Kind::Qemu { agent(n) } else { Agent::Off },
        memory: if kind == Kind::Qemu { memory(role.os, n, maxmem) } else { Memory::Full },
        runs: runs(&dice, stopped, template, born),
        paused: n % 97 == 96,
        filesystems: Vec::new(),
        storage,
        onboot: !template && n % 3 != 2,
        plan: plan(&dice, spec, n, nodes, storages, born),
        snapshots: snapshots(&dice, n, kind, born),
        cpu: cpu(&dice, n),
        programs: programs(&dice, n, maxmem),
        cached: if role.os == Os::Windows { 0.0 } else { between(dice.of(Draw::Programs, 1), 0.35, 0.95) },
        rates: rates(&dice),
    };
    guest.filesystems = filesystems(&dice, &guest, n);
    guest
}

fn name(role: &Role, n: usize) -> String {
    match n / ROLES.len() {
        0 => role.name.to_owned(),
        round => format!("{}-{:02}", role.name, round + 1),
    }
}

fn memory_sizes(kind: Kind) -> &'static [u64] {
    if kind == Kind::Qemu { &[2048, 4096, 4096, 8192, 16_384] } else { &[512, 1024, 2048, 4096] }
}

fn holds_disks(kind: StorageKind) -> bool {
    matches!(kind, StorageKind::LvmThin | StorageKind::ZfsPool | StorageKind::Rbd)
}

fn cores(dice: &Dice, kind: Kind, n: usize) -> f64 {
    if kind == Kind::Lxc && n % 14 == 3 {
        return 1.5;
    }
    f64::from(*pick(dice.of(Draw::Cores, 0), &[1, 2, 2, 4, 8]))
}

/// Most agents answer; some are off, one is dead, one refuses every command.
fn agent(n: usize) -> Agent {
    match n % 28 {
        8 => Agent::Dead,
        14 if n >= 28 => Agent::Erring,
        16 => Agent::Off,
        _ => Agent::On,
    }
}

fn memory(os: Os, n: usize, maxmem: u64) -> Memory {
    match n % 28 {
        16 | 20 => Memory::HostOnly,
        12 => Memory::Ballooned(maxmem / 8 * 5),
        _ if os == Os::FreeBsd => Memory::HostOnly,
        _ => Memory::Full,
    }
}

fn runs(dice: &Dice, stopped: bool, template: bool, born: i64) -> Vec<Span> {
    if template {
        return Vec::new();
    }
    let started = born - 3600 - (dice.of(Draw::Started, 0) % (40 * DAY as u64)) as i64;
    if !stopped {
        return vec![Span { from: started - 90 * DAY, to: Some(started - 40) }, Span { from: started, to: None }];
    }
    vec![Span { from: started - 90 * DAY, to: Some(started) }]
}

fn cpu(dice: &Dice, n: usize) -> Wave {
    let mean = if n % 25 == 18 { 0.72 } else { between(dice.of(Draw::Cpu, 0), 0.01, 0.22) };
    dice.wave(0, mean, 0.3 + 0.5 * unit(dice.of(Draw::Cpu, 1)))
}

fn programs(dice: &Dice, n: usize, maxmem: u64) -> Wave {
    let share = if n % 25 == 21 { 0.84 } else { between(dice.of(Draw::Programs, 0), 0.22, 0.66) };
    dice.wave(1, maxmem as f64 * share, 0.12)
}

fn rates(dice: &Dice) -> [Wave; 4] {
    let scale = [40_000.0, 90_000.0, 60_000.0, 45_000.0];
    let mut n = 2;
    scale.map(|mean| {
        n += 1;
        dice.wave(n, mean * between(dice.of(Draw::Rate, n), 0.1, 12.0), 0.75)
    })
}

/// Seven guests in ten to a PBS when there is one, the rest to the shared or local storage; some weekly; one in
/// twenty nowhere; and now and then a plan that ended twelve days ago.
fn plan(dice: &Dice, spec: &PveSpec, n: usize, nodes: usize, storages: &[Storage], born: i64) -> Option<Plan> {
    if n % 20 == 13 || n % 40 == 39 || spec.backups_per_guest == 0 {
        return None;
    }
    let of = |kind: StorageKind| storages.iter().find(|s| s.kind == kind && s.takes_backups() && s.enabled);
    let wanted = if n % 10 < 7 {
        StorageKind::Pbs
    } else if n % 10 == 9 {
        StorageKind::Dir
    } else {
        StorageKind::Nfs
    };
    let storage = of(wanted).or_else(|| of(StorageKind::Nfs)).or_else(|| of(StorageKind::Dir))?;
    let turn = (n / nodes.max(1)) as i64;
    Some(Plan {
        storage: storage.name.clone(),
        offset_secs: 3600 + turn * 41,
        every_days: if n % 15 == 7 { 7 } else { 1 },
        keep: spec.backups_per_guest,
        until: (n % 33 == 31).then_some(born - 12 * DAY),
        encrypted: n % 6 == 2,
        alone: n % 5 == 1,
        failing: if dice.of(Draw::Plan, 0).is_multiple_of(12) { 180 } else { 6 },
    })
}

fn snapshots(dice: &Dice, n: usize, kind: Kind, born: i64) -> Vec<Snapshot> {
    let count = if n.is_multiple_of(4) { 1 + (dice.of(Draw::Snapshot, 0) % 3) as usize } else { 0 };
    let mut all: Vec<Snapshot> = Vec::new();
    for k in 0..count {
        let (name, description) = SNAPSHOTS[(n / 4 + k) % SNAPSHOTS.len()];
        let age = (count - k) as i64 * 9 * DAY + (dice.of(Draw::Snapshot, 1) % 80_000) as i64;
        all.push(Snapshot {
            name: name.to_owned(),
            description: description.to_owned(),
            time: born - age,
            parent: all.last().map(|s| s.name.clone()),
            vmstate: kind == Kind::Qemu && k == 1,
        });
    }
    all
}

/// A root file system, and beside it what confuses disk figures: boot partitions, network mounts, loop-mounted
/// images, a bind mount of the same device, a CD.
fn filesystems(dice: &Dice, guest: &Guest, n: usize) -> Vec<Filesystem> {
    let share = if n % 25 == 22 { 0.93 } else { between(dice.of(Draw::Rest, 0), 0.18, 0.74) };
    let total = guest.maxdisk / 100 * 97;
    let used = dice.wave(20, total as f64 * share, 0.01);
    let own = |mountpoint: &str, device: &str, kind| Filesystem {
        mountpoint: mountpoint.to_owned(),
        device: device.to_owned(),
        kind,
        total,
        used,
        counts: true,
    };
    let other = |mountpoint: &str, device: &str, kind, total: u64, share: f64| Filesystem {
        used: Wave { mean: total as f64 * share, swing: 0.0, phase: 0.0 },
        total,
        counts: false,
        ..own(mountpoint, device, kind)
    };
    match (guest.kind, guest.os) {
        (Kind::Lxc, _) => vec![Filesystem { total: guest.maxdisk, ..own("/", "rootfs", "ext4") }],
        (_, Os::Windows) => vec![
            own("C:\\", "disk0", "NTFS"),
            other("System Reserved", "disk0p1", "NTFS", 500 * MIB, 0.4),
            other("D:\\", "cdrom0", "CDFS", 4700 * MIB, 1.0),
        ],
        (_, Os::FreeBsd) => vec![own("/", "zroot/ROOT/default", "zfs")],
        (_, Os::HomeAssistant) => vec![
            own("/mnt/data", "sda8", "ext4"),
            other("/", "sda3", "erofs", 260 * MIB, 1.0),
            other("/mnt/boot", "sda1", "vfat", 64 * MIB, 0.3),
        ],
        _ => {
            let mut all = vec![own("/", "sda2", "ext4"), other("/boot/efi", "sda1", "vfat", 512 * MIB, 0.02)];
            if n.is_multiple_of(7) {
                let data = Filesystem { used: dice.wave(21, total as f64 * 0.5, 0.02), ..own("/srv", "sdb1", "xfs") };
                all.push(data);
                all.push(Filesystem { counts: false, ..own("/var/lib/docker", "sda2", "ext4") });
            }
            if n.is_multiple_of(3) {
                all.push(other("/mnt/nas", "nas:/export", "nfs4", 12_000 * GIB, 0.71));
                all.push(other("/snap/core22/1908", "loop0", "squashfs", 75 * MIB, 1.0));
            }
            all
        }
    }
}
