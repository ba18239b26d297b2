//! Who a series belongs to. A subject gets a small number once; rows and blocks hold only the number, the names file
//! says whose it is. Guests are known by connection and VMID, so a chart goes on when a guest moves to another node.

use super::metric::Kind;
use std::collections::HashMap;

/// The identity of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub kind: Kind,
    /// The connection; for datastores the PBS.
    pub instance: Box<str>,
    /// Guests: the VMID in digits; nodes: the node; storages: the id in the state; datastores: the store; PBS: empty.
    pub name: Box<str>,
}

/// A subject's number.
pub type Id = u32;

/// Subjects that are ever numbered; new ones beyond are not remembered.
pub const MOST_SUBJECTS: usize = 50_000;
/// Longer names than this do not occur in Proxmox.
pub const MOST_NAME_BYTES: usize = 512;

impl Key {
    pub fn guest(instance: &str, vmid: i64) -> Key {
        Key { kind: Kind::Guest, instance: instance.into(), name: vmid.to_string().into() }
    }
    pub fn new(kind: Kind, instance: &str, name: &str) -> Key {
        Key { kind, instance: instance.into(), name: name.into() }
    }
    fn vmid(&self) -> Option<i64> {
        if self.kind == Kind::Guest { self.name.parse().ok() } else { None }
    }
}

/// Numbers by connection and name.
type Named = HashMap<Box<str>, HashMap<Box<str>, Id>>;

/// All subjects by number, and numbers by name without building a key for each look-up.
#[derive(Debug, Clone, Default)]
pub struct Subjects {
    keys: Vec<Option<Key>>,
    guests: HashMap<Box<str>, HashMap<i64, Id>>,
    others: [Named; Kind::ALL.len()],
}

impl Subjects {
    pub fn get(&self, id: Id) -> Option<&Key> {
        self.keys.get(id as usize)?.as_ref()
    }
    pub fn guest(&self, instance: &str, vmid: i64) -> Option<Id> {
        self.guests.get(instance)?.get(&vmid).copied()
    }
    /// Subjects other than guests.
    pub fn other(&self, kind: Kind, instance: &str, name: &str) -> Option<Id> {
        self.others.get(kind.index())?.get(instance)?.get(name).copied()
    }
    pub fn find(&self, key: &Key) -> Option<Id> {
        match key.kind {
            Kind::Guest => self.guest(&key.instance, key.vmid()?),
            kind => self.other(kind, &key.instance, &key.name),
        }
    }
    /// The number of a subject, a new one if it has none. `None`: the name is impossible or there are too many.
    pub fn number(&mut self, key: &Key) -> Option<Id> {
        if let Some(id) = self.find(key) {
            return Some(id);
        }
        let id = Id::try_from(self.keys.len()).ok()?;
        self.put(id, key.clone()).then_some(id)
    }
    /// Gives a subject a number that was read from disk. False: refused, e.g. because the number is taken.
    pub fn put(&mut self, id: Id, key: Key) -> bool {
        let at = id as usize;
        let too_long = key.instance.len() > MOST_NAME_BYTES || key.name.len() > MOST_NAME_BYTES;
        if at >= MOST_SUBJECTS || too_long || self.get(id).is_some() || self.find(&key).is_some() {
            return false;
        }
        match (key.kind, key.vmid()) {
            (Kind::Guest, None) => return false,
            (Kind::Guest, Some(vmid)) => {
                self.guests.entry(key.instance.clone()).or_default().insert(vmid, id);
            }
            (kind, _) => {
                let Some(map) = self.others.get_mut(kind.index()) else { return false };
                map.entry(key.instance.clone()).or_default().insert(key.name.clone(), id);
            }
        }
        if self.keys.len() <= at {
            self.keys.resize(at + 1, None);
        }
        if let Some(place) = self.keys.get_mut(at) {
            *place = Some(key);
        }
        true
    }
    /// Sees to it that a number is not given to anybody: its name is lost, its figures may still lie on the disk.
    pub fn reserve(&mut self, id: Id) {
        let at = id as usize;
        if at < MOST_SUBJECTS && self.keys.len() <= at {
            self.keys.resize(at + 1, None);
        }
    }
    /// One more than the highest number.
    pub fn len(&self) -> usize {
        self.keys.len()
    }
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
    pub fn iter(&self) -> impl Iterator<Item = (Id, &Key)> {
        self.keys.iter().enumerate().filter_map(|(i, k)| Some((Id::try_from(i).ok()?, k.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_keeps_its_number_and_a_guest_is_known_by_connection_and_vmid() {
        let mut subjects = Subjects::default();
        let a = subjects.number(&Key::guest("lab", 100)).unwrap();
        let b = subjects.number(&Key::guest("home", 100)).unwrap();
        assert_ne!(a, b);
        assert_eq!(subjects.guest("lab", 100), Some(a));
        assert_eq!(subjects.number(&Key::guest("lab", 100)), Some(a));
        assert_eq!(subjects.other(Kind::Node, "lab", "100"), None);
        assert!(!subjects.put(7, Key::guest("lab", 100)), "one subject, one number");
        assert!(subjects.put(7, Key::new(Kind::Node, "lab", "pve1")));
        assert_eq!(subjects.number(&Key::guest("lab", 101)), Some(8));
    }
}
