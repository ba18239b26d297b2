//! What the owner does for the doors by itself: writing sessions, hashing a plain password, closing sockets whose
//! authorisation has ended.

use super::{Answer, Core};
use crate::auth::credentials::bcrypt_hash;
use crate::config::{Change, DataFile};
use crate::http::Response;

impl Core {
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
    Response::json(&serde_json::json!({})).into()
}
