//! Writing a small file so that after a crash at any moment the whole old or the whole new content is there.
//! The steps are written against [`Storage`], so that a test can stop the machine between any two of them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// No file of the data directory comes near this; what does is not ours.
const MOST_BYTES: u64 = 64 << 20;

/// What a file looked like: changes when somebody writes or replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    modified_ns: i128,
    length: u64,
    inode: u64,
}

impl Stamp {
    pub fn new(modified_ns: i128, length: u64, inode: u64) -> Stamp {
        Stamp { modified_ns, length, inode }
    }
}

/// A folder of small files. Names are relative and may have one folder in front (`alerts/active-alerts.json`).
pub trait Storage: Send {
    /// The content; `None` when there is no such file.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;
    /// Creates or replaces a file with mode 0600. Not durable before `sync`.
    fn create(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// The content survives a crash after this.
    fn sync(&mut self, name: &str) -> io::Result<()>;
    /// Replaces `to` at once; which of both names exist survives a crash only after `sync_folder`.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;
    /// No error when there is no such file.
    fn remove(&mut self, name: &str) -> io::Result<()>;
    /// The names in the folder of `name` survive a crash after this.
    fn sync_folder(&mut self, name: &str) -> io::Result<()>;
    /// Names directly in the folder.
    fn names(&self) -> io::Result<Vec<String>>;
    /// `None` when there is no such file.
    fn stamp(&self, name: &str) -> Option<Stamp>;
}

/// The name a content has until it is complete. It holds the process, so that the command line and a running server
/// never write the same one.
pub fn temp_name(name: &str) -> String {
    let process = std::process::id();
    match name.rsplit_once('/') {
        Some((folder, file)) => format!("{folder}/.{file}.{process}.tmp"),
        None => format!(".{name}.{process}.tmp"),
    }
}

/// Replaces a file durably: temp in the same folder, sync, rename, sync of the folder. The old file survives any failure.
pub fn durable_write<S: Storage + ?Sized>(storage: &mut S, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temp = temp_name(name);
    let placed = place(storage, &temp, name, bytes);
    if placed.is_err() {
        let _ = storage.remove(&temp);
    }
    placed
}

fn place<S: Storage + ?Sized>(storage: &mut S, temp: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    storage.create(temp, bytes)?;
    storage.sync(temp)?;
    match storage.rename(temp, name) {
        // A single file mounted into a container cannot be replaced by a rename, only written.
        Err(e) if e.kind() == io::ErrorKind::ResourceBusy => {
            storage.create(name, bytes)?;
            storage.sync(name)?;
            storage.remove(temp)?;
        }
        other => other?,
    }
    storage.sync_folder(name)
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
    /// Where a name lies; a link is followed, so that writing replaces what it points at and not the link.
    fn at(&self, name: &str) -> PathBuf {
        let path = self.path.join(name);
        match fs::symlink_metadata(&path) {
            Ok(m) if m.file_type().is_symlink() => fs::canonicalize(&path).unwrap_or(path),
            _ => path,
        }
    }
    fn folder_of(&self, name: &str) -> PathBuf {
        self.at(name).parent().map_or_else(|| self.path.clone(), Path::to_owned)
    }
}

impl Storage for Folder {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let file = match File::open(self.at(name)) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let mut bytes = Vec::new();
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 64 MiB"));
        }
        Ok(Some(bytes))
    }

    fn create(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.at(name);
        if let Some(parent) = path.parent().filter(|p| !p.is_dir()) {
            fs::create_dir_all(parent)?;
        }
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        give_to_owner_of(&self.path, &file);
        file.write_all(bytes)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        File::open(self.at(name))?.sync_all()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let target = self.at(to);
        // Beside the target of a link the temp may lie on another device.
        match fs::rename(self.at(from), &target) {
            Err(e) if e.kind() == io::ErrorKind::CrossesDevices => Err(io::ErrorKind::ResourceBusy.into()),
            other => other,
        }
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path.join(name)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn sync_folder(&mut self, name: &str) -> io::Result<()> {
        File::open(self.folder_of(name))?.sync_all()
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(&self.path)?;
        Ok(entries.filter_map(|e| e.ok()?.file_name().into_string().ok()).collect())
    }

    fn stamp(&self, name: &str) -> Option<Stamp> {
        let meta = fs::metadata(self.path.join(name)).ok()?;
        let modified_ns = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
        Some(Stamp::new(modified_ns, meta.len(), meta.ino()))
    }
}

/// `pulse config import` run by root must not leave files that the service's own user cannot read.
fn give_to_owner_of(folder: &Path, file: &File) {
    let (Ok(folder), Ok(own)) = (fs::metadata(folder), file.metadata()) else { return };
    if own.uid() == 0 && folder.uid() != 0 {
        // Best effort: only root may do it, and root can read the file in any case.
        let _ = std::os::unix::fs::fchown(file, Some(folder.uid()), Some(folder.gid()));
    }
}
