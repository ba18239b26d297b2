//! Changing the configuration: each change goes to the disk first and comes into force when it is durable; then what
//! depends on it is told, at once and in the one live state.

use super::{After, Answer, Core, Event, Key, Saved, Task};
use crate::config::{
    ALERTS, Change, DataFile, EMAIL, ENV, Effect, GuestMetadata, Nodes, Outside, Refused, Settings, System, WEBHOOKS,
};
use crate::http::Response;
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
        let Some(turn) = change.turn else { return then(self, Err("the change has no turn".to_owned())) };
        let saved = move |core: &mut Core, outcome: Result<(), String>| {
            match &outcome {
                Ok(()) => {
                    core.config.system.commit(turn, next);
                    core.join_settings();
                }
                Err(_) => core.config.system.fail(turn),
            }
            then(core, outcome)
        };
        Answer::Save(vec![change], Box::new(saved))
    }

    /// Changes the connections; they are polled, or no longer polled, at once.
    pub fn save_nodes(&mut self, next: Nodes, then: Saved) -> Answer {
        let next = Arc::new(next);
        let change = self.config.stage_nodes(&next);
        let Some(turn) = change.turn else { return then(self, Err("the change has no turn".to_owned())) };
        let saved = move |core: &mut Core, outcome: Result<(), String>| {
            match &outcome {
                Ok(()) => {
                    core.config.nodes.commit(turn, next);
                    core.nodes_changed();
                }
                Err(_) => core.config.nodes.fail(turn),
            }
            then(core, outcome)
        };
        Answer::Save(vec![change], Box::new(saved))
    }

    /// Changes what people attached to guests.
    pub fn save_guests(&mut self, next: GuestMetadata, then: Saved) -> Answer {
        let next = Arc::new(next);
        let change = self.config.stage_guests(&next);
        let Some(turn) = change.turn else { return then(self, Err("the change has no turn".to_owned())) };
        let saved = move |core: &mut Core, outcome: Result<(), String>| {
            match &outcome {
                Ok(()) => core.config.guests.commit(turn, next),
                Err(_) => core.config.guests.fail(turn),
            }
            then(core, outcome)
        };
        Answer::Save(vec![change], Box::new(saved))
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
        let timing = |s: &Settings| (s.pve_polling, s.pbs_polling, s.connection_timeout);
        if timing(&now) != timing(before) {
            self.nodes_changed();
        }
    }

    /// A document of another room was changed from outside, or by an import.
    pub fn document_changed(&mut self, file: DataFile, bytes: &[u8]) {
        let _ = bytes;
        debug_assert!([ALERTS, EMAIL, WEBHOOKS].contains(&file));
    }

    /// The connections are others than before: what is no longer configured is forgotten, pollers start and stop.
    pub fn nodes_changed(&mut self) {
        let wanted: Vec<Key> = self.config.nodes.get().usable().map(|n| (n.kind, n.name.clone())).collect();
        let gone = self.connections.expect(&wanted);
        self.forget(&gone);
    }
}

fn names(changes: &[Change]) -> String {
    changes.iter().map(|c| c.file.name).collect::<Vec<_>>().join(", ")
}
