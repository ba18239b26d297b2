//! One look at one resource: which of its conditions are true, which not, which cannot be told. Pure; builds no text.

use super::backups::Backups;
use super::check::Check;
use super::finding::{Doubt, Finding, Sink};
use super::instances::{Instance, Instances};
use super::level::Level;
use super::rule::MEGABYTE;
use super::settings::{Condition, Settings};
use super::subject::Subject;
use super::transition::Why;
use crate::model::{
    Cluster, Datastore, Guest, Node, PbsInstance, PhysicalDisk, ReplicationJob, State, Storage, Time, ZfsPool,
};

/// Figures older than this are no figures.
const STALE_SECS: i64 = 300;
const DAY_SECS: f64 = 86_400.0;
/// What PVE locks a guest with while something short runs. `suspended` is no such lock: it lasts.
const LOCKS: [&str; 10] =
    ["backup", "snapshot", "snapshot-delete", "rollback", "migrate", "clone", "create", "suspending", "fstrim", "disk"];

/// What a look may use besides the resource itself.
pub struct View<'a> {
    pub state: &'a State,
    pub now: Time,
    pub instances: &'a Instances,
    pub backups: &'a Backups,
    /// Nodes that are not online, by (connection, name).
    pub down: &'a [(u32, &'a str)],
    /// Whether "no backup" and "backup too old" can be told for sure.
    pub all_pbs_known: bool,
}

/// One look: the connection's number and condition, and whether a lock of the guest still counts.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    pub number: u32,
    pub instance: &'a Instance,
    pub lock_counts: bool,
}

impl View<'_> {
    fn is_down(&self, number: u32, node: &str) -> bool {
        self.down.iter().any(|(n, name)| *n == number && *name == node)
    }
    fn days_since(&self, time: Time) -> f64 {
        self.now.since(time).as_secs_f64() / DAY_SECS
    }
}

/// Whether the guest is locked by something that will end.
pub fn is_busy(guest: &Guest) -> bool {
    !guest.lock.is_empty() && LOCKS.contains(&guest.lock.as_str())
}

/// Looks at a resource and gives every finding to `sink`, each check of its kind once.
pub fn look(subject: Subject, settings: &Settings, view: &View, at: Look, sink: &mut impl Sink) {
    if settings.off.is_some() {
        for check in subject.kind().checks() {
            sink.take(*check, Finding::Moot(Why::NotWatched));
        }
        return;
    }
    match subject {
        Subject::Guest(g) => guest(g, settings, view, at, sink),
        Subject::Node(n) => node(n, settings, view, at, sink),
        Subject::Storage(s) => storage(s, settings, view, at, sink),
        Subject::Pbs(p) => pbs(p, settings, at, sink),
        Subject::Datastore(p, d) => datastore(p, d, settings, view, at, sink),
        Subject::Cluster(c) => simple(Check::Quorum, settings, at, sink, |s| quorum(c, s)),
        Subject::Pool(z) => simple(Check::Zfs, settings, at, sink, |s| pool(z, s)),
        Subject::Disk(d) => disk(d, settings, at, sink),
        Subject::Ceph(c) => simple(Check::Ceph, settings, at, sink, |s| ceph(&c.health, s)),
        Subject::Replication(j) => simple(Check::Replication, settings, at, sink, |s| replication(j, s)),
    }
}

/// A metric: moot when not watched, doubtful when something stands between, else measured.
fn metric(sink: &mut impl Sink, settings: &Settings, check: Check, doubt: Option<Doubt>, value: f64) {
    let finding = match (settings.line(check), doubt) {
        (None, _) => Finding::Moot(Why::NotWatched),
        (Some(_), Some(doubt)) => Finding::Unknown(doubt),
        (Some(line), None) => Finding::measured(value, line),
    };
    sink.take(check, finding);
}

/// Any other check.
fn condition(
    sink: &mut impl Sink,
    settings: &Settings,
    check: Check,
    doubt: Option<Doubt>,
    find: impl FnOnce(&Condition) -> Finding,
) {
    let finding = match (settings.condition(check), doubt) {
        (None, _) => Finding::Moot(Why::NotWatched),
        (Some(_), Some(doubt)) => Finding::Unknown(doubt),
        (Some(setting), None) => find(setting),
    };
    sink.take(check, finding);
}

/// The only check of a kind whose connection must answer.
fn simple(check: Check, settings: &Settings, at: Look, sink: &mut impl Sink, find: impl FnOnce(&Condition) -> Finding) {
    let doubt = (!at.instance.reachable).then_some(Doubt::Unreachable);
    condition(sink, settings, check, doubt, find);
}

fn guest(g: &Guest, settings: &Settings, view: &View, at: Look, sink: &mut impl Sink) {
    let down = if !at.instance.reachable {
        Some(Doubt::Unreachable)
    } else if g.status == "unknown" || view.is_down(at.number, &g.node) {
        Some(Doubt::NodeDown)
    } else {
        None
    };
    let busy = at.lock_counts && is_busy(g);
    guest_metrics(g, settings, down, busy, sink);
    let locked = down.or(busy.then_some(Doubt::Locked));
    condition(sink, settings, Check::PoweredOff, locked, |s| {
        Finding::plain((g.status == "stopped").then_some(Level::Warning).and_then(|l| s.admit(l)))
    });
    guest_backups(g, settings, view, at, sink);
}

fn guest_metrics(g: &Guest, settings: &Settings, down: Option<Doubt>, busy: bool, sink: &mut impl Sink) {
    let running = g.is_running();
    // A stopped guest has no load; one that is stopped for its backup is told nothing about until it is back.
    let stopped = !running && down.is_none() && !busy;
    let locked = busy.then_some(Doubt::Locked);
    let unless = |missing: bool, doubt: Option<Doubt>| doubt.or(missing.then_some(Doubt::NoFigure));
    let stale = g.source_age.is_some_and(|age| age > STALE_SECS);
    let no_memory = g.memory.total <= 0 || is_unknown(&g.memory_source);
    let no_disk = g.disk.total <= 0 || is_unknown(&g.disk_source) || g.disk_source.as_deref() == Some("allocated");
    let disk_lock = if running { None } else { locked };
    let figures = [
        (Check::Cpu, unless(false, down.or(locked)), g.cpu * 100.0),
        (Check::Memory, unless(no_memory || stale, down.or(locked)), g.memory.usage),
        (Check::Disk, unless(no_disk || stale, down.or(disk_lock)), g.disk.usage),
        (Check::DiskRead, down.or(locked), g.disk_read as f64 / MEGABYTE),
        (Check::DiskWrite, down.or(locked), g.disk_write as f64 / MEGABYTE),
        (Check::NetworkIn, down.or(locked), g.network_in as f64 / MEGABYTE),
        (Check::NetworkOut, down.or(locked), g.network_out as f64 / MEGABYTE),
    ];
    for (check, doubt, value) in figures {
        if stopped {
            sink.take(check, Finding::Moot(Why::Stopped));
        } else {
            metric(sink, settings, check, doubt, value);
        }
    }
}

fn is_unknown(source: &Option<String>) -> bool {
    source.as_deref() == Some("unknown")
}

fn guest_backups(g: &Guest, settings: &Settings, view: &View, at: Look, sink: &mut impl Sink) {
    let watched = [Check::BackupAge, Check::BackupFailed, Check::BackupUnverified, Check::SnapshotAge];
    if watched.iter().all(|c| settings.condition(*c).is_none()) {
        for check in watched {
            sink.take(check, Finding::Moot(Why::NotWatched));
        }
        return;
    }
    let facts = view.backups.guest(at.number, g.vmid);
    let known = at.instance.known;
    let until = |known: bool| (!known).then_some(Doubt::NotFetched);
    let all_known = known.backups && known.tasks && view.all_pbs_known;
    condition(sink, settings, Check::BackupAge, until(all_known), |s| {
        if !g.last_backup.is_set() {
            return Finding::graded(s.admit(Level::Warning), 0.0, s.warning.unwrap_or(0.0));
        }
        let days = view.days_since(g.last_backup);
        Finding::graded(s.grade_high(days), days, s.warning.unwrap_or(0.0))
    });
    condition(sink, settings, Check::BackupFailed, until(known.tasks), |s| {
        // A newer backup by other means makes the failure history.
        let failed = facts.failed.is_some_and(|ended| !g.last_backup.is_set() || g.last_backup <= ended);
        Finding::plain(failed.then_some(Level::Warning).and_then(|l| s.admit(l)))
    });
    condition(sink, settings, Check::BackupUnverified, until(known.backups), |s| {
        let days = facts.unverified.map_or(0.0, |made| view.days_since(made));
        Finding::graded(s.grade_high(days).filter(|_| facts.unverified.is_some()), days, s.warning.unwrap_or(0.0))
    });
    condition(sink, settings, Check::SnapshotAge, until(known.snapshots), |s| {
        let days = facts.oldest_snapshot.map_or(0.0, |made| view.days_since(made));
        Finding::graded(s.grade_high(days).filter(|_| facts.oldest_snapshot.is_some()), days, s.warning.unwrap_or(0.0))
    });
}

fn node(n: &Node, settings: &Settings, view: &View, at: Look, sink: &mut impl Sink) {
    let offline = n.status == "offline" || n.connection_health == "error";
    let online = n.status == "online";
    condition(sink, settings, Check::Connectivity, None, |s| {
        if !offline && !online {
            return Finding::Unknown(Doubt::NoFigure);
        }
        let found = Finding::plain(offline.then_some(Level::Critical).and_then(|l| s.admit(l)));
        // While the connection fails the poller has counted already: it shows nodes offline after three failures.
        if at.instance.reachable { found } else { found.confirmed() }
    });
    let doubt =
        if !at.instance.reachable { Some(Doubt::Unreachable) } else { (offline || !online).then_some(Doubt::NodeDown) };
    let no_memory = n.memory.total <= 0 || is_unknown(&n.memory_source);
    let missing = |missing: bool| doubt.or(missing.then_some(Doubt::NoFigure));
    metric(sink, settings, Check::Cpu, doubt, n.cpu * 100.0);
    metric(sink, settings, Check::Memory, missing(no_memory), n.memory.usage);
    metric(sink, settings, Check::Disk, missing(n.disk.total <= 0), n.disk.usage);
    let tasks_unknown = (!at.instance.known.tasks).then_some(Doubt::NotFetched);
    condition(sink, settings, Check::BackupFailed, tasks_unknown, |s| {
        let failed = view.backups.failed_job(at.number, &n.name).is_some();
        Finding::plain(failed.then_some(Level::Warning).and_then(|l| s.admit(l)))
    });
    condition(sink, settings, Check::Certificate, missing(n.certificate_expiry.is_none()), |s| {
        let expiry = n.certificate_expiry.unwrap_or_default();
        let days = (expiry.unix_secs() - view.now.unix_secs()) as f64 / DAY_SECS;
        Finding::graded(s.grade_low(days), days, s.warning.unwrap_or(0.0))
    });
    condition(sink, settings, Check::Reboot, missing(n.reboot_pending.is_none()), |s| {
        Finding::plain(n.reboot_pending.and_then(|yes| yes.then_some(Level::Warning)).and_then(|l| s.admit(l)))
    });
    condition(sink, settings, Check::Updates, missing(n.updates_pending.is_none()), |s| {
        let pending = n.updates_pending.unwrap_or(0) as f64;
        Finding::graded(s.grade_high(pending), pending, s.warning.unwrap_or(0.0))
    });
    condition(sink, settings, Check::Service, doubt, |s| {
        let failed = n.failed_services.len() as f64;
        let level = (failed > 0.0).then_some(Level::Warning).and_then(|l| s.admit(l));
        Finding::graded(level, failed, 1.0)
    });
}

fn storage(st: &Storage, settings: &Settings, view: &View, at: Look, sink: &mut impl Sink) {
    let down = if !at.instance.reachable {
        Some(Doubt::Unreachable)
    } else {
        view.is_down(at.number, &st.node).then_some(Doubt::NodeDown)
    };
    if !st.enabled && down.is_none() {
        sink.take(Check::Usage, Finding::Moot(Why::NotWatched));
        sink.take(Check::Offline, Finding::Moot(Why::NotWatched));
        return;
    }
    let no_figure = !st.active || st.total <= 0;
    metric(sink, settings, Check::Usage, down.or(no_figure.then_some(Doubt::NoFigure)), st.usage);
    condition(sink, settings, Check::Offline, down, |s| {
        let offline = matches!(st.status.as_str(), "inactive" | "offline" | "unavailable");
        Finding::plain(offline.then_some(Level::Warning).and_then(|l| s.admit(l)))
    });
}

fn pbs(p: &PbsInstance, settings: &Settings, at: Look, sink: &mut impl Sink) {
    let offline = p.status == "offline";
    condition(sink, settings, Check::Offline, None, |s| {
        if !offline && p.status != "online" {
            return Finding::Unknown(Doubt::NoFigure);
        }
        let found = Finding::plain(offline.then_some(Level::Critical).and_then(|l| s.admit(l)));
        if at.instance.reachable { found } else { found.confirmed() }
    });
    let doubt = (offline || !at.instance.reachable).then_some(Doubt::Unreachable);
    metric(sink, settings, Check::Cpu, doubt, p.cpu);
    metric(sink, settings, Check::Memory, doubt.or((p.memory_total <= 0).then_some(Doubt::NoFigure)), p.memory);
}

fn datastore(p: &PbsInstance, d: &Datastore, settings: &Settings, view: &View, at: Look, sink: &mut impl Sink) {
    let doubt = (p.status == "offline" || !at.instance.reachable).then_some(Doubt::Unreachable);
    let healthy = d.status.is_empty() || d.status == "available";
    let no_figure = d.total <= 0 || !healthy;
    metric(sink, settings, Check::Usage, doubt.or(no_figure.then_some(Doubt::NoFigure)), d.usage);
    condition(sink, settings, Check::Offline, doubt, |s| {
        // Maintenance is somebody's intention.
        let broken = !healthy && d.status != "maintenance";
        Finding::plain(broken.then_some(Level::Warning).and_then(|l| s.admit(l)))
    });
    let not_fetched = (!at.instance.known.backups).then_some(Doubt::NotFetched);
    condition(sink, settings, Check::VerifyFailed, doubt.or(not_fetched), |s| {
        let broken = f64::from(view.backups.broken(at.number, &d.name));
        let level = (broken > 0.0).then_some(Level::Critical).and_then(|l| s.admit(l));
        Finding::graded(level, broken, 1.0)
    });
}

fn quorum(c: &Cluster, s: &Condition) -> Finding {
    Finding::plain((!c.quorate).then_some(Level::Critical).and_then(|l| s.admit(l)))
}

fn pool(z: &ZfsPool, s: &Condition) -> Finding {
    let level = match z.health.as_str() {
        "ONLINE" => None,
        "DEGRADED" => Some(Level::Warning),
        "" | "-" | "UNKNOWN" => return Finding::Unknown(Doubt::NoFigure),
        _ => Some(Level::Critical),
    };
    Finding::plain(level.and_then(|l| s.admit(l)))
}

fn disk(d: &PhysicalDisk, settings: &Settings, at: Look, sink: &mut impl Sink) {
    let doubt = (!at.instance.reachable).then_some(Doubt::Unreachable);
    condition(sink, settings, Check::Smart, doubt, |s| match d.health.as_str() {
        "PASSED" | "OK" => Finding::plain(None),
        "" | "UNKNOWN" => Finding::Unknown(Doubt::NoFigure),
        health if health.starts_with("FAIL") => Finding::plain(s.admit(Level::Critical)),
        _ => Finding::Unknown(Doubt::NoFigure),
    });
    let doubt = doubt.or(d.wearout.is_none().then_some(Doubt::NoFigure));
    condition(sink, settings, Check::Wearout, doubt, |s| {
        let left = d.wearout.unwrap_or(100.0);
        Finding::graded(s.grade_low(left), left, s.warning.unwrap_or(0.0))
    });
}

fn ceph(health: &str, s: &Condition) -> Finding {
    let level = match health {
        "HEALTH_OK" => None,
        "HEALTH_WARN" => Some(Level::Warning),
        "HEALTH_ERR" => Some(Level::Critical),
        _ => return Finding::Unknown(Doubt::NoFigure),
    };
    Finding::plain(level.and_then(|l| s.admit(l)))
}

fn replication(j: &ReplicationJob, s: &Condition) -> Finding {
    if !j.enabled {
        return Finding::Moot(Why::NotWatched);
    }
    let failures = j.fail_count.max(i64::from(!j.error.is_empty())) as f64;
    Finding::graded(s.grade_high(failures), failures, s.warning.unwrap_or(0.0))
}
