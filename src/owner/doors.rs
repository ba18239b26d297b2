//! What the owner does for the doors by itself: writing sessions, hashing a plain password, closing sockets whose
//! authorisation has ended.

use super::{Answer, Core};
use crate::auth::audit::Log;
use crate::auth::credentials::bcrypt_hash;
use crate::auth::{Doors, Files};
use crate::config::{Change, DataFile};
use crate::http::Response;

impl Core {
    /// Sets the doors up with the settings in force; before the first request.
    pub fn open_doors(&mut self, files: &Files, audit: Log) -> Result<(), String> {
        let (doors, remarks) = Doors::open(&self.config.settings, files, audit, self.now)?;
        for remark in remarks {
            log::warn!("{remark}");
        }
        if let Some(code) = doors.bootstrap() {
            log::warn!(
                "Pulse has no credentials yet. Whoever opens the page from a private network sets it up; from elsewhere the \
                 code {} is needed",
                code.expose()
            );
        }
        self.doors = doors;
        self.tend_doors();
        Ok(())
    }

    /// Once a second, and after credentials changed.
    pub fn tend_doors(&mut self) {
        for (file, content) in self.doors.tick(self.now) {
            self.write_aside(file, content);
        }
        if let Some(plain) = self.doors.password_to_hash() {
            let given = plain.clone();
            let work = move || bcrypt_hash(given.expose());
            let answer = Answer::heavy_then("hash the password", work, move |core, hash| {
                core.doors.password_hashed(&plain, hash);
                done()
            });
            self.finish(answer, None);
        }
        self.close_ended_sockets();
    }

    /// Somebody made or removed the flag of recovery mode by hand. What cannot be read changes nothing.
    pub(super) fn recovery_changed(&mut self, content: Result<Option<Vec<u8>>, String>) {
        let content = match content {
            Ok(content) => content,
            Err(e) => return log::warn!("{e}"),
        };
        self.doors.recovery.follow(content.as_deref(), self.now);
        let state =
            if self.doors.recovery.is_on(self.now) { "on, for this machine and an hour at most" } else { "off" };
        log::warn!("recovery mode is {state}");
        self.close_ended_sockets();
    }

    /// Closes the sockets of sessions, tokens and passwords that no longer count.
    pub fn close_ended_sockets(&mut self) {
        let (doors, settings, now) = (&self.doors, &self.config.settings, self.now);
        self.hub.close_where(|key| !doors.still_open(key, settings, now));
    }

    /// Writes a file nobody waits for; a failure is in the log.
    pub fn write_aside(&mut self, file: DataFile, content: Option<Vec<u8>>) {
        let change = Change { file, content, turn: None };
        self.finish(Answer::Save(vec![change], Box::new(|_, _| done())), None);
    }
}

/// The answer nobody waits for.
fn done() -> Answer {
    Response::json(&crate::json::json!({})).into()
}
