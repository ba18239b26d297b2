//! What was active or cleared before the start and waits for its resource to be seen again.

use super::book::{Book, Ended, Moment};
use super::check::Check;
use super::instances::{Instances, Lists};
use super::memory::Cleared;
use super::subject::Subject;
use super::transition::Why;
use crate::model::Alert;

/// Something remembered from before the start that waits for its resource.
#[derive(Debug, Clone)]
pub struct Orphan {
    pub id: String,
    pub check: Check,
    resource_id: String,
    instance: String,
    pbs: bool,
    pub cleared: bool,
}

impl Orphan {
    pub fn of(alert: &Alert, check: Check) -> Orphan {
        Orphan {
            id: alert.id.clone(),
            check,
            resource_id: alert.resource_id.clone(),
            instance: alert.instance.clone(),
            pbs: is_pbs(&alert.resource_id, &alert.instance),
            cleared: false,
        }
    }
    pub fn cleared(c: &Cleared) -> Option<Orphan> {
        Some(Orphan {
            id: c.id.clone(),
            check: Check::parse(&c.r#type)?,
            resource_id: c.resource_id.clone(),
            instance: c.instance.clone(),
            pbs: is_pbs(&c.resource_id, &c.instance),
            cleared: true,
        })
    }
    pub fn to_cleared(&self) -> Cleared {
        Cleared {
            id: self.id.clone(),
            r#type: self.check.name().to_owned(),
            resource_id: self.resource_id.clone(),
            instance: self.instance.clone(),
        }
    }
    pub fn number(&self, instances: &Instances) -> Option<u32> {
        if self.pbs { instances.pbs(&self.instance) } else { instances.pve(&self.instance) }
    }
    /// A guest may have another id by now, because it was migrated.
    pub fn is_about(&self, subject: Subject) -> bool {
        let kind = subject.kind();
        if subject.instance() != self.instance || subject.is_pbs() != self.pbs || !kind.checks().contains(&self.check) {
            return false;
        }
        match subject {
            Subject::Guest(g) => {
                g.id == self.resource_id
                    // Its id is of the node where the incident began, the resource's of the one where it was last seen.
                    || self.resource_id.strip_suffix(&g.vmid.to_string()).is_some_and(|head| head.ends_with('-'))
            }
            _ => subject.resource_id() == self.resource_id,
        }
    }
    /// Its resource is gone.
    pub fn end(&self, book: &mut Book, moment: &Moment) {
        if self.cleared {
            book.forget();
        } else {
            book.end(&self.id, moment, Ended { why: Why::Gone, value: None });
        }
    }
    /// Whether the list its resource comes with has been fetched: only then does absence mean anything.
    pub fn list_known(&self, known: Lists) -> bool {
        match self.check {
            Check::Zfs => known.zfs,
            Check::Smart | Check::Wearout => known.disks,
            Check::Ceph => known.ceph,
            Check::Replication => known.replication,
            _ => true,
        }
    }
}

fn is_pbs(resource_id: &str, instance: &str) -> bool {
    let rest = resource_id.strip_prefix("pbs-").and_then(|rest| rest.strip_prefix(instance));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}
