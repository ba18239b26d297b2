//! A disk that forgets: what was appended but not synced may be lost, whole or in part, in any combination of files.

use pulse::history::Storage;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

#[derive(Debug, Clone, Default)]
struct FileState {
    bytes: Vec<u8>,
    /// So many of them survive a power cut for certain,
    synced: usize,
    /// if the name does.
    named: bool,
}

#[derive(Debug, Clone, Default)]
struct Content {
    files: BTreeMap<String, FileState>,
    written: u64,
    /// Every write so far: the content after it.
    steps: Option<Vec<BTreeMap<String, FileState>>>,
    /// The write after this many fails in the middle.
    full_after: Option<u64>,
}

/// A disk in memory; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Disk(Arc<Mutex<Content>>);

impl Disk {
    pub fn new() -> Disk {
        Disk::default()
    }
    /// From now on the state after each write is kept.
    pub fn watch(&self) {
        self.0.lock().unwrap().steps = Some(Vec::new());
    }
    /// The disks as they were after each write since `watch`.
    pub fn steps(&self) -> Vec<Disk> {
        let steps = self.0.lock().unwrap().steps.clone().unwrap();
        steps.into_iter().map(|files| Disk(Arc::new(Mutex::new(Content { files, ..Content::default() })))).collect()
    }
    pub fn steps_taken(&self) -> usize {
        self.0.lock().unwrap().steps.as_ref().map_or(0, Vec::len)
    }
    /// The process was killed within a write: only `share` of what came since `before` arrived.
    pub fn torn(&self, before: &Disk, share: f64) -> Disk {
        let torn = self.copy();
        {
            let before = before.0.lock().unwrap();
            for (name, file) in &mut torn.0.lock().unwrap().files {
                let had = before.files.get(name).map_or(0, |f| f.bytes.len());
                let grown = file.bytes.len() - had;
                file.bytes.truncate(had + (grown as f64 * share) as usize);
            }
        }
        torn
    }
    /// The power went: of what was not synced, `survives` decides for each file how many bytes are there; the length
    /// may have reached the disk without the bytes (`zeros`).
    pub fn power_cut(&self, mut survives: impl FnMut(&str, usize) -> (usize, bool)) -> Disk {
        let cut = self.copy();
        {
            let mut content = cut.0.lock().unwrap();
            content.files.retain(|name, file| {
                let unsynced = file.bytes.len() - file.synced;
                let (kept, zeros) = survives(name, unsynced);
                if zeros {
                    file.bytes[file.synced + kept.min(unsynced)..].fill(0);
                } else {
                    file.bytes.truncate(file.synced + kept.min(unsynced));
                }
                file.named || kept > 0
            });
        }
        cut
    }
    /// Bytes that were appended so far.
    pub fn written(&self) -> u64 {
        self.0.lock().unwrap().written
    }
    pub fn copy(&self) -> Disk {
        let content = self.0.lock().unwrap();
        Disk(Arc::new(Mutex::new(Content { files: content.files.clone(), ..Content::default() })))
    }
    pub fn flip(&self, name: &str, at: usize) {
        self.0.lock().unwrap().files.get_mut(name).unwrap().bytes[at] ^= 0x20;
    }
    pub fn files(&self) -> Vec<(String, usize)> {
        self.0.lock().unwrap().files.iter().map(|(n, f)| (n.clone(), f.bytes.len())).collect()
    }
    /// So many more bytes fit; `None`: as many as you like.
    pub fn room(&self, bytes: Option<u64>) {
        let mut content = self.0.lock().unwrap();
        content.full_after = bytes.map(|b| content.written + b);
    }
    pub fn storage(&self) -> Arc<dyn Storage> {
        Arc::new(self.clone())
    }
}

impl Content {
    fn step(&mut self) {
        let files = self.files.clone();
        if let Some(steps) = &mut self.steps {
            steps.push(files);
        }
    }
}

impl Storage for Disk {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().unwrap().files.keys().cloned().collect())
    }
    fn length(&self, name: &str) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().files.get(name).map_or(0, |f| f.bytes.len() as u64))
    }
    fn read(&self, name: &str, at: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let content = self.0.lock().unwrap();
        let file = content.files.get(name).ok_or(io::ErrorKind::NotFound)?;
        let from = (at as usize).min(file.bytes.len());
        Ok(file.bytes[from..(from + bytes).min(file.bytes.len())].to_vec())
    }
    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<u64> {
        let mut content = self.0.lock().unwrap();
        let room = content.full_after.map_or(usize::MAX, |full| full.saturating_sub(content.written) as usize);
        let fits = bytes.len().min(room);
        content.written += fits as u64;
        let file = content.files.entry(name.to_owned()).or_default();
        let at = file.bytes.len() as u64;
        file.bytes.extend_from_slice(&bytes[..fits]);
        content.step();
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(at) }
    }
    fn sync(&self, name: &str) -> io::Result<()> {
        let mut content = self.0.lock().unwrap();
        if let Some(file) = content.files.get_mut(name) {
            file.synced = file.bytes.len();
        }
        content.step();
        Ok(())
    }
    fn sync_folder(&self) -> io::Result<()> {
        let mut content = self.0.lock().unwrap();
        content.files.values_mut().for_each(|f| f.named = true);
        content.step();
        Ok(())
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        let mut content = self.0.lock().unwrap();
        content.files.remove(name);
        content.step();
        Ok(())
    }
}
