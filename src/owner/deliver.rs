//! Between the notifications and everything else: what the alert engine decided goes into the queue, attempts go to
//! threads of their own, outcomes come back, the queue's file goes to the disk.

use super::{After, Answer, Core, Task};
use crate::alerts::Outgoing;
use crate::config::{Change, DataFile};
use crate::http::Response;
use crate::json::json;
use crate::model::Alert;
use crate::notify::settings::Settings;
use crate::notify::{Job, Message, Notifier};
use crossbeam_channel::bounded;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// What waits to be delivered, and what was.
pub const NOTIFY_QUEUE: DataFile = DataFile::plain("notify-queue");

/// How long the end of the process waits for the disk.
const LAST_WRITE: Duration = Duration::from_secs(2);

impl Core {
    /// Starts with the contents of `email.enc`, `webhooks.enc` and `notify-queue`. A document that cannot be read is
    /// reported, and its channels stay silent until it is repaired.
    pub fn open_notifications(&mut self, email: Option<&[u8]>, webhooks: Option<&[u8]>, queue: Option<&[u8]>) {
        let mut settings = Settings::default();
        let read = [
            (crate::config::EMAIL, email.map(|b| settings.set_email_file(b))),
            (crate::config::WEBHOOKS, webhooks.map(|b| settings.set_webhooks_file(b))),
        ];
        for (file, outcome) in read {
            if let Some(Err(e)) = outcome {
                log::error!("failed to read {}: {e}", file.name);
                self.config.problems.insert(file.name, e);
            }
        }
        self.notify = Notifier::new(Arc::new(settings), queue, self.now);
    }

    /// Tells people and machines what the alert engine decided. The engine remembers on disk that they were told only
    /// after the queue is durable: a crash between the two repeats a decision, which the queue knows, and loses none.
    pub fn tell(&mut self, decided: Vec<Outgoing>) {
        if decided.is_empty() {
            return;
        }
        for out in decided {
            self.notify.enqueue(Message::decided(out), self.now);
        }
        self.deliver();
        if self.notify.is_safe() {
            // All of it was known from before the start.
            self.alerts.messages_are_safe(self.now);
        }
    }

    /// Tells receivers that keep incidents that somebody took charge of an alert.
    pub fn tell_acknowledged(&mut self, alert: &Alert) {
        self.notify.enqueue(Message::acknowledged(alert.clone(), self.now.wall), self.now);
        self.deliver();
    }

    /// Makes the attempts that are due and saves the queue; each second, and whenever something changed.
    pub fn deliver(&mut self) {
        self.save_queue();
        self.attempt_due();
    }

    fn attempt_due(&mut self) {
        for job in self.notify.due(self.now) {
            self.attempt(job);
        }
        if self.notify.heartbeat_due(self.now) {
            let summary = self.summary();
            let job = self.notify.heartbeat(summary, self.now);
            self.attempt(job);
        }
    }

    fn attempt(&mut self, job: Job) {
        let name = job.name();
        let work = move || {
            let outcome = job.run();
            After::Continue(Box::new(move |core: &mut Core| {
                core.notify.done(outcome, core.now);
                core.deliver();
                Answer::Now(Response::text(200, ""))
            }))
        };
        self.jobs.submit_long(Task { name, work: Box::new(work) });
    }

    fn save_queue(&mut self) {
        let Some(bytes) = self.notify.unsaved(self.now) else { return };
        let answer = self.save(NOTIFY_QUEUE, Some(bytes), |core, outcome| {
            if core.notify.saved(outcome.as_ref().map_err(String::as_str).copied(), core.now) {
                core.alerts.messages_are_safe(core.now);
            }
            core.attempt_due();
            Answer::Now(Response::text(200, ""))
        });
        self.finish(answer, None);
    }

    /// At the end of the process: what was delivered last is written down, so that nobody hears it again after the start.
    /// Waits for the disk.
    pub fn save_queue_finally(&mut self) {
        let Some(bytes) = self.notify.unsaved_finally() else { return };
        let (done, written) = bounded(1);
        let change = Change { file: NOTIFY_QUEUE, content: Some(bytes), turn: None };
        let told = self.config.writer.write(vec![change], Box::new(move |outcome| drop(done.send(outcome))));
        if told.is_ok()
            && let Ok(Err(e)) = written.recv_timeout(LAST_WRITE)
        {
            log::error!("{e}");
        }
    }

    /// The state in a few figures, for the heartbeat.
    fn summary(&self) -> Value {
        let s = &self.state;
        let running = s.guests().filter(|g| g.is_running()).count();
        let critical = s.active_alerts.iter().filter(|a| a.level == "critical").count();
        let down: Vec<&str> = s.nodes.iter().filter(|n| n.status != "online").map(|n| n.name.as_str()).collect();
        let status = match (critical, s.active_alerts.len()) {
            (0, 0) => "ok",
            (0, _) => "warning",
            _ => "critical",
        };
        json!({
            "status": status,
            "timestamp": self.now.wall,
            "msg": format!("{} of {} nodes online, {} active alerts", s.nodes.len() - down.len(), s.nodes.len(), s.active_alerts.len()),
            "version": crate::update::VERSION,
            "uptime": self.uptime_secs(),
            "nodes": { "total": s.nodes.len(), "online": s.nodes.len() - down.len(), "down": down },
            "guests": { "total": s.vms.len() + s.containers.len(), "running": running },
            "pbs": { "total": s.pbs.len(), "online": s.pbs.iter().filter(|p| p.status == "online").count() },
            "alerts": { "total": s.active_alerts.len(), "critical": critical },
        })
    }

    /// `email.enc` or `webhooks.enc` was changed from outside or by an import.
    pub(super) fn channels_changed(&mut self, file: DataFile, bytes: &[u8]) {
        let mut settings = (**self.notify.settings()).clone();
        let read = if file == crate::config::EMAIL {
            settings.set_email_file(bytes)
        } else {
            settings.set_webhooks_file(bytes)
        };
        match read {
            Ok(()) => self.notify.replace_settings(Arc::new(settings), self.now),
            Err(e) => {
                log::warn!("failed to read {}: {e}; the running values stay", file.name);
                self.config.problems.insert(file.name, e);
            }
        }
    }
}
