//! Forgetting: what is gone, and what is too old to be shown.

use super::PvePoll;
use crate::model::Now;
use crate::poll::hold::{expire, held};

impl PvePoll {
    /// Forgets what is gone.
    pub(super) fn sweep(&mut self, now: Now) {
        self.rates.sweep(now.mono_ms);
        let nodes = &self.nodes;
        self.cadence.retain(|t| t.node().is_empty() || nodes.contains_key(t.node()));
        // Backups on a storage that is no longer defined, or on a node that left, are not ours to show.
        let defined = held(&self.definitions, now.mono_ms);
        let exists = |(node, storage): &(String, String)| {
            (node == "shared" || nodes.contains_key(node))
                && defined.is_none_or(|all| all.iter().any(|d| d.storage == *storage))
        };
        let before = self.files.len();
        self.files.retain(|key, _| exists(key));
        self.aged_files.retain(exists);
        self.states.retain(|key, h| exists(key) && h.get(now.mono_ms).is_some());
        self.changed.files |= self.files.len() != before;
    }

    /// Drops what is too old to be shown, whether or not anything answers.
    pub(super) fn expire(&mut self, mono_ms: u64) {
        let c = &mut self.changed;
        let before = self.files.len();
        self.files.retain(|key, h| {
            let shown = h.get(mono_ms).is_some();
            if !shown {
                self.aged_files.insert(key.clone());
            }
            shown
        });
        c.files |= self.files.len() != before;
        for kept in self.nodes.values_mut() {
            c.zfs |= expire(&mut kept.zfs, mono_ms);
            c.disks |= expire(&mut kept.disks, mono_ms);
            c.replication |= expire(&mut kept.replication, mono_ms);
        }
        c.ceph |= expire(&mut self.ceph, mono_ms);
        c.coverage |= expire(&mut self.coverage, mono_ms);
        c.snapshots |= self.guests.expire(mono_ms);
    }
}
