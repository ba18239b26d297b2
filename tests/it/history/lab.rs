//! A small installation whose figures follow from the time alone, and a history that records it.

use super::disk::Disk;
use pulse::history::{History, Kind, Metric, Point, Wanted, load};
use pulse::model::{Datastore, Guest, Node, Now, PbsInstance, State, Storage, Time, Usage};

/// Midnight of a day in the future of all fixtures; a multiple of four hours.
pub const START: i64 = 1_800_000_000 / 14_400 * 14_400;

pub fn at(secs: i64) -> Now {
    Now::simulated(secs * 1000)
}

/// A guest's CPU in percent: a saw tooth of an hour, and 95 % for ten seconds at each 13:37 after start.
pub fn cpu(vmid: i64, secs: i64) -> f64 {
    let since = secs - START;
    if since.rem_euclid(86_400) == 13 * 3_600 + 37 * 60 {
        return 95.0;
    }
    2.0 + (vmid % 10) as f64 + since.rem_euclid(3_600) as f64 / 600.0
}

pub fn state(secs: i64, guests: i64) -> State {
    let guest = |n: i64| {
        let vmid = 100 + n;
        Guest {
            id: format!("lab-pve{}-{vmid}", n % 3),
            vmid,
            name: format!("guest{n}"),
            node: format!("pve{}", n % 3),
            instance: "lab".into(),
            status: "running".into(),
            cpu: cpu(vmid, secs) / 100.0,
            memory: Usage::of(8 << 30, (2 << 30) + (n << 20) + secs % 7 * 4096),
            disk: Usage::of(64 << 30, 20 << 30),
            network_in: 1_000 + secs % 11 * 100,
            network_out: 900,
            disk_read: 0,
            disk_write: 20_000 + secs % 13 * 1_000,
            ..Guest::default()
        }
    };
    let node = |n: i64| Node {
        id: format!("lab-pve{n}"),
        name: format!("pve{n}"),
        instance: "lab".into(),
        status: "online".into(),
        cpu: 0.2,
        memory: Usage::of(64 << 30, 30 << 30),
        disk: Usage::of(100 << 30, 9 << 30),
        ..Node::default()
    };
    let storage = |n: i64| Storage {
        id: format!("lab-pve{n}-local"),
        name: "local".into(),
        node: format!("pve{n}"),
        instance: "lab".into(),
        active: true,
        enabled: true,
        total: 100 << 40,
        used: (40 << 40) + (secs - START) * 50_000,
        free: (60 << 40) - (secs - START) * 50_000,
        usage: 40.0,
        ..Storage::default()
    };
    let datastore = Datastore {
        name: "main".into(),
        total: 8 << 40,
        used: 2 << 40,
        free: 6 << 40,
        usage: 25.0,
        ..Datastore::default()
    };
    State {
        vms: (0..guests).filter(|n| n % 2 == 0).map(|n| guest(n).into()).collect(),
        containers: (0..guests).filter(|n| n % 2 == 1).map(|n| guest(n).into()).collect(),
        nodes: (0..3).map(node).collect(),
        storage: (0..3).map(storage).collect(),
        pbs: vec![PbsInstance {
            id: "pbs-vault".into(),
            name: "vault".into(),
            status: "online".into(),
            cpu: 3.5,
            memory: 41.0,
            memory_used: 4 << 30,
            memory_total: 10 << 30,
            datastores: Some(vec![datastore]),
            ..PbsInstance::default()
        }],
        last_update: Time::from_unix(secs),
        ..State::default()
    }
}

/// Records what `state` gives every `step` seconds from `from` up to, not including, `to`, and writes as the owner does.
pub fn run(history: &mut History, from: i64, to: i64, step: i64, state: impl Fn(i64) -> State) {
    let mut secs = from;
    while secs < to {
        let state = state(secs);
        history.record_pve(at(secs), &state, "lab");
        history.record_pbs(at(secs), &state, "vault");
        write(history, secs);
        secs += step;
    }
}

/// What the owner's tick does, its job included.
pub fn write(history: &mut History, secs: i64) {
    if let Some(flush) = history.flush(at(secs)) {
        let storage = history.storage().unwrap();
        let done = flush.perform(&*storage);
        history.flushed(&done);
    }
}

/// The history of a disk, as a new process finds it.
pub fn open(disk: &Disk, secs: i64) -> History {
    History::restored(load(disk.storage()).unwrap(), at(secs))
}

/// One figure of a guest of `lab`.
pub fn guest(history: &History, vmid: i64, metric: Metric, now: i64, range: i64) -> Vec<Point> {
    points(history, history.subjects().guest("lab", vmid), Kind::Guest, metric, now, range)
}

pub fn points(history: &History, id: Option<u32>, kind: Kind, metric: Metric, now: i64, range: i64) -> Vec<Point> {
    let column = kind.metrics().iter().position(|m| *m == metric).unwrap();
    let wanted = vec![Wanted { id, kind, columns: 1 << column }];
    let mut series = history.snapshot(at(now), range, 400, wanted).read();
    std::mem::take(&mut series[0][column])
}

/// The longest time between two points, the edges of the range included.
pub fn longest_gap(points: &[Point], from: i64, to: i64) -> i64 {
    let times: Vec<i64> = [from].into_iter().chain(points.iter().map(|p| p.unix_secs)).chain([to]).collect();
    times.windows(2).map(|w| w[1] - w[0]).max().unwrap()
}
