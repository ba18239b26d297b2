//! A disk that keeps after a power cut only what was synced, and perhaps some of the rest; it can stop or fail at any step.

use pulse::config::durable::{Stamp, Storage};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Inode {
    content: Vec<u8>,
    /// What a power cut leaves for certain.
    synced: Option<Vec<u8>>,
}

#[derive(Clone)]
enum NameChange {
    Link(String, usize),
    Rename(String, String),
    Unlink(String),
}

#[derive(Clone, Default)]
struct Disk {
    names: BTreeMap<String, usize>,
    synced_names: BTreeMap<String, usize>,
    /// Changes of names since the folder was synced.
    loose: Vec<NameChange>,
    inodes: Vec<Inode>,
    steps: usize,
    power_cut_at: Option<usize>,
    error_at: Option<usize>,
    /// A name that cannot be replaced by a rename.
    mounted: Option<String>,
}

/// Clones share one disk.
#[derive(Clone, Default)]
pub struct WeakDisk(Arc<Mutex<Disk>>);

impl WeakDisk {
    /// The power goes just before this step (steps count from 0); everything after fails.
    pub fn cut_power_at(&self, step: usize) {
        self.0.lock().unwrap().power_cut_at = Some(step);
    }
    /// This one step fails as a bad disk does.
    pub fn fail_at(&self, step: usize) {
        self.0.lock().unwrap().error_at = Some(step);
    }
    /// A single file mounted into a container.
    pub fn mount(&self, name: &str) {
        self.0.lock().unwrap().mounted = Some(name.to_owned());
    }
    pub fn steps(&self) -> usize {
        self.0.lock().unwrap().steps
    }
    /// Starts counting steps anew, without faults.
    pub fn calm(&self) {
        let mut disk = self.0.lock().unwrap();
        (disk.steps, disk.power_cut_at, disk.error_at) = (0, None, None);
    }
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let disk = self.0.lock().unwrap();
        disk.names.get(name).map(|inode| disk.inodes[*inode].content.clone())
    }
    /// An own copy as it is now.
    pub fn copy(&self) -> WeakDisk {
        WeakDisk(Arc::new(Mutex::new(self.0.lock().unwrap().clone())))
    }
    /// Every disk that the power cut may have left: any first part of the unsynced name changes, each with unsynced
    /// contents old, torn or whole.
    pub fn survivors(&self) -> Vec<WeakDisk> {
        let disk = self.0.lock().unwrap();
        let mut out = Vec::new();
        for kept in 0..=disk.loose.len() {
            for torn in 0..3 {
                let mut after = Disk { synced_names: disk.synced_names.clone(), ..Disk::default() };
                for change in &disk.loose[..kept] {
                    apply(&mut after.synced_names, change);
                }
                after.names = after.synced_names.clone();
                let survive = |inode: &Inode| {
                    let content = match (torn, &inode.synced) {
                        (_, Some(synced)) if *synced == inode.content => synced.clone(),
                        (0, synced) => synced.clone().unwrap_or_default(),
                        (1, _) => inode.content[..inode.content.len() / 2].to_vec(),
                        _ => inode.content.clone(),
                    };
                    Inode { synced: Some(content.clone()), content }
                };
                after.inodes = disk.inodes.iter().map(survive).collect();
                out.push(WeakDisk(Arc::new(Mutex::new(after))));
            }
        }
        out
    }
    fn step<T>(&self, act: impl FnOnce(&mut Disk) -> io::Result<T>) -> io::Result<T> {
        let mut disk = self.0.lock().unwrap();
        let step = disk.steps;
        disk.steps += 1;
        if disk.power_cut_at.is_some_and(|at| step >= at) || disk.error_at == Some(step) {
            return Err(io::Error::new(ErrorKind::StorageFull, "injected"));
        }
        act(&mut disk)
    }
}

fn apply(names: &mut BTreeMap<String, usize>, change: &NameChange) {
    match change {
        NameChange::Link(name, inode) => drop(names.insert(name.clone(), *inode)),
        NameChange::Rename(from, to) => {
            if let Some(inode) = names.remove(from) {
                names.insert(to.clone(), inode);
            }
        }
        NameChange::Unlink(name) => drop(names.remove(name)),
    }
}

impl Disk {
    fn change_name(&mut self, change: NameChange) {
        apply(&mut self.names, &change);
        self.loose.push(change);
    }
}

impl Storage for WeakDisk {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.content(name))
    }
    fn create(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.step(|disk| {
            let inode = match disk.names.get(name) {
                Some(inode) => *inode,
                None => {
                    disk.inodes.push(Inode::default());
                    let inode = disk.inodes.len() - 1;
                    disk.change_name(NameChange::Link(name.to_owned(), inode));
                    inode
                }
            };
            disk.inodes[inode].content = bytes.to_vec();
            Ok(())
        })
    }
    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.step(|disk| {
            let inode = *disk.names.get(name).ok_or(ErrorKind::NotFound)?;
            disk.inodes[inode].synced = Some(disk.inodes[inode].content.clone());
            Ok(())
        })
    }
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.step(|disk| {
            if !disk.names.contains_key(from) {
                return Err(ErrorKind::NotFound.into());
            }
            if disk.mounted.as_deref() == Some(to) {
                return Err(ErrorKind::ResourceBusy.into());
            }
            disk.change_name(NameChange::Rename(from.to_owned(), to.to_owned()));
            Ok(())
        })
    }
    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.step(|disk| {
            if disk.names.contains_key(name) {
                disk.change_name(NameChange::Unlink(name.to_owned()));
            }
            Ok(())
        })
    }
    fn sync_folder(&mut self, _: &str) -> io::Result<()> {
        self.step(|disk| {
            disk.synced_names = disk.names.clone();
            disk.loose.clear();
            Ok(())
        })
    }
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().unwrap().names.keys().cloned().collect())
    }
    fn stamp(&self, name: &str) -> Option<Stamp> {
        let disk = self.0.lock().unwrap();
        let inode = *disk.names.get(name)?;
        Some(Stamp::new(0, disk.inodes[inode].content.len() as u64, inode as u64))
    }
}
