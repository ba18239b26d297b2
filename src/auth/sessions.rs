//! Sessions of the page: who is logged in, until when. Only hashes of the cookies are kept, in memory and on disk.
//!
//! The file is 4.9's `sessions.json` (contract rest.md 7.4): an object by session id. 4.9 keeps ids in clear; such
//! entries are taken over once and written back hashed.

use super::digest::{Hash, random_hex};
use crate::model::{Now, Time};
use crate::order::{Map, Pairs};
use serde::{Deserialize, Serialize};

/// A session lasts this long from its login; it does not slide.
pub const LIFE_SECS: i64 = 24 * 3600;
/// Sessions at most; a further login ends the oldest.
const MOST_SESSIONS: usize = 1_000;
const MOST_AGENT: usize = 200;

/// What the browser is given: the values of both cookies.
#[derive(Clone)]
pub struct Ticket {
    pub id: String,
    pub csrf: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Session {
    #[serde(default)]
    user: String,
    expires_at: Time,
    created_at: Time,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    user_agent: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    ip: String,
    /// The entry's key is the hash of the cookie, not the cookie.
    #[serde(default)]
    hashed: bool,
}

#[derive(Debug, Default)]
pub struct Sessions {
    by_hash: Map<Hash, Session>,
    /// Something changed that the file does not have.
    dirty: bool,
}

impl Sessions {
    /// Takes over what the file has. Sessions of 4.9 name no user: they belong to the only one there is.
    pub fn load(bytes: &[u8], user: &str, now: Now) -> Result<Sessions, String> {
        let file: Map<String, serde_json::Value> = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        let mut sessions = Sessions::default();
        for (key, entry) in file {
            let Ok(mut session) = crate::json::from_value::<Session>(entry) else { continue };
            let hash = if session.hashed { Hash::parse(&key) } else { is_id(&key).then(|| Hash::of(&key)) };
            let Some(hash) = hash.filter(|_| session.expires_at > now.wall) else { continue };
            sessions.dirty |= !session.hashed;
            session.hashed = true;
            if session.user.is_empty() {
                user.clone_into(&mut session.user);
            }
            sessions.by_hash.insert(hash, session);
        }
        sessions.shrink();
        Ok(sessions)
    }

    /// The file's bytes when they changed since the last call.
    pub fn take_changed(&mut self) -> Option<Vec<u8>> {
        if !std::mem::take(&mut self.dirty) {
            return None;
        }
        let file: Map<String, &Session> = self.by_hash.iter().map(|(h, s)| (h.hex(), s)).mapped();
        serde_json::to_vec_pretty(&file).ok()
    }

    /// Starts a session.
    pub fn begin(&mut self, user: &str, agent: &str, ip: &str, now: Now) -> Result<Ticket, String> {
        let id = random_hex(32)?;
        let session = Session {
            user: user.to_owned(),
            expires_at: Time::from_unix(now.unix_secs() + LIFE_SECS),
            created_at: now.wall,
            user_agent: agent.chars().take(MOST_AGENT).collect(),
            ip: ip.to_owned(),
            hashed: true,
        };
        self.by_hash.insert(Hash::of(&id), session);
        self.shrink();
        self.dirty = true;
        Ok(Ticket { csrf: csrf(&id), id })
    }

    /// The user of a live session.
    pub fn user(&self, id: &str, now: Now) -> Option<&str> {
        if !is_id(id) { None } else { self.user_of(&Hash::of(id), now) }
    }

    /// The same by the hash of the cookie, for open sockets that are looked at again and again.
    pub fn user_of(&self, hash: &Hash, now: Now) -> Option<&str> {
        self.by_hash.get(hash).filter(|s| s.expires_at > now.wall).map(|s| s.user.as_str())
    }

    pub fn end(&mut self, id: &str) {
        self.dirty |= self.by_hash.remove(&Hash::of(id)).is_some();
    }

    /// Ends every session: the password or the user changed.
    pub fn end_all(&mut self) {
        self.dirty |= !self.by_hash.is_empty();
        self.by_hash.clear();
    }

    pub fn sweep(&mut self, now: Now) {
        let before = self.by_hash.len();
        self.by_hash.retain(|_, s| s.expires_at > now.wall);
        self.dirty |= self.by_hash.len() != before;
    }

    pub fn len(&self) -> usize {
        self.by_hash.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_hash.is_empty()
    }

    fn shrink(&mut self) {
        while self.by_hash.len() > MOST_SESSIONS {
            let Some(oldest) = self.by_hash.iter().min_by_key(|(_, s)| s.created_at).map(|(h, _)| *h) else { return };
            self.by_hash.remove(&oldest);
        }
    }
}

/// The CSRF token of a session. It follows from the session's id and cannot be turned back into it, so there is nothing
/// to store and it lives exactly as long. Hex: 4.9's page cuts a cookie at `=`.
pub fn csrf(id: &str) -> String {
    Hash::of_parts(&[b"pulse csrf", id.as_bytes()]).hex()
}

/// Whether a text can be a session id at all: 64 lower-case hex digits.
fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn now() -> Now {
        Now::simulated(1_755_000_000_000)
    }

    #[test]
    fn a_session_lives_a_day_and_survives_a_restart_without_its_cookie_on_disk() {
        let mut sessions = Sessions::default();
        let ticket = sessions.begin("admin", "curl", "10.0.0.1", now()).unwrap();
        let bytes = sessions.take_changed().unwrap();
        assert!(sessions.take_changed().is_none());
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(!text.contains(&ticket.id) && !text.contains(&ticket.csrf));
        let again = Sessions::load(&bytes, "other", now()).unwrap();
        assert_eq!(again.user(&ticket.id, now()), Some("admin"));
        let day = now().plus(Duration::from_secs(24 * 3600));
        assert_eq!(again.user(&ticket.id, day), None);
        assert!(Sessions::load(&bytes, "", day).unwrap().is_empty());
        let hash = text.split('"').nth(1).unwrap();
        assert_eq!(again.user(hash, now()), None, "the hash itself is no cookie");
    }

    #[test]
    fn sessions_of_4_9_stay_logged_in_and_are_hashed() {
        let id = "ab".repeat(32);
        let file = format!(
            r#"{{"{id}":{{"token":"{id}","expires_at":"2025-08-13T10:00:00.123456789+02:00","created_at":"2025-08-12T10:00:00Z","user_agent":"Mozilla","ip":"10.0.0.9"}}}}"#
        );
        let mut sessions = Sessions::load(file.as_bytes(), "admin", now()).unwrap();
        assert_eq!(sessions.user(&id, now()), Some("admin"));
        assert!(!String::from_utf8(sessions.take_changed().unwrap()).unwrap().contains(&id));
    }

    #[test]
    fn the_number_of_sessions_is_bounded_and_the_oldest_goes() {
        let mut sessions = Sessions::default();
        let first = sessions.begin("admin", "", "", now()).unwrap();
        for n in 1..=MOST_SESSIONS as u64 {
            sessions.begin("admin", "", "", now().plus(Duration::from_secs(n))).unwrap();
        }
        assert_eq!(sessions.len(), MOST_SESSIONS);
        assert_eq!(sessions.user(&first.id, now()), None);
    }

    #[test]
    fn nothing_odd_is_a_session() {
        let sessions = Sessions::default();
        for odd in ["", "a", "short", &"A".repeat(64), &"é".repeat(32), &"0".repeat(64)] {
            assert_eq!(sessions.user(odd, now()), None);
        }
        assert!(Sessions::load(b"[1]", "", now()).is_err());
        let token = csrf("x");
        assert!(token.len() == 64 && !token.contains('='));
    }
}
