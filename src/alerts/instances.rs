//! The connections as the engine knows them: how often each was polled, whether it answers, which lists it brought.

use std::collections::HashMap;

/// A connection by product and configured name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source<'a> {
    Pve(&'a str),
    Pbs(&'a str),
}

/// Lists that come more seldom than every poll.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lists {
    pub tasks: bool,
    pub backups: bool,
    pub snapshots: bool,
    pub replication: bool,
    pub ceph: bool,
    pub zfs: bool,
    pub disks: bool,
}

/// One finished poll.
#[derive(Debug, Clone, Copy)]
pub struct Poll<'a> {
    pub source: Source<'a>,
    pub reachable: bool,
    /// The lists this poll brought.
    pub brought: Lists,
}

impl Lists {
    fn add(&mut self, other: Lists) {
        self.tasks |= other.tasks;
        self.backups |= other.backups;
        self.snapshots |= other.snapshots;
        self.replication |= other.replication;
        self.ceph |= other.ceph;
        self.zfs |= other.zfs;
        self.disks |= other.disks;
    }
    fn any(self) -> bool {
        self != Lists::default()
    }
}

#[derive(Debug, Default, Clone)]
pub struct Instance {
    /// Polls that worked.
    pub polls: u64,
    /// Polled since the engine last looked.
    pub fresh: bool,
    pub reachable: bool,
    /// What it has brought at least once since the start.
    pub known: Lists,
    expected: bool,
}

/// All connections. Numbers stay with a name for the life of the process.
#[derive(Debug, Default)]
pub struct Instances {
    list: Vec<Instance>,
    pve: HashMap<String, u32>,
    pbs: HashMap<String, u32>,
}

impl Instances {
    pub fn pve(&self, name: &str) -> Option<u32> {
        self.pve.get(name).copied()
    }
    pub fn pbs(&self, name: &str) -> Option<u32> {
        self.pbs.get(name).copied()
    }
    pub fn get(&self, number: u32) -> Option<&Instance> {
        self.list.get(number as usize)
    }
    /// Polled since the last look.
    pub fn is_fresh(&self, number: u32) -> bool {
        self.get(number).is_some_and(|i| i.fresh)
    }
    pub fn any_fresh(&self) -> bool {
        self.list.iter().any(|i| i.fresh)
    }
    pub fn looked(&mut self) {
        for instance in &mut self.list {
            instance.fresh = false;
        }
    }
    pub fn is_expected(&self, number: u32) -> bool {
        self.get(number).is_some_and(|i| i.expected)
    }

    fn number(&mut self, source: Source) -> u32 {
        let (names, name) = match source {
            Source::Pve(name) => (&mut self.pve, name),
            Source::Pbs(name) => (&mut self.pbs, name),
        };
        if let Some(number) = names.get(name) {
            return *number;
        }
        let number = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        names.insert(name.to_owned(), number);
        self.list.push(Instance { expected: true, ..Instance::default() });
        number
    }

    /// Takes in a poll. True: it brought lists of backups, tasks or snapshots.
    pub fn polled(&mut self, poll: &Poll) -> bool {
        let number = self.number(poll.source) as usize;
        let Some(instance) = self.list.get_mut(number) else { return false };
        instance.expected = true;
        instance.fresh = true;
        instance.reachable = poll.reachable;
        instance.polls += u64::from(poll.reachable);
        instance.known.add(poll.brought);
        poll.brought.any()
    }

    /// The lists are complete without an answer.
    pub fn replaced(&mut self, source: Source) {
        let number = self.number(source) as usize;
        if let Some(instance) = self.list.get_mut(number) {
            instance.polls += 1;
        }
    }

    /// Exactly these connections exist.
    pub fn expect(&mut self, wanted: &[Source]) {
        for instance in &mut self.list {
            instance.expected = false;
        }
        for source in wanted {
            let number = self.number(*source) as usize;
            if let Some(instance) = self.list.get_mut(number) {
                instance.expected = true;
            }
        }
        for instance in self.list.iter_mut().filter(|i| !i.expected) {
            *instance = Instance::default();
        }
    }

    /// Every expected PBS has listed its backups: only then is "no backup" an answer and not a gap.
    pub fn all_pbs_backups_known(&self) -> bool {
        self.pbs.values().all(|n| self.get(*n).is_none_or(|i| !i.expected || i.known.backups))
    }
}
