//! Everything that decides who may come in, in one value that lives in the owner. Changes of credentials arrive here
//! after they are durable; what has to be written to disk is handed out as bytes.

use super::audit::{Entry, Log, Outcome};
use super::credentials::Credentials;
use super::digest::{Hash, random_hex};
use super::limits::Limits;
use super::lockout::{Attempts, Lockout};
use super::peer::counted;
use super::recovery::Recovery;
use super::sessions::{Sessions, Ticket};
use super::tokens::{Scope, Tokens};
use crate::config::{AuthSettings, DataDir, DataFile, RECOVERY, Secret, Settings};
use crate::http::Call;
use crate::model::Now;
use crate::order::Map;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

pub const SESSIONS: DataFile = DataFile::plain("sessions.json");
pub const TOKENS: DataFile = DataFile::plain("api_tokens.json");

/// A Basic password that was right need not be compared again for this long: the comparison costs a quarter of a second.
const REMEMBER_MS: u64 = 60_000;
const MOST_REMEMBERED: usize = 64;
/// Sessions whose change is not urgent are written this often.
const SWEEP_MS: u64 = 60_000;

/// What the data directory has for this room; `None`: no such file.
#[derive(Debug, Default)]
pub struct Files {
    pub sessions: Option<Vec<u8>>,
    pub tokens: Option<Vec<u8>>,
    pub recovery: Option<Vec<u8>>,
}

impl Files {
    /// Reads them; blocks, at start. Tokens that cannot be read could mean starting without a credential: an error.
    pub fn read(dir: &DataDir) -> Result<Files, String> {
        let or_none = |file: DataFile| {
            dir.read(file).unwrap_or_else(|e| {
                log::warn!("{e}");
                None
            })
        };
        Ok(Files { sessions: or_none(SESSIONS), tokens: dir.read(TOKENS)?, recovery: or_none(RECOVERY) })
    }
}

/// See the module.
#[derive(Default)]
pub struct Doors {
    pub credentials: Credentials,
    pub tokens: Tokens,
    pub sessions: Sessions,
    pub lockout: Lockout,
    pub limits: Limits<&'static str>,
    pub recovery: Recovery,
    pub audit: Log,
    /// What `credentials` were made of.
    configured: AuthSettings,
    /// Allows the first set-up from anywhere; shown in the log of an instance without credentials.
    bootstrap: Option<Secret>,
    /// Digests of user and password with the time they count until.
    remembered: Map<Hash, u64>,
    /// Comparisons under way, so that equal ones share one.
    comparing: Map<Hash, Arc<OnceLock<bool>>>,
    key: String,
    /// The plain password was handed out to be hashed.
    hashing: bool,
    /// A change of credentials is on its way to the disk.
    changing: bool,
    swept_ms: u64,
    told_of_proxy: bool,
    lost_entries: u64,
}

impl Doors {
    /// The room as it stands at start. The texts are for the log.
    pub fn open(settings: &Settings, files: &Files, audit: Log, now: Now) -> Result<(Doors, Vec<String>), String> {
        let mut remarks = Vec::new();
        let mut doors = Doors { audit, key: random_hex(32)?, configured: settings.auth.clone(), ..Doors::default() };
        doors.credentials = Credentials::of(&settings.auth);
        remarks.extend(token_remark(&settings.auth));
        if doors.credentials.has_some_account() && !doors.credentials.has_account() {
            remarks.push("nobody can log in: PULSE_AUTH_USER and PULSE_AUTH_PASS are needed both".to_owned());
        }
        if let Some(bytes) = &files.tokens {
            // Starting without the tokens could mean starting without any credential at all.
            doors.tokens = Tokens::load(bytes).map_err(|e| format!("failed to read {}: {e}", TOKENS.name))?;
        }
        if let Some(bytes) = &files.sessions {
            match Sessions::load(bytes, &settings.auth.user, now) {
                Ok(sessions) => doors.sessions = sessions,
                Err(e) => remarks.push(format!("{} is ignored, everybody has to log in: {e}", SESSIONS.name)),
            }
        }
        doors.recovery = Recovery::load(files.recovery.as_deref(), now);
        if doors.recovery.is_on(now) {
            remarks.push("recovery mode is on: requests from this machine need no credentials for an hour".to_owned());
        }
        if doors.is_unclaimed(settings) && !settings.auth.disabled {
            doors.bootstrap = Some(Secret::new(random_hex(8)?));
        }
        Ok((doors, remarks))
    }

    /// No credential of any kind: whoever comes first sets Pulse up.
    pub fn is_unclaimed(&self, settings: &Settings) -> bool {
        !self.credentials.has_some_account() && !self.has_token() && !settings.has_credentials()
    }

    /// Some API token exists.
    pub fn has_token(&self) -> bool {
        self.credentials.has_token() || !self.tokens.is_empty()
    }

    /// A token but neither account nor proxy: reading is open, changing takes the token (contract rest.md 2.5).
    pub fn is_token_only(&self, settings: &Settings) -> bool {
        self.has_token() && !self.credentials.has_some_account() && settings.auth.proxy.is_none()
    }

    /// The code that allows the first set-up from anywhere, to be shown on the console once; only while unclaimed.
    pub fn bootstrap(&self) -> Option<&Secret> {
        self.bootstrap.as_ref()
    }

    pub fn is_bootstrap(&self, given: &str) -> bool {
        self.bootstrap.as_ref().is_some_and(|code| super::digest::same_secret(given.trim(), code.expose()))
    }

    /// The settings changed: other credentials count at once, and end what the old ones opened.
    pub fn configure(&mut self, auth: &AuthSettings) {
        if *auth == self.configured {
            return;
        }
        let account = |a: &AuthSettings| (a.user.clone(), a.password.clone());
        if account(auth) != account(&self.configured) {
            self.account_changed();
        }
        self.credentials = Credentials::of(auth);
        self.hashing = false;
        self.configured = auth.clone();
        if self.credentials.has_some_account() || self.has_token() || auth.proxy.is_some() {
            self.bootstrap = None;
        }
    }

    /// Claims the one change of `.env` that may be under way; false: there is one already.
    pub fn begin_change(&mut self) -> bool {
        !std::mem::replace(&mut self.changing, true)
    }

    pub fn end_change(&mut self) {
        self.changing = false;
    }

    /// The named tokens changed and that is durable.
    pub fn set_tokens(&mut self, tokens: Tokens) {
        self.tokens = tokens;
        self.bootstrap = None;
    }

    fn account_changed(&mut self) {
        self.sessions.end_all();
        self.remembered.clear();
        self.comparing.clear();
    }

    /// The scopes a given token opens, and the name and id of it. The environment's token opens everything.
    pub fn token(&mut self, given: &str, now: Now) -> Option<Opened> {
        let hash = Hash::of(given);
        if self.credentials.is_token(&hash) {
            return Some(Opened { name: "API_TOKEN".to_owned(), id: String::new(), scopes: None });
        }
        let token = self.tokens.find(&hash, now)?;
        let opened = Opened { name: token.name.clone(), id: token.id.clone(), scopes: Some(token.scopes.clone()) };
        self.tokens.used(&hash, now);
        Some(opened)
    }

    /// A plain password that should be hashed now; asked again it says nothing until the credentials change.
    pub fn password_to_hash(&mut self) -> Option<Secret> {
        let plain = self.credentials.to_hash()?;
        (!std::mem::replace(&mut self.hashing, true)).then_some(plain)
    }

    pub fn password_hashed(&mut self, plain: &Secret, hash: Result<Secret, String>) {
        match hash {
            Ok(hash) => self.credentials.hashed(plain, hash),
            Err(e) => log::warn!("{e}; it is compared as it is"),
        }
    }

    pub fn digest(&self, user: &str, password: &str) -> Hash {
        Hash::of_parts(&[self.key.as_bytes(), user.as_bytes(), password.as_bytes()])
    }

    /// The password was right a short while ago.
    pub fn is_remembered(&self, digest: &Hash, now: Now) -> bool {
        self.remembered.get(digest).is_some_and(|end| now.mono_ms < *end)
    }

    pub fn remember(&mut self, digest: Hash, now: Now) {
        if self.remembered.len() >= MOST_REMEMBERED {
            self.remembered.retain(|_, end| now.mono_ms < *end);
        }
        if self.remembered.len() < MOST_REMEMBERED {
            self.remembered.insert(digest, now.mono_ms + REMEMBER_MS);
        }
    }

    /// The place where the comparison of this digest is or will be written; equal ones share it.
    pub fn comparison(&mut self, digest: Hash) -> Arc<OnceLock<bool>> {
        // Comparisons that found no room in the queue leave theirs behind.
        if self.comparing.len() >= MOST_REMEMBERED {
            self.comparing.clear();
        }
        self.comparing.entry(digest).or_default().clone()
    }

    pub fn compared(&mut self, digest: &Hash) {
        self.comparing.remove(digest);
    }

    /// How long a peer is locked out, in milliseconds.
    pub fn locked_ms(&self, peer: IpAddr, now: Now) -> Option<u64> {
        self.lockout.locked_ms(counted(peer), now.mono_ms)
    }

    pub fn login_failed(&mut self, peer: IpAddr, user: &str, now: Now) -> Attempts {
        self.lockout.failed(counted(peer), user, now.mono_ms)
    }

    pub fn login_succeeded(&mut self, peer: IpAddr) {
        self.lockout.succeeded(counted(peer));
    }

    pub fn begin_session(&mut self, user: &str, call: &Call, now: Now) -> Result<Ticket, String> {
        self.sessions.begin(user, call.header("user-agent").unwrap_or(""), &call.peer.to_string(), now)
    }

    /// Whether what authorised an open socket still does: its key, as `Known::key` gave it.
    pub fn still_open(&self, key: &str, settings: &Settings, now: Now) -> bool {
        match key.split_once(':') {
            Some(("session", hash)) => Hash::parse(hash).is_some_and(|h| self.sessions.user_of(&h, now).is_some()),
            Some(("token", id)) => self.tokens.is_live(id, now),
            Some(("main", hash)) => Hash::parse(hash).is_some_and(|h| self.credentials.token_hash() == Some(&h)),
            Some(("account", digest)) => Hash::parse(digest).is_some_and(|d| d == self.account_digest()),
            Some(("proxy", _)) => settings.auth.proxy.is_some(),
            Some(("recovery", _)) => self.recovery.is_on(now),
            // Nothing was needed: only while still nothing is.
            _ => settings.auth.disabled || self.is_unclaimed(settings) || self.is_token_only(settings),
        }
    }

    /// Changes with the account, without telling anything about it.
    pub fn account_digest(&self) -> Hash {
        self.digest(&self.configured.user, self.configured.password.expose())
    }

    /// Notes a security event.
    pub fn note(&mut self, entry: Entry) {
        if !self.audit.note(entry) {
            self.lost_entries += 1;
        }
    }

    /// Notes an event that a flood would repeat: once a minute for each peer.
    pub fn note_seldom(&mut self, entry: Entry, peer: IpAddr, now: Now) {
        let once = super::limits::Rate::per_minute(1);
        if self.limits.take(entry.action, counted(peer), once, now.mono_ms).is_ok() {
            self.note(entry);
        }
    }

    /// Entries that found no room on their way to the disk.
    pub fn lost_entries(&self) -> u64 {
        self.lost_entries
    }

    /// True once: a request came through a proxy that is not among the trusted ones, so its clients cannot be told apart.
    pub fn first_unknown_proxy(&mut self) -> bool {
        !std::mem::replace(&mut self.told_of_proxy, true)
    }

    /// Once a second: what ran out goes. The files to write (`None` removes one).
    pub fn tick(&mut self, now: Now) -> Vec<(DataFile, Option<Vec<u8>>)> {
        let mut files = Vec::new();
        if self.recovery.ran_out(now) {
            files.push((RECOVERY, None));
        }
        if now.mono_ms >= self.swept_ms + SWEEP_MS {
            self.swept_ms = now.mono_ms;
            self.sessions.sweep(now);
            self.lockout.sweep(now.mono_ms);
            self.limits.sweep(now.mono_ms);
            self.remembered.retain(|_, end| now.mono_ms < *end);
            if let Some(bytes) = self.tokens.take_used() {
                files.push((TOKENS, Some(bytes)));
            }
        }
        if let Some(bytes) = self.sessions.take_changed() {
            files.push((SESSIONS, Some(bytes)));
        }
        files
    }
}

/// What a token opens; `scopes: None` is everything.
pub struct Opened {
    pub name: String,
    pub id: String,
    scopes: Option<Vec<Scope>>,
}

impl Opened {
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.as_ref().is_none_or(|list| list.contains(&scope))
    }
}

/// An entry of the audit log about a call.
pub fn entry(action: &'static str, call: &Call, actor: &str, outcome: Outcome, details: &str, now: Now) -> Entry {
    Entry {
        time: now.wall,
        actor: if actor.is_empty() { "anonymous".to_owned() } else { actor.to_owned() },
        peer: call.peer.to_string(),
        action,
        target: call.path.clone(),
        outcome,
        details: details.to_owned(),
    }
}

/// 4.9's documentation told people to use 64 hex digits, which 4.9 then took for a hash.
fn token_remark(auth: &AuthSettings) -> Option<String> {
    Hash::parse(auth.api_token.expose())?;
    Some(
        "API_TOKEN has 64 hex digits and is taken for the SHA3-256 hash of the token; if it is the token itself, choose \
         one of another length"
            .to_owned(),
    )
}
