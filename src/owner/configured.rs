//! Changing the configuration: each change goes to the disk first and comes into force when it is durable; then what
//! depends on it is told, at once and in the one live state.

use super::pollers::target;
use super::{After, Answer, Core, Event, Key, Saved, Task};
use crate::config::{
    ALERTS, Change, ClusterEndpoint, DataFile, EMAIL, ENV, Effect, GuestMetadata, Live, METRICS, Nodes, Outside,
    RECOVERY, Refused, Settings, System, Turn, WEBHOOKS, transfer::Parts,
};
use crate::http::{Response, socket};
use crate::poll::{Endpoint, Report};
use crate::{alerts, notify};
use crossbeam_channel::Sender;
use std::sync::Arc;

impl Core {
    /// Replaces (or with `None` removes) a file of another room; `then` runs when that is durable.
    pub fn save(
        &mut self,
        file: DataFile,
        content: Option<Vec<u8>>,
        then: impl FnOnce(&mut Core, Result<(), String>) -> Answer + Send + 'static,
    ) -> Answer {
        let env = (file == ENV).then(|| content.clone().unwrap_or_default());
        let change = Change { file, content, turn: None };
        let saved = move |core: &mut Core, outcome: Result<(), String>| {
            if let (Some(bytes), Ok(())) = (env, &outcome) {
                core.config.wrote_env(&bytes);
            }
            then(core, outcome)
        };
        Answer::Save(vec![change], Box::new(saved))
    }

    /// Changes system.json and the settings that follow from it.
    pub fn save_system(&mut self, next: System, then: Saved) -> Answer {
        let next = Arc::new(next);
        let change = self.config.stage_system(&next);
        let turn = change.turn;
        let saved = move |core: &mut Core, outcome: Result<(), String>| {
            if core.config.system.settle(turn, Some(next), outcome.is_ok()) {
                core.join_settings();
            }
            then(core, outcome)
        };
        Answer::Save(vec![change], Box::new(saved))
    }

    /// Changes the connections; they are polled, or no longer polled, at once.
    pub fn save_nodes(&mut self, next: Nodes, then: Saved) -> Answer {
        let next = Arc::new(next);
        let change = self.config.stage_nodes(&next);
        let turn = change.turn;
        let saved = move |core: &mut Core, outcome: Result<(), String>| {
            if core.config.nodes.settle(turn, Some(next), outcome.is_ok()) {
                core.nodes_changed();
            }
            then(core, outcome)
        };
        Answer::Save(vec![change], Box::new(saved))
    }

    /// Changes what people attached to guests.
    pub fn save_guests(&mut self, next: GuestMetadata, then: Saved) -> Answer {
        let next = Arc::new(next);
        let change = self.config.stage_guests(&next);
        let turn = change.turn;
        let saved = move |core: &mut Core, outcome: Result<(), String>| {
            core.config.guests.settle(turn, Some(next), outcome.is_ok());
            then(core, outcome)
        };
        Answer::Save(vec![change], Box::new(saved))
    }

    /// Puts an import that was checked in force: all of its parts or none.
    pub fn import(&mut self, parts: Parts, then: Saved) -> Answer {
        let documents = parts.documents();
        let mut changes: Vec<Change> = documents
            .iter()
            .map(|(file, bytes)| Change { file: *file, content: Some(bytes.clone()), turn: None })
            .collect();
        let staged = Staged {
            nodes: parts.nodes.map(Arc::new),
            system: parts.system.map(Arc::new),
            guests: parts.guests.map(|guests| {
                let mut merged = GuestMetadata::clone(self.config.guests.latest());
                merged.merge(guests);
                Arc::new(merged)
            }),
        };
        let turns = staged.stage(&mut self.config, &mut changes);
        let saved = move |core: &mut Core, outcome: Result<(), String>| {
            staged.settle(core, &turns, outcome.is_ok());
            if outcome.is_ok() {
                for (file, bytes) in &documents {
                    core.document_changed(*file, bytes);
                }
            }
            then(core, outcome)
        };
        Answer::Save(changes, Box::new(saved))
    }

    /// Queues a change; its outcome comes back as an event.
    pub(super) fn save_and_finish(&mut self, changes: Vec<Change>, then: Saved, reply: Option<Sender<Response>>) {
        let (events, names) = (self.jobs.events(), names(&changes));
        let done = Box::new(move |outcome: Result<(), String>| {
            if let Err(e) = &outcome {
                log::error!("failed to save {names}: {e}");
            }
            // The owner is gone only while the process ends.
            let _ = events.send(Event::Done(Box::new(move |core: &mut Core| then(core, outcome)), reply));
        });
        if let Err(Refused { done, why }) = self.config.writer.write(changes, done) {
            // Sending an event may wait for this very thread, so another one does it.
            let refuse = move || {
                done(Err(why.to_owned()));
                After::Reply(Response::error(503, why))
            };
            self.jobs.submit(Task { name: "refuse a change", work: Box::new(refuse) }, None);
        }
    }

    /// A file of the data directory was changed by somebody else.
    pub fn changed_outside(&mut self, outside: Outside) {
        let name = outside.file.name;
        if outside.file == RECOVERY {
            return self.recovery_changed(outside.content);
        }
        match self.config.outside(outside) {
            Effect::None => return,
            Effect::Settings(before) => self.settings_changed(&before),
            Effect::Nodes => self.nodes_changed(),
            Effect::Guests => {}
            Effect::Document(file, bytes) => self.document_changed(file, &bytes),
        }
        log::info!("{name} was changed from outside and is in force now");
    }

    /// The settings that follow from system.json as it now is.
    fn join_settings(&mut self) {
        let system = self.config.system.get().clone();
        match self.config.settings_with(&system) {
            Ok(settings) => {
                if let Effect::Settings(before) = self.config.put_settings(settings) {
                    self.settings_changed(&before);
                }
            }
            Err(e) => log::error!("failed to apply system.json: {e}"),
        }
    }

    /// The settings are others than before: what depends on them follows at once.
    pub fn settings_changed(&mut self, before: &Settings) {
        let now = self.config.settings.clone();
        if now.log_level != before.log_level {
            log::set_max_level(now.log_level);
        }
        if now.auth != before.auth {
            self.doors.configure(&now.auth);
            self.tend_doors();
        }
        let looking = |s: &Settings| (s.discovery_enabled, s.discovery_subnet.clone(), s.mock);
        if looking(&now) != looking(before) {
            self.discovery.restart(self.now);
        }
        let timing = |s: &Settings| (s.pve_polling, s.pbs_polling, s.connection_timeout);
        if timing(&now) != timing(before) {
            self.nodes_changed();
        }
    }

    /// A document of another room was changed from outside, or by an import.
    pub fn document_changed(&mut self, file: DataFile, bytes: &[u8]) {
        debug_assert!([ALERTS, EMAIL, WEBHOOKS, METRICS].contains(&file));
        if file == ALERTS {
            self.alerts_changed_outside(bytes);
        } else if file == METRICS {
            self.exports_changed(bytes);
        } else {
            self.channels_changed(file, bytes);
        }
    }

    /// A poll found other members of a cluster than are stored. What is polled does not change by that.
    pub(super) fn note_members(&mut self, report: &Report) {
        let Some(found) = &report.endpoints else { return };
        let endpoint = |e: &Endpoint| ClusterEndpoint {
            node_id: format!("node/{}", e.node),
            node_name: e.node.clone(),
            host: e.node.clone(),
            ip: e.ip.clone(),
            online: e.online,
            last_seen: report.at.wall,
        };
        let members: Vec<ClusterEndpoint> = found.iter().map(endpoint).collect();
        let name = report.live.cluster.as_ref().map(|c| c.name.clone()).unwrap_or_default();
        let Some(next) = self.config.nodes.latest().with_members(&report.instance, &name, &members) else { return };
        let next = Arc::new(next);
        let change = self.config.stage_nodes(&next);
        let turn = change.turn;
        let saved = move |core: &mut Core, outcome: Result<(), String>| {
            core.config.nodes.settle(turn, Some(next), outcome.is_ok());
            Response::error(204, "").into()
        };
        self.finish(Answer::Save(vec![change], Box::new(saved)), None);
    }

    /// Tells every WebSocket client of something that is not part of the state.
    pub fn announce(&mut self, kind: &str, data: &serde_json::Value) {
        self.hub.broadcast_event(&socket::message(kind, data, None));
    }

    /// The connections are others than before: what is no longer configured is forgotten, pollers start and stop.
    pub fn nodes_changed(&mut self) {
        let wanted: Vec<Key> = self.config.nodes.get().usable().map(|n| (n.kind, n.name.clone())).collect();
        let gone = self.connections.expect(&wanted);
        self.forget(&gone);
        self.expect_alerts_of(&wanted);
        let settings = self.config.settings.clone();
        let nodes = self.config.nodes.get().clone();
        // A stage that does not exist is complete.
        let past = |n: &crate::config::Node| if settings.backfill { self.history.past_of(&n.name) } else { usize::MAX };
        self.pollers.follow(if settings.mock {
            Vec::new()
        } else {
            nodes.usable().map(|n| target(n, &settings, past(n))).collect()
        });
    }
}

/// The documents of an import that build on what is there.
struct Staged {
    nodes: Option<Arc<Nodes>>,
    system: Option<Arc<System>>,
    guests: Option<Arc<GuestMetadata>>,
}

/// The turns of nodes, system and guests.
type Turns = [Option<Turn>; 3];

impl Staged {
    fn stage(&self, config: &mut Live, changes: &mut Vec<Change>) -> Turns {
        let staged = [
            self.nodes.as_ref().map(|nodes| config.stage_nodes(nodes)),
            self.system.as_ref().map(|system| config.stage_system(system)),
            self.guests.as_ref().map(|guests| config.stage_guests(guests)),
        ];
        let turns = staged.each_ref().map(|change| change.as_ref().and_then(|c| c.turn));
        changes.extend(staged.into_iter().flatten());
        turns
    }

    fn settle(self, core: &mut Core, turns: &Turns, durable: bool) {
        let [nodes, system, guests] = *turns;
        core.config.guests.settle(guests, self.guests, durable);
        if core.config.system.settle(system, self.system, durable) {
            core.join_settings();
        }
        if core.config.nodes.settle(nodes, self.nodes, durable) {
            core.nodes_changed();
        }
    }
}

/// Whether the rooms can read their documents of an import.
pub fn check_documents(parts: &Parts) -> Result<(), String> {
    let failed = |e: String| format!("failed to unmarshal import data: {e}");
    let mut mail_and_hooks = notify::settings::Settings::default();
    for (file, bytes) in parts.documents() {
        let read = match file {
            ALERTS => alerts::Config::from_file(&bytes, "UTC").map(drop),
            EMAIL => mail_and_hooks.set_email_file(&bytes),
            WEBHOOKS => mail_and_hooks.set_webhooks_file(&bytes),
            _ => Ok(()),
        };
        read.map_err(|e| failed(format!("{}: {e}", file.name)))?;
    }
    Ok(())
}

fn names(changes: &[Change]) -> String {
    changes.iter().map(|c| c.file.name).collect::<Vec<_>>().join(", ")
}
