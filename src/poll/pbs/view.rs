//! What is shown of a PBS: the complete view from everything that is remembered.

use super::PbsPoll;
use crate::model::{Datastore, Now, PbsBackup, PbsInstance};
use crate::poll::derive::ids;
use crate::poll::derive::pbs::{self as derive, JobKind, Store};
use crate::poll::hold::{Held, held};
use crate::poll::report::{Kind, Live, Report, Slow};
use crate::proxmox::pbs::DatastoreUsage;
use std::time::Duration;

impl PbsPoll {
    pub(super) fn report(&mut self, now: Now, took: Duration) -> Report {
        let failing = self.reach.is_failing();
        let instance = if failing { self.as_it_was(now) } else { self.as_it_is(now) };
        let mut statistics = self.ledger.statistics(now, false);
        statistics.endpoints = self.link.states();
        let before = self.backups.len();
        self.backups.retain(|place, b| {
            let shown = b.get(now.mono_ms).is_some();
            if !shown {
                self.aged.insert(place.clone());
            }
            shown
        });
        self.backups_changed |= self.backups.len() != before;
        let tell_backups = std::mem::take(&mut self.backups_changed);
        Report {
            instance: self.target.instance.clone(),
            kind: Kind::Pbs,
            at: now,
            took,
            reachable: !failing,
            offline: self.reach.is_offline(),
            failure: self.reach.failure().cloned(),
            live: Live { pbs: Some(instance), version: self.version.clone(), ..Live::default() },
            slow: Slow {
                pbs_backups: tell_backups.then(|| self.all_backups(now)),
                backups_aged: !self.aged.is_empty(),
                ..Slow::default()
            },
            statistics,
            past: None,
            endpoints: None,
        }
    }

    fn as_it_is(&mut self, now: Now) -> PbsInstance {
        let monitor = self.target.monitor;
        let mut made = PbsInstance {
            status: "online".to_owned(),
            // Contract state.md 1.5: only the datastores answered.
            version: self.version.as_ref().map_or_else(|| "connected".to_owned(), |v| v.version.clone()),
            datastores: monitor.datastores.then(|| self.datastores_now(now)).filter(|d| !d.is_empty()),
            sync_jobs: self.job_list(monitor.sync_jobs, JobKind::Sync, now),
            verify_jobs: self.job_list(monitor.verify_jobs, JobKind::Verify, now),
            prune_jobs: self.job_list(monitor.prune_jobs, JobKind::Prune, now),
            garbage_jobs: self.garbage_jobs(now),
            connection_health: "healthy".to_owned(),
            ..self.identity(now)
        };
        if let Some(status) = held(&self.status, now.mono_ms) {
            derive::server(&mut made, status);
        }
        self.last = Some(Held::new(made.clone(), now));
        made
    }

    /// It does not answer. At first it stays as it was; then it is offline, its datastores as last seen.
    fn as_it_was(&self, now: Now) -> PbsInstance {
        let before = held(&self.last, now.mono_ms);
        if let Some(before) = before
            && !self.reach.is_offline()
        {
            return before.clone();
        }
        PbsInstance {
            status: "offline".to_owned(),
            version: "unknown".to_owned(),
            datastores: before.and_then(|b| b.datastores.clone()),
            sync_jobs: before.and_then(|b| b.sync_jobs.clone()),
            verify_jobs: before.and_then(|b| b.verify_jobs.clone()),
            prune_jobs: before.and_then(|b| b.prune_jobs.clone()),
            garbage_jobs: before.and_then(|b| b.garbage_jobs.clone()),
            connection_health: "error".to_owned(),
            error: self.reach.failure().map(|f| f.message.clone()),
            ..self.identity(now)
        }
    }

    fn identity(&self, now: Now) -> PbsInstance {
        PbsInstance {
            id: ids::pbs(&self.target.instance),
            name: self.target.instance.clone(),
            host: self.target.access.base_url.clone(),
            last_seen: now.wall,
            ..PbsInstance::default()
        }
    }

    fn datastores_now(&self, now: Now) -> Vec<Datastore> {
        let ms = now.mono_ms;
        let make = |name: &String| {
            let status = self.store_status.get(name);
            let known = Store {
                usage: self.usage_of(name, ms),
                status: status.and_then(|s| held(&s.known, ms)),
                item: held(&self.datastores, ms).and_then(|all| all.iter().find(|d| d.store == *name)),
                garbage: held(&self.garbage, ms).and_then(|all| all.iter().find(|g| g.store == *name)),
                namespaces: self.namespaces.get(name).and_then(|n| n.get(ms)).map(Vec::as_slice),
                error: status.and_then(|s| s.error.as_deref()),
            };
            derive::datastore(name, &known)
        };
        self.stores().iter().map(make).collect()
    }

    /// What the list of all datastores' space said, unless a datastore that was asked apart knows better.
    fn usage_of(&self, name: &str, mono_ms: u64) -> Option<&DatastoreUsage> {
        if self.no_usage && self.store_status.get(name).is_some_and(|apart| apart.known.is_some()) {
            return None;
        }
        held(&self.usage, mono_ms)?.iter().find(|u| u.store == name)
    }

    fn all_backups(&self, now: Now) -> Vec<PbsBackup> {
        self.backups.values().filter_map(|b| b.get(now.mono_ms)).flatten().cloned().collect()
    }
}
