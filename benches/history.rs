//! Measures what history costs: `cargo bench --bench history`. Figures are made up from a seed: idle guests whose CPU,
//! memory and network wander a little, as most do. Prints a table; asserts nothing.

use pulse::history::{Folder, History, Kind, Storage, Wanted, load};
use pulse::model::{Guest, Node, Now, State, Usage};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const START: i64 = 1_800_000_000 / 14_400 * 14_400;
const WEEK: i64 = 7 * 86_400;
const PAGE: u64 = 4_096;

/// Numbers without meaning, the same in each run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / (1u64 << 24) as f64
    }
    /// Around `middle`, up to `share` of it away.
    fn about(&mut self, middle: f64, share: f64) -> f64 {
        middle * (1.0 + share * (2.0 * self.next() - 1.0))
    }
}

/// Counts what is appended, and the pages of 4 kB that each sync brings to the device.
struct Counting {
    folder: Folder,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    bytes: u64,
    pages: u64,
    syncs: u64,
    unsynced: BTreeMap<String, (u64, u64)>,
}

impl Storage for Counting {
    fn names(&self) -> io::Result<Vec<String>> {
        self.folder.names()
    }
    fn length(&self, name: &str) -> io::Result<u64> {
        self.folder.length(name)
    }
    fn read(&self, name: &str, at: u64, bytes: usize) -> io::Result<Vec<u8>> {
        self.folder.read(name, at, bytes)
    }
    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<u64> {
        let at = self.folder.append(name, bytes)?;
        let mut counts = self.counts.lock().unwrap();
        counts.bytes += bytes.len() as u64;
        let end = at + bytes.len() as u64;
        counts.unsynced.entry(name.to_owned()).and_modify(|(_, e)| *e = end).or_insert((at, end));
        Ok(at)
    }
    fn sync(&self, name: &str) -> io::Result<()> {
        let mut counts = self.counts.lock().unwrap();
        if let Some((from, to)) = counts.unsynced.remove(name) {
            counts.pages += to.div_ceil(PAGE) - from / PAGE;
            counts.syncs += 1;
        }
        Ok(())
    }
    fn sync_folder(&self) -> io::Result<()> {
        Ok(())
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.folder.remove(name)
    }
}

fn fleet(guests: i64, noise: &mut Noise) -> State {
    let guest = |n: i64, noise: &mut Noise| Guest {
        id: format!("lab-pve{}-{n}", n % 10),
        vmid: n,
        node: format!("pve{}", n % 10),
        instance: "lab".into(),
        status: "running".into(),
        memory: Usage::of(8 << 30, (noise.next() * 7e9) as i64),
        disk: Usage::of(64 << 30, (noise.next() * 6e10) as i64),
        ..Guest::default()
    };
    let nodes = (0..if guests > 200 { 10 } else { 3 }).map(|n| Node {
        id: format!("lab-pve{n}"),
        name: format!("pve{n}"),
        instance: "lab".into(),
        status: "online".into(),
        ..Node::default()
    });
    State {
        nodes: nodes.collect(),
        vms: (0..guests).map(|n| guest(100 + n, noise).into()).collect(),
        ..State::default()
    }
}

fn wander(state: &mut State, noise: &mut Noise) {
    for g in &mut state.vms {
        let own = (g.vmid % 17) as f64;
        g.cpu = noise.about(0.004 + own * 0.001, 0.5);
        g.memory = Usage::of(g.memory.total, noise.about(g.memory.used as f64, 0.0005) as i64);
        g.network_in = noise.about(700.0 + own * 100.0, 0.4) as i64;
        g.network_out = noise.about(400.0 + own * 60.0, 0.4) as i64;
        g.disk_write = noise.about(6_000.0 + own * 900.0, 0.8) as i64;
    }
    for n in &mut state.nodes {
        n.cpu = noise.about(0.08, 0.4);
        n.memory = Usage::of(64 << 30, noise.about(3e10, 0.01) as i64);
        n.disk = Usage::of(100 << 30, 9 << 30);
    }
}

fn cpu_time() -> Duration {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of our own.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut t) };
    Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
}

fn measured<T>(what: &str, times: u32, mut work: impl FnMut() -> T) {
    let before = cpu_time();
    for _ in 0..times {
        std::hint::black_box(work());
    }
    println!("  {what}: {:.2} ms CPU", (cpu_time() - before).as_secs_f64() * 1000.0 / f64::from(times));
}

fn week(guests: i64) {
    let path = std::env::temp_dir().join(format!("pulse-bench-history-{}-{guests}", std::process::id()));
    let folder = Folder::open(&path).unwrap();
    let disk = Arc::new(Counting { folder, counts: Mutex::new(Counts::default()) });
    let mut noise = Noise(guests as u64);
    let mut state = fleet(guests, &mut noise);
    let now = |secs: i64| Now::simulated(secs * 1000);
    let mut history = History::restored(load(disk.clone()).unwrap(), now(START));
    let (mut recording, mut most, mut cycles) = (Duration::ZERO, Duration::ZERO, 0);
    for secs in (START..START + WEEK).step_by(10) {
        wander(&mut state, &mut noise);
        let before = Instant::now();
        history.record_pve(now(secs), &state, "lab");
        let flush = history.flush(now(secs));
        let took = before.elapsed();
        recording += took;
        most = most.max(took);
        cycles += 1;
        if let Some(flush) = flush {
            let done = flush.perform(&*disk);
            history.flushed(&done);
        }
    }
    let end = START + WEEK;
    println!("{guests} guests, a week:");
    println!(
        "  a cycle: {:.3} ms on average, {:.1} ms at most",
        recording.as_secs_f64() * 1000.0 / f64::from(cycles),
        most.as_secs_f64() * 1000.0
    );
    {
        let c = disk.counts.lock().unwrap();
        let mb_a_day = |bytes: u64| bytes as f64 / 7.0 / 1e6;
        println!(
            "  appended {:.2} MB a day, {:.2} MB a day as pages of 4 kB, {} syncs a day",
            mb_a_day(c.bytes),
            mb_a_day(c.pages * PAGE),
            c.syncs / 7
        );
    }
    println!("  memory: {:.1} MB", history.memory_bytes() as f64 / 1e6);
    let one = || vec![Wanted { id: history.subjects().guest("lab", 142), kind: Kind::Guest, columns: 0x7f }];
    let all = || -> Vec<Wanted> {
        let wanted = |(id, key): (u32, &pulse::history::Key)| Wanted { id: Some(id), kind: key.kind, columns: 0x7f };
        history.subjects().iter().map(wanted).collect()
    };
    for (name, range) in [("an hour", 3_600), ("four hours", 14_400), ("a day", 86_400), ("a week", WEEK)] {
        measured(&format!("one guest, {name}"), 5, || history.snapshot(now(end), range, 400, one()).read());
    }
    let points = (200_000 / (guests as usize * 7)).clamp(20, 400);
    for (name, range) in [("an hour", 3_600), ("a day", 86_400), ("a week", WEEK)] {
        measured(&format!("all guests, {name}, snapshot alone"), 3, || {
            history.snapshot(now(end), range, points, all())
        });
        measured(&format!("all guests, {name}"), 3, || history.snapshot(now(end), range, points, all()).read());
    }
    measured("opening", 3, || History::restored(load(disk.clone()).unwrap(), now(end)));
    let _ = std::fs::remove_dir_all(&path);
}

fn main() {
    for guests in [100, 1_000] {
        week(guests);
    }
}
