//! A guest: what is configured, what it uses at a given second, and what a person inside it would say.

use super::backup::{Plan, Snapshot};
use crate::demo::noise::{Wave, between, hash, unit};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Qemu,
    Lxc,
}

impl Kind {
    pub fn name(self) -> &'static str {
        if self == Kind::Qemu { "qemu" } else { "lxc" }
    }
    /// What a PBS calls it.
    pub fn backup_type(self) -> &'static str {
        if self == Kind::Qemu { "vm" } else { "ct" }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Os {
    Debian,
    Ubuntu,
    Alpine,
    Windows,
    FreeBsd,
    HomeAssistant,
}

impl Os {
    /// `id`, `name`, `pretty-name`, `version-id`, `kernel-release` of `get-osinfo`.
    pub fn info(self) -> (&'static str, &'static str, &'static str, &'static str, &'static str) {
        match self {
            Os::Debian => ("debian", "Debian GNU/Linux", "Debian GNU/Linux 12 (bookworm)", "12", "6.1.0-37-amd64"),
            Os::Ubuntu => ("ubuntu", "Ubuntu", "Ubuntu 24.04.2 LTS", "24.04", "6.8.0-60-generic"),
            Os::Alpine => ("alpine", "Alpine Linux", "Alpine Linux v3.21", "3.21.3", "6.12.31-0-virt"),
            Os::Windows => ("mswindows", "Microsoft Windows", "Windows Server 2022 Standard", "2022", "20348"),
            Os::FreeBsd => ("freebsd", "FreeBSD", "FreeBSD 14.1-RELEASE", "14.1", "14.1-RELEASE"),
            Os::HomeAssistant => ("haos", "Home Assistant OS", "Home Assistant OS 15.2", "15.2", "6.12.23-haos"),
        }
    }
    pub fn is_linux(self) -> bool {
        !matches!(self, Os::Windows | Os::FreeBsd)
    }
}

/// The guest agent of a virtual machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agent {
    /// Not switched on in the configuration.
    Off,
    /// Switched on and answering.
    On,
    /// Switched on, but nothing answers inside: HTTP 500.
    Dead,
    /// Answers every command with an error object instead of a list.
    Erring,
}

/// What the balloon device tells the host about memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Free memory without the page cache, at full size.
    Full,
    /// The same, and the host took some memory away: bytes left.
    Ballooned(u64),
    /// No driver inside: only the process's size on the host is known.
    HostOnly,
}

/// A time during which the guest ran; `to` is missing while it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub from: i64,
    pub to: Option<i64>,
}

/// A file system as the guest agent lists it.
#[derive(Debug, Clone)]
pub struct Filesystem {
    pub mountpoint: String,
    pub device: String,
    pub kind: &'static str,
    pub total: u64,
    pub used: Wave,
    /// Whether a person would count it as this guest's own disk space.
    pub counts: bool,
}

#[derive(Debug, Clone)]
pub struct Guest {
    pub seed: u64,
    pub vmid: u32,
    pub kind: Kind,
    pub name: String,
    pub os: Os,
    /// Cores; a container may be limited to a fraction (`cpulimit`).
    pub cores: f64,
    pub maxmem: u64,
    pub swap: u64,
    /// The root disk.
    pub maxdisk: u64,
    /// Index into the nodes of its host.
    pub node: usize,
    pub tags: String,
    pub pool: Option<String>,
    pub lock: Option<String>,
    pub template: bool,
    /// The state that HA shows, when it is managed.
    pub ha: Option<String>,
    pub agent: Agent,
    pub memory: Memory,
    pub runs: Vec<Span>,
    /// Paused or suspended by QEMU though `status` says running.
    pub paused: bool,
    pub filesystems: Vec<Filesystem>,
    pub storage: String,
    pub onboot: bool,
    pub plan: Option<Plan>,
    pub snapshots: Vec<Snapshot>,
    pub cpu: Wave,
    /// Memory that programs use, bytes.
    pub programs: Wave,
    /// How much of the remaining memory the page cache takes, `0.0..1.0`.
    pub cached: f64,
    /// Disk read, disk write, network in, network out: bytes a second.
    pub rates: [Wave; 4],
}

/// What a guest uses at one second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Figures {
    pub running: bool,
    pub uptime: i64,
    /// Part of its cores, `0.0..1.0`.
    pub cpu: f64,
    /// Total memory as the guest sees it.
    pub memory_total: u64,
    /// Used by programs, without page cache: what a person would say.
    pub memory_programs: u64,
    pub memory_cache: u64,
    pub memory_free: u64,
    /// What Proxmox shows as `mem`.
    pub memory_reported: u64,
    /// The size on the host.
    pub memory_host: u64,
    /// Cumulative since its start: disk read, disk write, network in, network out.
    pub counters: [u64; 4],
    /// Root disk of a container, bytes; 0 for a virtual machine, as Proxmox says.
    pub disk: u64,
}

impl Guest {
    pub fn running_at(&self, t: i64) -> bool {
        self.span_at(t).is_some()
    }
    /// The run that second `t` is in.
    pub fn span_at(&self, t: i64) -> Option<Span> {
        self.runs.iter().rev().find(|r| r.from <= t && r.to.is_none_or(|to| t < to)).copied()
    }
    /// What it uses at second `t`.
    pub fn at(&self, t: i64) -> Figures {
        let mut figures = self.load_at(t);
        if let Some(span) = self.span_at(t) {
            figures.uptime = t - span.from;
            figures.counters = self.rates.map(|rate| rate.over(span.from as f64, t as f64).max(0.0) as u64);
            figures.disk = if self.kind == Kind::Lxc { self.root_used(t) } else { 0 };
        }
        figures
    }

    /// Only processor and memory: a node sums these over all its guests for every sample of its history.
    pub fn load_at(&self, t: i64) -> Figures {
        if !self.running_at(t) {
            return Figures { memory_total: self.maxmem, ..Figures::default() };
        }
        let at = t as f64;
        // Unless a test fixed it, the processor flickers every few seconds.
        let flicker = if self.cpu.swing == 0.0 { 0.0 } else { 0.08 };
        let jitter = between(hash(self.seed, t.div_euclid(5).unsigned_abs(), 11), 1.0 - flicker, 1.0 + flicker);
        let mut figures =
            Figures { running: true, cpu: (self.cpu.at(at) * jitter).clamp(0.0005, 1.0), ..Figures::default() };
        self.remember(at, &mut figures);
        figures
    }

    /// Fills in the memory figures.
    fn remember(&self, at: f64, figures: &mut Figures) {
        let size = match self.memory {
            Memory::Ballooned(left) => left,
            _ => self.maxmem,
        };
        // A virtual machine's kernel keeps about 3 % for itself before it counts.
        let total = if self.kind == Kind::Qemu { size / 100 * 97 } else { size };
        let programs = (self.programs.at(at) as u64).min(total / 100 * 98);
        let cache = ((total - programs) as f64 * self.cached) as u64;
        figures.memory_total = total;
        figures.memory_programs = programs;
        figures.memory_cache = cache;
        figures.memory_free = total - programs - cache;
        figures.memory_host = match self.kind {
            Kind::Qemu => ((programs + cache) as f64 * 1.02) as u64 + 48 * super::MIB,
            Kind::Lxc => programs,
        };
        figures.memory_reported = match (self.kind, self.memory) {
            (Kind::Lxc, _) => programs,
            (Kind::Qemu, Memory::HostOnly) => figures.memory_host.min(self.maxmem),
            (Kind::Qemu, _) => programs + cache,
        };
    }

    /// Bytes used on the root file system.
    pub fn root_used(&self, t: i64) -> u64 {
        self.filesystems.first().map_or(0, |fs| fs.used_at(t))
    }
    /// Used and total of its own disks as a person would add them up; `None` when nobody inside can tell.
    pub fn disk_at(&self, t: i64) -> Option<(u64, u64)> {
        let own = || self.filesystems.iter().filter(|fs| fs.counts);
        let sums = || (own().map(|fs| fs.used_at(t)).sum(), own().map(|fs| fs.total).sum());
        match self.kind {
            Kind::Lxc => self.running_at(t).then(|| (self.root_used(t), self.maxdisk)),
            Kind::Qemu => (self.running_at(t) && self.agent == Agent::On).then(sums),
        }
    }
    /// A MAC address of its first network device.
    pub fn mac(&self) -> String {
        let h = hash(self.seed, 0x3AC, 0);
        format!("BC:24:11:{:02X}:{:02X}:{:02X}", h & 255, h >> 8 & 255, h >> 16 & 255)
    }
    /// Its IPv4 address.
    pub fn address(&self) -> String {
        format!("10.{}.{}.{}", 10 + hash(self.seed, 0x1F, 0) % 4, self.vmid / 250 % 250, self.vmid % 250 + 2)
    }
    /// The process on the host.
    pub fn pid(&self) -> u32 {
        2_000 + (hash(self.seed, 0x91D, 0) % 400_000) as u32
    }
    /// Whether a sample of its history is missing at second `t`: now and then a collector was late.
    pub fn gap_at(&self, t: i64) -> bool {
        unit(hash(self.seed, t.unsigned_abs(), 0x6A9)) < 0.01
    }
}

impl Filesystem {
    pub fn used_at(&self, t: i64) -> u64 {
        (self.used.at(t as f64) as u64).min(self.total)
    }
}
