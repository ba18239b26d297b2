//! Alerts in the owner: reports and ticks lead to steps of the engine; what comes of a step goes to the state, the
//! clients, the disk and the notifications.

use super::{Answer, Core, Saved};
use crate::alerts::{Alerts, Config, Lists, Poll, Source, Step, Transition};
use crate::config::{ALERTS, Change};
use crate::http::socket;
use crate::json::json;
use crate::model::local_zone;
use crate::poll::{Kind, Report};
use std::path::Path;
use std::sync::Arc;

impl Core {
    /// Reads what a former process left. Blocks; for the start only.
    pub fn open_alerts(&mut self, config: Option<&[u8]>, data_dir: &Path) {
        let config =
            config.map_or_else(|| Ok(Config::fresh(zone_name())), |bytes| Config::from_file(bytes, zone_name()));
        let config = config.unwrap_or_else(|why| {
            let why = format!("failed to read {}: {why}", ALERTS.name);
            log::error!("{why}; the defaults are in force");
            self.config.problems.insert(ALERTS.name, why);
            Config::fresh(zone_name())
        });
        let (alerts, problems) = Alerts::open(config, data_dir, self.now);
        for problem in problems {
            log::error!("{problem}");
        }
        self.alerts = alerts;
        self.show_alerts();
    }

    /// A report is in the state: its connection was polled.
    pub(super) fn note_poll(&mut self, poll: &Polled) {
        let source = source(poll.kind, &poll.instance);
        if poll.replaced {
            self.alerts.engine.replaced(source);
        }
        self.alerts.engine.polled(&Poll { source, reachable: poll.reachable, brought: poll.brought });
        self.step_alerts();
    }

    /// Looks at what was polled, and at what time alone brings.
    pub fn step_alerts(&mut self) {
        let step = self.alerts.step(&self.state, self.now);
        self.act_on(step);
    }

    /// The connections that are configured; alerts of others end.
    pub(super) fn expect_alerts_of(&mut self, wanted: &[super::Key]) {
        let sources: Vec<Source> = wanted.iter().map(|(kind, name)| source(*kind, name)).collect();
        self.alerts.engine.expect(&sources, &self.state, self.now);
        self.step_alerts();
    }

    fn act_on(&mut self, step: Step) {
        if step.shown {
            self.show_alerts();
            self.publisher.touch(self.now);
        }
        for transition in &step.transitions {
            let frame = match transition {
                Transition::Raised(alert) | Transition::Escalated(alert, _) => socket::message("alert", alert, None),
                Transition::Resolved(end) => {
                    socket::message("alertResolved", &json!({ "alertId": end.alert.id }), None)
                }
                Transition::LevelChanged(_) | Transition::Acknowledged(_) | Transition::Unacknowledged(_) => continue,
            };
            self.hub.broadcast_event(&frame);
        }
        if !step.transitions.is_empty() {
            // Clients see the lists of this moment, not those of the last poll.
            self.publisher.urge();
        }
        for transition in &step.transitions {
            if let Transition::Acknowledged(alert) = transition {
                self.tell_acknowledged(alert);
            }
        }
        self.tell(step.outgoing);
    }

    fn show_alerts(&mut self) {
        self.state.active_alerts = self.alerts.engine.briefs();
        self.state.recently_resolved = self.alerts.engine.recent();
    }

    /// Changes the alert configuration: durable first, then in force.
    pub fn save_alerts(&mut self, next: Config, then: Saved) -> Answer {
        let next = Arc::new(next);
        let turn = self.alerts.config.stage(next.clone());
        let change = Change { file: ALERTS, content: Some(next.to_file()), turn: Some(turn) };
        let saved = move |core: &mut Core, outcome: Result<(), String>| {
            if core.alerts.config.settle(Some(turn), Some(next), outcome.is_ok()) {
                core.alerts.put_config_in_force();
            }
            then(core, outcome)
        };
        Answer::Save(vec![change], Box::new(saved))
    }

    /// `alerts.json` was changed by somebody else.
    pub(super) fn alerts_changed_outside(&mut self, bytes: &[u8]) {
        match Config::from_file(bytes, zone_name()) {
            Ok(config) => self.alerts.replace_config(config),
            Err(why) => log::warn!("failed to read {}: {why}; the running values stay", ALERTS.name),
        }
    }
}

/// What the engine must know of a report after it was applied.
pub(super) struct Polled {
    kind: Kind,
    instance: String,
    reachable: bool,
    /// A placeholder stands for all nodes.
    replaced: bool,
    brought: Lists,
}

impl Polled {
    pub fn of(report: &Report) -> Polled {
        let slow = &report.slow;
        let brought = Lists {
            tasks: slow.backup_tasks.is_some(),
            backups: slow.storage_backups.is_some() || slow.pbs_backups.is_some(),
            snapshots: slow.guest_snapshots.is_some(),
            replication: slow.replication.is_some(),
            ceph: slow.ceph.is_some(),
            zfs: slow.zfs_pools.is_some(),
            disks: slow.physical_disks.is_some(),
        };
        let placeholder = format!("{}-failed", report.instance);
        Polled {
            kind: report.kind,
            instance: report.instance.clone(),
            reachable: report.reachable,
            replaced: !report.reachable && report.live.nodes.iter().any(|n| n.id == placeholder),
            brought,
        }
    }
}

fn source(kind: Kind, name: &str) -> Source<'_> {
    match kind {
        Kind::Pve => Source::Pve(name),
        Kind::Pbs => Source::Pbs(name),
    }
}

/// The server's zone by its IANA name.
fn zone_name() -> &'static str {
    local_zone().iana_name().unwrap_or("UTC")
}
