//! The data directory: which files it has (contract rest.md 7.1), how each is read and replaced, and when nothing may
//! be written. Every method blocks on the disk; only the start, the command line and the writer's thread call them.

use super::durable::{Folder, Stamp, Storage, durable_write};
use super::sealed::{self, Key};
use super::{Environment, staged};
use std::path::Path;

/// One file of the data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataFile {
    pub name: &'static str,
    /// Encrypted with the directory's key.
    pub sealed: bool,
    /// A JSON document of which the previous version is kept beside it, for when the present one cannot be read.
    pub keeps_previous: bool,
}

const fn document(name: &'static str, sealed: bool) -> DataFile {
    DataFile { name, sealed, keeps_previous: true }
}

pub const NODES: DataFile = document("nodes.enc", true);
pub const EMAIL: DataFile = document("email.enc", true);
pub const WEBHOOKS: DataFile = document("webhooks.enc", true);
pub const SYSTEM: DataFile = document("system.json", false);
pub const ALERTS: DataFile = document("alerts.json", false);
pub const GUEST_METADATA: DataFile = document("guest_metadata.json", false);
/// Where figures are pushed to and long histories are read from. An administrator's: the program only reads it.
pub const METRICS: DataFile = document("metrics.json", false);
/// Never falls back to an older version, which would bring old credentials back to life.
pub const ENV: DataFile = DataFile { name: ".env", sealed: false, keeps_previous: false };

/// The flag of recovery mode (contract rest.md 2.4): an administrator may make or remove it by hand.
pub const RECOVERY: DataFile = DataFile::plain(".auth_recovery");

/// The files whose change from outside takes effect while the program runs.
pub const WATCHED: [DataFile; 9] = [ENV, SYSTEM, NODES, ALERTS, EMAIL, WEBHOOKS, GUEST_METADATA, METRICS, RECOVERY];

pub const KEY_FILE: &str = ".encryption.key";
/// Where 4.9 looks for a key when the data directory has none.
pub const OLD_KEY_PATH: &str = "/etc/pulse/.encryption.key";
const OLD_WEBHOOKS: &str = "webhooks.json";

impl DataFile {
    /// A file of another room: no encryption, no previous version.
    pub const fn plain(name: &'static str) -> DataFile {
        DataFile { name, sealed: false, keeps_previous: false }
    }
    fn previous(&self) -> String {
        format!("{}.prev", self.name)
    }
    fn aside(&self) -> String {
        format!("{}.broken", self.name)
    }
}

/// What a document is after reading: the value, and what an administrator must know about the file.
#[derive(Debug)]
pub struct Loaded<T> {
    pub value: Option<T>,
    pub problem: Option<String>,
}

/// The open directory.
pub struct DataDir {
    storage: Box<dyn Storage>,
    /// The key, or why sealed files can be neither read nor written.
    key: Result<Key, String>,
    notes: Vec<String>,
}

impl DataDir {
    /// Opens the directory that this process owns, creating it and its key when it is new, and finishing what a
    /// stopped process left undone. The error is fit for the administrator.
    pub fn open(path: &Path) -> Result<DataDir, String> {
        let folder = open_folder(path)?;
        let elsewhere = Path::new(OLD_KEY_PATH);
        let old_key = (!elsewhere.starts_with(path)).then(|| std::fs::read(elsewhere).ok()).flatten();
        DataDir::over(Box::new(folder), old_key)
    }

    /// Opens a directory that a running server may own: nothing of it is touched until something is written.
    pub fn open_beside(path: &Path) -> Result<DataDir, String> {
        if !path.is_dir() {
            return Err(format!(
                "failed to open the data directory {}: no such folder (PULSE_DATA_DIR names it)",
                path.display()
            ));
        }
        let folder = open_folder(path)?;
        let key = match folder.read(KEY_FILE) {
            Ok(Some(text)) => Key::parse(&text).map_err(|e| format!("failed to read {KEY_FILE}: {e}")),
            Ok(None) => Err(format!("{KEY_FILE} is missing")),
            Err(e) => Err(format!("failed to read {KEY_FILE}: {e}")),
        };
        Ok(DataDir { storage: Box::new(folder), key, notes: Vec::new() })
    }

    /// The same as `open` over any storage. `old_key` is a key file at 4.9's older place.
    pub fn over(mut storage: Box<dyn Storage>, old_key: Option<Vec<u8>>) -> Result<DataDir, String> {
        let mut notes = Vec::new();
        if staged::recover(storage.as_mut())? {
            notes.push("an interrupted import was finished".to_owned());
        }
        staged::sweep(storage.as_mut());
        let key = find_key(storage.as_mut(), old_key, &mut notes);
        if let Err(why) = &key {
            notes.push(format!("{why}; connections, mail and webhooks can be neither read nor changed"));
        }
        let mut dir = DataDir { storage, key, notes };
        dir.migrate_webhooks();
        Ok(dir)
    }

    /// There is neither a key nor anything that needs one: 4.9 and this program have never run here.
    pub fn is_new(&self) -> bool {
        let names = WATCHED.iter().filter(|f| f.sealed).map(|f| f.name).chain([KEY_FILE]);
        names.into_iter().all(|name| self.storage.stamp(name).is_none())
    }

    /// What happened while opening, for the log.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Why sealed files are out of reach, if they are.
    pub fn locked(&self) -> Option<&str> {
        self.key.as_ref().err().map(String::as_str)
    }

    /// The content of a file, unsealed; `None` when there is no such file.
    pub fn read(&self, file: DataFile) -> Result<Option<Vec<u8>>, String> {
        self.read_name(file, file.name)
    }

    fn read_name(&self, file: DataFile, name: &str) -> Result<Option<Vec<u8>>, String> {
        let bytes = self.storage.read(name).map_err(|e| format!("failed to read {name}: {e}"))?;
        match bytes {
            Some(bytes) if file.sealed => {
                self.unseal(&bytes).map(Some).map_err(|e| format!("failed to open {name}: {e}"))
            }
            other => Ok(other),
        }
    }

    /// 4.9 writes these files in clear when it can make no key, so plain JSON counts too.
    fn unseal(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        if is_plain_json(bytes) {
            return Ok(bytes.to_vec());
        }
        sealed::open(self.key.as_ref().map_err(Clone::clone)?, bytes)
    }

    /// Reads a document. When the file cannot be read or parsed the previous version stands in for it; a file that is
    /// missing is just that (deleting one is how administrators reset it).
    pub fn load<T>(&self, file: DataFile, parse: impl Fn(&[u8]) -> Result<T, String>) -> Loaded<T> {
        let attempt = |name: &str| {
            let bytes = self.read_name(file, name)?;
            bytes.map(|b| parse(&b).map_err(|e| format!("failed to read {name}: {e}"))).transpose()
        };
        let why = match attempt(file.name) {
            Ok(value) => return Loaded { value, problem: None },
            Err(why) => why,
        };
        match if file.keeps_previous { attempt(&file.previous()) } else { Ok(None) } {
            Ok(Some(value)) => Loaded {
                value: Some(value),
                problem: Some(format!("{why}; using its previous version {}", file.previous())),
            },
            _ => Loaded { value: None, problem: Some(why) },
        }
    }

    /// Replaces a file durably, or removes it with `None`. Nothing that cannot be read is ever overwritten: a broken
    /// document is moved aside, and a sealed file that does not open is left alone unless its previous version does.
    pub fn write(&mut self, file: DataFile, content: Option<&[u8]>) -> Result<(), String> {
        self.finish_import()?;
        let failed = |e: std::io::Error| format!("failed to write {}: {e}", file.name);
        let bytes = content.map(|plain| self.sealed_form(file, plain)).transpose()?;
        let present = self.storage.read(file.name).map_err(failed)?;
        if let (Some(present), true) = (&present, file.keeps_previous) {
            if !file.sealed && bytes.as_ref() == Some(present) {
                return Ok(());
            }
            self.keep(file, present)?;
        }
        match bytes {
            Some(bytes) => durable_write(self.storage.as_mut(), file.name, &bytes).map_err(failed),
            None => {
                self.storage.remove(file.name).map_err(failed)?;
                self.storage.sync_folder(file.name).map_err(failed)
            }
        }
    }

    /// Replaces several files so that after any crash either all are new or all are old.
    pub fn write_all(&mut self, changes: &[(DataFile, Vec<u8>)]) -> Result<(), String> {
        self.finish_import()?;
        let mut sealed = Vec::new();
        for (file, plain) in changes {
            sealed.push((file.name, self.sealed_form(*file, plain)?));
        }
        for (file, _) in changes {
            let present = self.storage.read(file.name).map_err(|e| format!("failed to read {}: {e}", file.name))?;
            if let (Some(present), true) = (present, file.keeps_previous) {
                self.keep(*file, &present)?;
            }
        }
        staged::write_all(self.storage.as_mut(), &sealed).map_err(|e| format!("failed to write the files: {e}"))
    }

    /// An import that a failing disk interrupted comes first: its files would else overwrite newer ones later.
    fn finish_import(&mut self) -> Result<(), String> {
        if staged::is_unfinished(self.storage.as_ref()) {
            staged::recover(self.storage.as_mut()).map(|_| ())
        } else {
            Ok(())
        }
    }

    pub fn stamp(&self, file: DataFile) -> Option<Stamp> {
        self.storage.stamp(file.name)
    }

    fn sealed_form(&self, file: DataFile, plain: &[u8]) -> Result<Vec<u8>, String> {
        if !file.sealed {
            return Ok(plain.to_vec());
        }
        let key = self.key.as_ref().map_err(|why| format!("failed to write {}: {why}", file.name))?;
        sealed::seal(key, plain).map_err(|e| format!("failed to seal {}: {e}", file.name))
    }

    /// Saves what is about to be replaced: a good version as `….prev`, a broken one as `….broken`.
    fn keep(&mut self, file: DataFile, present: &[u8]) -> Result<(), String> {
        let readable = |bytes: &[u8]| {
            let plain = if file.sealed { self.unseal(bytes).ok() } else { Some(bytes.to_vec()) };
            plain.is_some_and(|plain| serde_json::from_slice::<serde::de::IgnoredAny>(&plain).is_ok())
        };
        let failed = |e: std::io::Error| format!("failed to keep the present {}: {e}", file.name);
        if readable(present) {
            return durable_write(self.storage.as_mut(), &file.previous(), present).map_err(failed);
        }
        let stand_in = self.storage.read(&file.previous()).map_err(failed)?.is_some_and(|b| readable(&b));
        if file.sealed && !stand_in {
            return Err(format!(
                "failed to write {0}: the present {0} does not open with {KEY_FILE}; restore the right key, or move {0} away",
                file.name
            ));
        }
        if self.storage.read(&file.aside()).map_err(failed)?.is_none() {
            durable_write(self.storage.as_mut(), &file.aside(), present).map_err(failed)?;
        }
        Ok(())
    }

    /// Versions before 4.x kept webhooks in clear.
    fn migrate_webhooks(&mut self) {
        let Ok(Some(old)) = self.storage.read(OLD_WEBHOOKS) else { return };
        if self.storage.stamp(WEBHOOKS.name).is_some() || !is_plain_json(&old) {
            return;
        }
        let moved = self.write(WEBHOOKS, Some(&old)).and_then(|()| {
            let to = format!("{OLD_WEBHOOKS}.backup");
            self.storage.rename(OLD_WEBHOOKS, &to).map_err(|e| format!("failed to rename {OLD_WEBHOOKS}: {e}"))
        });
        self.notes.push(match moved {
            Ok(()) => format!("{OLD_WEBHOOKS} was moved into {}", WEBHOOKS.name),
            Err(e) => e,
        });
    }

    /// `<data>/.env` and `./.env`, read into the layers of an environment.
    pub fn read_env(&self, env: &mut Environment) -> Result<(), String> {
        let text = self.read(ENV)?.unwrap_or_default();
        env.data = super::EnvFile::parse(&String::from_utf8_lossy(&text), &env.process);
        Ok(())
    }
}

fn open_folder(path: &Path) -> Result<Folder, String> {
    Folder::open(path)
        .map_err(|e| format!("failed to open the data directory {}: {e} (PULSE_DATA_DIR names it)", path.display()))
}

fn is_plain_json(bytes: &[u8]) -> bool {
    let first = bytes.iter().find(|b| !b.is_ascii_whitespace());
    matches!(first, Some(b'{' | b'[')) && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

/// The directory's key. A new one is made only for a directory that has nothing sealed: 4.9 replaced a key it could not
/// read and thereby lost every credential.
fn find_key(storage: &mut dyn Storage, old_key: Option<Vec<u8>>, notes: &mut Vec<String>) -> Result<Key, String> {
    match storage.read(KEY_FILE) {
        Ok(Some(text)) => return Key::parse(&text).map_err(|e| format!("failed to read {KEY_FILE}: {e}")),
        Ok(None) => {}
        Err(e) => return Err(format!("failed to read {KEY_FILE}: {e}")),
    }
    let mut sealed_files = Vec::new();
    for file in WATCHED.iter().filter(|f| f.sealed) {
        match storage.read(file.name) {
            Ok(Some(bytes)) if !is_plain_json(&bytes) => sealed_files.push((file.name, bytes)),
            Ok(_) => {}
            Err(e) => return Err(format!("failed to read {}: {e}", file.name)),
        }
    }
    let opens_all = |key: &Key| sealed_files.iter().all(|(_, bytes)| sealed::open(key, bytes).is_ok());
    let old = old_key.and_then(|text| Key::parse(&text).ok()).filter(opens_all);
    let key = match (old, sealed_files.first()) {
        (Some(key), _) => {
            notes.push(format!("{KEY_FILE} was copied from {OLD_KEY_PATH}"));
            key
        }
        (None, Some((name, _))) => return Err(format!("{KEY_FILE} is missing and {name} needs it")),
        (None, None) => Key::random()?,
    };
    durable_write(storage, KEY_FILE, key.to_text().as_bytes())
        .map_err(|e| format!("failed to write {KEY_FILE}: {e}"))?;
    Ok(key)
}
