//! What is remembered of each guest of a connection, and what is asked next about it.

use super::ask::What;
use crate::model::{GuestSnapshot, Now, Time};
use crate::poll::cadence::{millis, pause_ms};
use crate::poll::derive::backup;
use crate::poll::derive::guest::{Detail, Seen, Sort};
use crate::poll::derive::memory::Meminfo;
use crate::poll::hold::{Held, expire, held};
use crate::proxmox::Error;
use crate::proxmox::pve::{AgentFilesystem, GuestStatus, SnapshotItem};
use std::collections::BTreeMap;

/// Figures that change quickly are not shown longer than this.
const FRESH_MS: u64 = 5 * 60 * 1000;
/// From this age on the page is told how old a figure is.
const OLD_MS: u64 = 5 * 60 * 1000;
/// A memory figure of this age is asked for before everything else.
const LAST_MS: u64 = 200_000;
const LAST: f64 = f64::INFINITY;
const NEVER: f64 = f64::MAX;
/// Between two looks at the status of a VM whose agent tells its memory.
const IDLE_STATUS_MS: u64 = 10 * 60 * 1000;
/// A guest agent that failed gets this much peace, after the first failure (it may just be starting) and later.
const AGENT_PAUSE_MS: u64 = 60_000;
const AGENT_PAUSE_MAX_MS: u64 = 10 * 60 * 1000;
/// A guest without `/proc/meminfo` will not grow one.
const NO_MEMINFO_MS: u64 = 6 * 60 * 60 * 1000;
/// Its agent may be starting, or busy.
const MEMINFO_PAUSE_MS: u64 = 5 * 60 * 1000;
/// Snapshots and file systems of one guest that are remembered.
const SNAPSHOTS_MAX: usize = 500;
const FILESYSTEMS_MAX: usize = 256;
/// Guests of one connection that are remembered.
const GUESTS_MAX: usize = 20_000;

/// One guest.
pub(super) struct Kept {
    pub seen: Seen,
    /// When a list showed it.
    pub listed: Time,
    status: Option<Held<GuestStatus>>,
    meminfo: Option<Held<Meminfo>>,
    filesystems: Option<Held<Vec<AgentFilesystem>>>,
    /// Why the file systems are not known; empty when nothing failed.
    disk_status: String,
    addresses: Option<Held<Vec<String>>>,
    os: Option<Held<String>>,
    /// It starts with its node; `None` when that is not known, or not said.
    pub onboot: Option<bool>,
    snapshots: Option<Held<Vec<SnapshotItem>>>,
    /// What was asked, and when it is due again.
    due_ms: Vec<(What, u64)>,
    agent_failures: u32,
    agent_rest_until_ms: u64,
}

impl Kept {
    fn new(seen: Seen, now: Now) -> Kept {
        Kept {
            seen,
            listed: now.wall,
            status: None,
            meminfo: None,
            filesystems: None,
            disk_status: String::new(),
            addresses: None,
            os: None,
            onboot: None,
            snapshots: None,
            due_ms: Vec::new(),
            agent_failures: 0,
            agent_rest_until_ms: 0,
        }
    }

    /// Takes in what a list shows now. PVE knows little of the guests of an offline node: what it leaves out stays.
    fn listed(&mut self, fresh: Seen, now: Now) {
        let before = std::mem::replace(&mut self.seen, fresh);
        let seen = &mut self.seen;
        if seen.template.is_none() {
            seen.template = before.template;
        }
        if seen.name.is_empty() {
            seen.name = before.name;
            seen.tags = if seen.tags.is_empty() { before.tags } else { std::mem::take(&mut seen.tags) };
        }
        for (value, old) in [(&mut seen.maxmem, before.maxmem), (&mut seen.maxdisk, before.maxdisk)] {
            if *value == 0 {
                *value = old;
            }
        }
        seen.ha_state = seen.ha_state.take().or(before.ha_state);
        seen.pool = seen.pool.take().or(before.pool);
        if seen.cpus <= 0.0 {
            seen.cpus = before.cpus;
        }
        self.listed = now.wall;
        // Started (again), or moved: everything about its inside may be different.
        if seen.is_running() && (seen.uptime < before.uptime || before.status != seen.status) {
            (self.agent_failures, self.agent_rest_until_ms) = (0, 0);
            self.disk_status.clear();
            self.meminfo = None;
            self.due_ms.retain(|(what, _)| matches!(what, What::Snapshots(_)));
        }
    }

    /// What may be asked about it now, each with how overdue that is: 1 is just due, `NEVER` was never asked, `LAST`
    /// is about to be too old for a memory figure, which must not change its source with each cycle.
    pub fn wants(&self, mono_ms: u64, rules: Rules) -> impl Iterator<Item = (What, f64)> {
        let (running, sort) = (self.seen.is_running(), self.seen.sort);
        let mut whats: Vec<What> = Vec::new();
        let watched = if sort == Sort::Qemu { rules.vms } else { rules.containers };
        match sort {
            Sort::Qemu if running && watched => {
                whats.push(What::Status);
                if self.agent_enabled(mono_ms) && mono_ms >= self.agent_rest_until_ms {
                    whats.extend([What::Filesystems, What::Interfaces, What::Os]);
                    if rules.meminfo {
                        whats.push(What::Meminfo);
                    }
                }
            }
            Sort::Lxc if running && watched => whats.push(What::ContainerInterfaces),
            _ => {}
        }
        if sort == Sort::Lxc && watched {
            whats.push(What::ContainerConfig);
        }
        if rules.snapshots {
            whats.push(What::Snapshots(sort));
        }
        let overdue = |what: What| {
            let Some((_, due)) = self.due_ms.iter().find(|(w, _)| *w == what) else { return NEVER };
            let late = 1.0 + (mono_ms as f64 - *due as f64) / self.period(what, mono_ms) as f64;
            if late >= 1.0 && self.age_in_use(what, mono_ms).is_some_and(|age| age >= LAST_MS) { LAST } else { late }
        };
        let wanted: Vec<(What, f64)> = whats.iter().map(|w| (*w, overdue(*w))).filter(|(_, o)| *o >= 1.0).collect();
        wanted.into_iter()
    }

    /// Milliseconds between two answers. Without an agent the status is all there is; beside one that tells the
    /// memory it says little new.
    fn period(&self, what: What, mono_ms: u64) -> u64 {
        match what {
            What::Status if !self.agent_enabled(mono_ms) => 60_000,
            What::Status if self.meminfo.is_some() && !self.is_ballooned() => IDLE_STATUS_MS,
            _ => millis(what.period()),
        }
    }

    /// The balloon decides the total.
    fn is_ballooned(&self) -> bool {
        let balloon = self.status.as_ref().and_then(|s| s.any().balloon);
        balloon.is_some_and(|b| b > 0 && b < self.seen.maxmem)
    }

    /// Age of an answer that the memory figure is made of at present.
    fn age_in_use(&self, what: What, mono_ms: u64) -> Option<u64> {
        let meminfo = self.meminfo.as_ref().map(|m| m.age_ms(mono_ms));
        match what {
            What::Meminfo => meminfo,
            What::Status if meminfo.is_none() || self.is_ballooned() => self.status.as_ref().map(|s| s.age_ms(mono_ms)),
            _ => None,
        }
        .filter(|age| *age <= FRESH_MS)
    }

    fn agent_enabled(&self, mono_ms: u64) -> bool {
        held(&self.status, mono_ms).is_some_and(|s| s.agent == Some(true))
    }

    fn next(&mut self, what: What, at_ms: u64) {
        match self.due_ms.iter_mut().find(|(w, _)| *w == what) {
            Some((_, due)) => *due = at_ms,
            None => self.due_ms.push((what, at_ms)),
        }
    }

    fn answered(&mut self, what: What, now: Now) {
        self.next(what, now.mono_ms + self.period(what, now.mono_ms));
        if what.is_agent() {
            self.agent_failures = 0;
        }
    }

    pub fn got_status(&mut self, status: GuestStatus, now: Now) {
        // PVE leaves the key out when the agent is not switched on.
        if status.agent != Some(true) {
            self.disk_status = "agent-disabled".to_owned();
        } else if self.disk_status == "agent-disabled" {
            self.disk_status.clear();
        }
        self.status = Some(Held::new(status, now));
        self.answered(What::Status, now);
    }
    pub fn got_filesystems(&mut self, mut all: Vec<AgentFilesystem>, now: Now) {
        all.truncate(FILESYSTEMS_MAX);
        self.disk_status.clear();
        self.filesystems = Some(Held::new(all, now));
        self.answered(What::Filesystems, now);
    }
    pub fn got_meminfo(&mut self, text: &str, now: Now) {
        self.answered(What::Meminfo, now);
        match Meminfo::parse(text) {
            Some(read) => self.meminfo = Some(Held::new(read, now)),
            None => self.next(What::Meminfo, now.mono_ms + NO_MEMINFO_MS),
        }
    }
    pub fn got_addresses(&mut self, what: What, addresses: Vec<String>, now: Now) {
        self.addresses = Some(Held::new(addresses, now));
        self.answered(what, now);
    }
    pub fn got_os(&mut self, what: What, os: Option<String>, now: Now) {
        if let Some(os) = os {
            self.os = Some(Held::new(os, now));
        }
        self.answered(what, now);
    }
    /// True when the list is another one than before.
    pub fn got_snapshots(&mut self, mut all: Vec<SnapshotItem>, now: Now) -> bool {
        all.truncate(SNAPSHOTS_MAX);
        let changed = held(&self.snapshots, now.mono_ms) != Some(&all);
        self.snapshots = Some(Held::new(all, now));
        self.answered(What::Snapshots(self.seen.sort), now);
        changed
    }

    /// An ask failed. Failures of the agent are everyday matters of the guest, not errors of the connection.
    pub fn failed(&mut self, what: What, error: &Error, privilege: &str, now: Now) {
        let refused = matches!(error, Error::Status(401 | 403 | 501, _));
        let pause = if refused { 30 * 60 * 1000 } else { pause_ms(1).max(millis(what.period())) };
        match what {
            // Systems without that file have their agent say so; the agent itself is well.
            What::Meminfo => {
                let hopeless = refused || says(error, "Agent error");
                self.next(what, now.mono_ms + if hopeless { NO_MEMINFO_MS } else { MEMINFO_PAUSE_MS });
                // What the balloon says is next best.
                self.next(What::Status, now.mono_ms);
                return;
            }
            What::Filesystems => self.disk_status = disk_status(error, privilege),
            _ => {}
        }
        self.next(what, now.mono_ms + pause);
        // Several questions of one cycle fail together: that is one failure.
        let resting = self.agent_rest_until_ms > now.mono_ms;
        if what.is_agent() && !refused && resting {
            self.next(what, self.agent_rest_until_ms);
        } else if what.is_agent() && !refused {
            let rest = AGENT_PAUSE_MS.saturating_mul(5u64.saturating_pow(self.agent_failures.min(4)));
            self.agent_rest_until_ms = now.mono_ms + rest.min(AGENT_PAUSE_MAX_MS);
            self.agent_failures = self.agent_failures.saturating_add(1);
            self.next(what, self.agent_rest_until_ms);
        }
    }

    /// What may be shown of it.
    pub fn detail(&self, mono_ms: u64, covered: Option<bool>) -> Detail<'_> {
        let filesystems = held(&self.filesystems, mono_ms);
        let age = self.filesystems.as_ref().filter(|_| filesystems.is_some()).map(|f| f.age_ms(mono_ms));
        Detail {
            status: self.status.as_ref().and_then(|s| s.within(mono_ms, FRESH_MS)),
            meminfo: self.meminfo.as_ref().and_then(|m| m.within(mono_ms, FRESH_MS)).copied(),
            filesystems: filesystems.map(Vec::as_slice),
            disk_status: (!self.disk_status.is_empty()).then_some(&self.disk_status),
            addresses: held(&self.addresses, mono_ms).map_or(&[], Vec::as_slice),
            os: held(&self.os, mono_ms).map(String::as_str),
            covered,
            age: age.filter(|a| self.seen.is_running() && *a > OLD_MS).map(|a| i64::try_from(a / 1000).unwrap_or(0)),
        }
    }

    /// Some snapshot of it holds its memory, too.
    pub fn keeps_memory(&self, mono_ms: u64) -> bool {
        held(&self.snapshots, mono_ms).is_some_and(|all| all.iter().any(|s| s.vmstate == Some(true)))
    }

    /// Its snapshots with the ids of where it is now.
    pub fn snapshots(&self, instance: &str, mono_ms: u64) -> Vec<GuestSnapshot> {
        let all = held(&self.snapshots, mono_ms).map_or(&[][..], Vec::as_slice);
        backup::snapshots(instance, &self.seen.node, self.seen.sort, self.seen.vmid, all)
    }
}

fn disk_status(error: &Error, privilege: &str) -> String {
    match error {
        Error::Status(401 | 403, _) => format!("no-permission:{privilege}"),
        Error::Timeout(_) => "agent-timeout".to_owned(),
        // PVE answers 500 whatever is the matter with an agent; which of its reasons it is stands only in words.
        Error::Status(500, _) if says(error, "timeout") => "agent-timeout".to_owned(),
        Error::Status(500, _) if !says(error, "Agent error") => "agent-not-running".to_owned(),
        _ => "agent-error".to_owned(),
    }
}

fn says(error: &Error, words: &str) -> bool {
    matches!(error, Error::Status(_, said) if said.contains(words))
}

/// What the connection as a whole wants to know of guests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub vms: bool,
    pub containers: bool,
    pub snapshots: bool,
    /// Reading files through the agent is permitted.
    pub meminfo: bool,
}

/// All guests of a connection, by VMID.
#[derive(Default)]
pub(super) struct Guests {
    all: BTreeMap<i64, Kept>,
}

impl Guests {
    /// Takes in a list. `complete` decides which known guests the list would have shown: those of them that it does
    /// not show are gone. Gives whether any guest came, went or moved.
    pub fn take(&mut self, list: Vec<Seen>, complete: impl Fn(&Seen) -> bool, now: Now) -> bool {
        let mut changed = false;
        let shown: std::collections::HashSet<i64> = list.iter().map(|s| s.vmid).collect();
        for seen in list {
            let room = self.all.len() < GUESTS_MAX;
            match self.all.get_mut(&seen.vmid) {
                // Replaced by one of the other sort under the same number.
                Some(kept) if kept.seen.sort != seen.sort => {
                    *kept = Kept::new(seen, now);
                    changed = true;
                }
                Some(kept) => {
                    changed |= kept.seen.node != seen.node;
                    kept.listed(seen, now);
                }
                None if room => {
                    self.all.insert(seen.vmid, Kept::new(seen, now));
                    changed = true;
                }
                None => {}
            }
        }
        let before = self.all.len();
        self.all.retain(|vmid, kept| shown.contains(vmid) || !complete(&kept.seen));
        changed || self.all.len() != before
    }

    pub fn get_mut(&mut self, vmid: i64) -> Option<&mut Kept> {
        self.all.get_mut(&vmid)
    }
    pub fn has(&self, vmid: i64) -> bool {
        self.all.contains_key(&vmid)
    }
    pub fn iter(&self) -> impl Iterator<Item = &Kept> {
        self.all.values()
    }
    pub fn len(&self) -> usize {
        self.all.len()
    }
    pub fn running_vms(&self) -> usize {
        self.all.values().filter(|k| k.seen.sort == Sort::Qemu && k.seen.is_running()).count()
    }
    #[cfg(test)]
    pub fn everything_is_due(&mut self) {
        for kept in self.all.values_mut() {
            kept.due_ms.clear();
            kept.agent_rest_until_ms = 0;
        }
    }
    /// Forgets snapshots that are too old to be shown; true when there were any.
    pub fn expire(&mut self, mono_ms: u64) -> bool {
        self.all.values_mut().fold(false, |any, kept| expire(&mut kept.snapshots, mono_ms) | any)
    }
    /// Every list that is not about these nodes' guests has their status unknown.
    pub fn unknown_on(&mut self, offline: impl Fn(&str) -> bool) {
        for kept in self.all.values_mut().filter(|k| offline(&k.seen.node)) {
            kept.seen.status = "unknown".to_owned();
        }
    }

    /// The most overdue questions first, those never asked before all others, at most `limit`.
    pub fn wants(&self, mono_ms: u64, rules: Rules, online: impl Fn(&str) -> bool, limit: usize) -> Vec<(i64, What)> {
        let mut all: Vec<(f64, i64, What)> = Vec::new();
        for (vmid, kept) in &self.all {
            if kept.seen.template != Some(true) && online(&kept.seen.node) {
                all.extend(kept.wants(mono_ms, rules).map(|(what, overdue)| (overdue, *vmid, what)));
            }
        }
        // Among what is equally overdue: the status first, since the rest depends on it.
        let rank = |what: &What| (!matches!(what, What::Status), matches!(what, What::Snapshots(_)));
        crate::order::sort_by(&mut all, |a, b| {
            b.0.total_cmp(&a.0).then(rank(&a.2).cmp(&rank(&b.2))).then(a.1.cmp(&b.1))
        });
        all.truncate(limit);
        all.into_iter().map(|(_, vmid, what)| (vmid, what)).collect()
    }
}
