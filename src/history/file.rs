//! The folder in which history lies, and the steps of one flush. The owner makes a [`Flush`] as a value; a job performs
//! it. Files are only ever appended to and deleted whole:
//!
//! - `names`: frames of names, one for each subject;
//! - `past`: marks of what Proxmox recorded and is complete, see [`super::past`];
//! - `1m-<n>`: rows; `5m-<n>`, `30m-<n>`, `4h-<n>`: blocks. `n` counts spans of [`Tier::file_slots`] slots since 1970.

use super::tier::Tier;
use crate::order::Set;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub const NAMES: &str = "names";
pub const PAST: &str = "past";

/// One folder of append-only files. Names are single components.
pub trait Storage: Send + Sync {
    /// The files there are.
    fn names(&self) -> io::Result<Vec<String>>;
    /// 0 when there is no such file.
    fn length(&self, name: &str) -> io::Result<u64>;
    /// Bytes from `at` on; fewer when the file ends before.
    fn read(&self, name: &str, at: u64, bytes: usize) -> io::Result<Vec<u8>>;
    /// Appends, creating the file if need be; gives where the bytes begin. Not durable before `sync`.
    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<u64>;
    /// What was appended survives a power cut after this.
    fn sync(&self, name: &str) -> io::Result<()>;
    /// New files survive a power cut after this (and their own `sync`).
    fn sync_folder(&self) -> io::Result<()>;
    /// No error when there is no such file.
    fn remove(&self, name: &str) -> io::Result<()>;
}

/// The file a slot of a tier lies in.
pub fn file_of(tier: Tier, slot: u32) -> String {
    format!("{}-{}", prefix(tier), slot / tier.file_slots())
}

/// The tier of a file and one past its last slot.
pub fn parse_name(name: &str) -> Option<(Tier, u32)> {
    let (before, number) = name.split_once('-')?;
    let tier = Tier::ALL.into_iter().find(|t| prefix(*t) == before)?;
    let number: u32 = number.parse().ok()?;
    let end = number.checked_add(1)?.checked_mul(tier.file_slots())?;
    (file_of(tier, end - 1) == name).then_some((tier, end))
}

fn prefix(tier: Tier) -> &'static str {
    match tier {
        Tier::Minute => "1m",
        Tier::FiveMinutes => "5m",
        Tier::HalfHour => "30m",
        Tier::FourHours => "4h",
    }
}

/// One thing to append, and by which number the owner knows it.
#[derive(Debug, Clone)]
pub struct Append {
    pub ticket: u64,
    pub file: String,
    pub frame: Arc<[u8]>,
}

/// What one flush does: names first, so that no row is on disk whose subjects are unknown.
#[derive(Debug, Default)]
pub struct Flush {
    pub names: Vec<u8>,
    pub appends: Vec<Append>,
    /// Files that must survive a power cut from now on.
    pub sync: Set<String>,
    /// Frames that say what is complete; written when all that they speak of is synced.
    pub marks: Vec<u8>,
    /// Files whose time has passed.
    pub remove: Vec<String>,
}

/// What came of a flush.
#[derive(Debug, Default)]
pub struct Flushed {
    pub names_written: bool,
    /// Tickets of what was appended, and where it begins.
    pub placed: Vec<(u64, u64)>,
    pub synced: Set<String>,
    pub marks_written: bool,
    pub failure: Option<String>,
}

impl Flush {
    /// Bytes it appends.
    pub fn bytes(&self) -> usize {
        self.names.len() + self.marks.len() + self.appends.iter().map(|a| a.frame.len()).sum::<usize>()
    }

    /// Performs the steps in order and stops at the first that fails; what is left undone comes with the next flush.
    pub fn perform(&self, storage: &dyn Storage) -> Flushed {
        let mut done = Flushed::default();
        if let Err(e) = self.steps(storage, &mut done) {
            done.failure = Some(format!("failed to write history: {e}"));
        }
        done
    }

    fn steps(&self, storage: &dyn Storage, done: &mut Flushed) -> io::Result<()> {
        if !self.names.is_empty() {
            storage.append(NAMES, &self.names)?;
            storage.sync(NAMES)?;
            storage.sync_folder()?;
        }
        done.names_written = true;
        for append in &self.appends {
            let at = storage.append(&append.file, &append.frame)?;
            done.placed.push((append.ticket, at));
        }
        for file in &self.sync {
            storage.sync(file)?;
            done.synced.insert(file.clone());
        }
        if !self.sync.is_empty() {
            storage.sync_folder()?;
        }
        if !self.marks.is_empty() {
            storage.append(PAST, &self.marks)?;
            storage.sync(PAST)?;
            storage.sync_folder()?;
        }
        done.marks_written = true;
        for file in &self.remove {
            storage.remove(file)?;
        }
        Ok(())
    }
}

/// A real folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Opens a folder, creating it with mode 0700 when there is none.
    pub fn open(path: &Path) -> io::Result<Folder> {
        if !path.is_dir() {
            fs::create_dir_all(path)?;
            fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
        }
        Ok(Folder { path: path.to_owned() })
    }
}

impl Storage for Folder {
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.extend(entry.file_name().into_string());
            }
        }
        Ok(names)
    }

    fn length(&self, name: &str) -> io::Result<u64> {
        match fs::metadata(self.path.join(name)) {
            Ok(m) => Ok(m.len()),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(0),
            Err(e) => Err(e),
        }
    }

    fn read(&self, name: &str, at: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let file = File::open(self.path.join(name))?;
        let left = file.metadata()?.len().saturating_sub(at);
        let mut out = vec![0; usize::try_from(left).unwrap_or(usize::MAX).min(bytes)];
        match file.read_exact_at(&mut out, at) {
            Ok(()) => Ok(out),
            Err(_) => {
                // Shorter than it was a moment ago: take what is there.
                let mut file = file;
                out.clear();
                file.seek(SeekFrom::Start(at))?;
                file.take(bytes as u64).read_to_end(&mut out)?;
                Ok(out)
            }
        }
    }

    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<u64> {
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(self.path.join(name))?;
        let at = file.metadata()?.len();
        file.write_all(bytes)?;
        Ok(at)
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        match File::open(self.path.join(name)) {
            Ok(file) => file.sync_data(),
            // Deleted because its time had passed.
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            Err(e) => Err(e),
        }
    }

    fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path.join(name)) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }
}
