//! The kinds of conditions that are watched, and what each is called on the wire.

use super::outgoing::Unit;

/// One kind of condition. The first eight are measured against a trigger and a clear threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Check {
    Cpu,
    Memory,
    Disk,
    DiskRead,
    DiskWrite,
    NetworkIn,
    NetworkOut,
    /// Fill of a storage or datastore.
    Usage,
    /// A node does not answer.
    Connectivity,
    /// A PBS, storage or datastore does not answer.
    Offline,
    PoweredOff,
    /// The newest backup is too old, or there is none.
    BackupAge,
    BackupFailed,
    /// The newest backup was not verified for too long.
    BackupUnverified,
    /// A verification found broken backups.
    VerifyFailed,
    SnapshotAge,
    Zfs,
    Smart,
    Wearout,
    Ceph,
    Replication,
    Quorum,
    Certificate,
    Reboot,
    Updates,
    Service,
}

/// How many measured checks there are: those before `Connectivity`.
pub const METRICS: usize = 8;
pub const CHECKS: usize = 26;

impl Check {
    pub const ALL: [Check; CHECKS] = [
        Check::Cpu,
        Check::Memory,
        Check::Disk,
        Check::DiskRead,
        Check::DiskWrite,
        Check::NetworkIn,
        Check::NetworkOut,
        Check::Usage,
        Check::Connectivity,
        Check::Offline,
        Check::PoweredOff,
        Check::BackupAge,
        Check::BackupFailed,
        Check::BackupUnverified,
        Check::VerifyFailed,
        Check::SnapshotAge,
        Check::Zfs,
        Check::Smart,
        Check::Wearout,
        Check::Ceph,
        Check::Replication,
        Check::Quorum,
        Check::Certificate,
        Check::Reboot,
        Check::Updates,
        Check::Service,
    ];

    /// The alert's `type`, also the name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Check::Cpu => "cpu",
            Check::Memory => "memory",
            Check::Disk => "disk",
            Check::DiskRead => "diskRead",
            Check::DiskWrite => "diskWrite",
            Check::NetworkIn => "networkIn",
            Check::NetworkOut => "networkOut",
            Check::Usage => "usage",
            Check::Connectivity => "connectivity",
            Check::Offline => "offline",
            Check::PoweredOff => "powered-off",
            Check::BackupAge => "backup-age",
            Check::BackupFailed => "backup-failed",
            Check::BackupUnverified => "backup-unverified",
            Check::VerifyFailed => "verify-failed",
            Check::SnapshotAge => "snapshot-age",
            Check::Zfs => "zfs-health",
            Check::Smart => "smart",
            Check::Wearout => "wearout",
            Check::Ceph => "ceph-health",
            Check::Replication => "replication",
            Check::Quorum => "quorum",
            Check::Certificate => "certificate",
            Check::Reboot => "reboot-pending",
            Check::Updates => "updates",
            Check::Service => "service-failed",
        }
    }

    pub fn parse(name: &str) -> Option<Check> {
        Check::ALL.into_iter().find(|c| c.name() == name)
    }

    /// Where it stands in `Settings`.
    pub fn index(self) -> usize {
        self as usize
    }

    /// Measured against trigger and clear, with hysteresis.
    pub fn is_metric(self) -> bool {
        self.index() < METRICS
    }

    /// Load: what a backup, a snapshot or a migration changes for its duration.
    pub fn is_load(self) -> bool {
        matches!(
            self,
            Check::Cpu | Check::Memory | Check::DiskRead | Check::DiskWrite | Check::NetworkIn | Check::NetworkOut
        )
    }

    pub fn unit(self) -> Unit {
        match self {
            Check::Cpu | Check::Memory | Check::Disk | Check::Usage | Check::Wearout => Unit::Percent,
            Check::DiskRead | Check::DiskWrite | Check::NetworkIn | Check::NetworkOut => Unit::MegabytesPerSecond,
            Check::BackupAge | Check::BackupUnverified | Check::SnapshotAge | Check::Certificate => Unit::Days,
            Check::Replication | Check::Updates | Check::VerifyFailed | Check::Service => Unit::Count,
            _ => Unit::None,
        }
    }
}

/// What an alert is about; decides which checks apply and how ids are formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Vm,
    Container,
    Node,
    Storage,
    Pbs,
    Datastore,
    Cluster,
    Pool,
    Disk,
    Ceph,
    Replication,
}

impl Kind {
    /// `metadata.resourceType`. A datastore is a storage on the wire (contract state.md 8.1, row 6).
    pub fn resource_type(self) -> &'static str {
        match self {
            Kind::Vm => "VM",
            Kind::Container => "Container",
            Kind::Node => "Node",
            Kind::Storage | Kind::Datastore => "Storage",
            Kind::Pbs => "PBS",
            Kind::Cluster => "Cluster",
            Kind::Pool => "ZFS pool",
            Kind::Disk => "Disk",
            Kind::Ceph => "Ceph",
            Kind::Replication => "Replication",
        }
    }

    /// The checks that can be true of it.
    pub fn checks(self) -> &'static [Check] {
        match self {
            Kind::Vm | Kind::Container => &[
                Check::Cpu,
                Check::Memory,
                Check::Disk,
                Check::DiskRead,
                Check::DiskWrite,
                Check::NetworkIn,
                Check::NetworkOut,
                Check::PoweredOff,
                Check::BackupAge,
                Check::BackupFailed,
                Check::BackupUnverified,
                Check::SnapshotAge,
            ],
            Kind::Node => &[
                Check::Cpu,
                Check::Memory,
                Check::Disk,
                Check::Connectivity,
                Check::BackupFailed,
                Check::Certificate,
                Check::Reboot,
                Check::Updates,
                Check::Service,
            ],
            Kind::Storage => &[Check::Usage, Check::Offline],
            Kind::Pbs => &[Check::Cpu, Check::Memory, Check::Offline],
            Kind::Datastore => &[Check::Usage, Check::Offline, Check::VerifyFailed],
            Kind::Cluster => &[Check::Quorum],
            Kind::Pool => &[Check::Zfs],
            Kind::Disk => &[Check::Smart, Check::Wearout],
            Kind::Ceph => &[Check::Ceph],
            Kind::Replication => &[Check::Replication],
        }
    }

    /// Observations in a row before it counts, so that one bad answer is no incident (contract state.md 6.5).
    pub fn confirmations(self, check: Check) -> u32 {
        match (self, check) {
            (_, Check::Connectivity) | (Kind::Pbs, Check::Offline) => 3,
            (_, Check::Offline | Check::PoweredOff | Check::Quorum) => 2,
            _ => 1,
        }
    }

    /// The id of an alert: `<resourceId>-<type>`, and 4.9's prefixes for what is offline.
    pub fn alert_id(self, resource_id: &str, check: Check) -> String {
        match (self, check) {
            (_, Check::Connectivity) => format!("node-offline-{resource_id}"),
            (Kind::Pbs, Check::Offline) => format!("pbs-offline-{resource_id}"),
            (_, Check::Offline) => format!("storage-offline-{resource_id}"),
            (_, Check::PoweredOff) => format!("guest-powered-off-{resource_id}"),
            _ => format!("{resource_id}-{}", check.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_checks_is_in_order_and_names_lead_back() {
        for (at, check) in Check::ALL.into_iter().enumerate() {
            assert_eq!(check.index(), at);
            assert_eq!(Check::parse(check.name()), Some(check));
        }
        assert_eq!(Check::Usage.index() + 1, METRICS);
    }

    #[test]
    fn ids_are_those_of_4_9() {
        assert_eq!(Kind::Vm.alert_id("pve1-101", Check::Cpu), "pve1-101-cpu");
        assert_eq!(Kind::Node.alert_id("pve1-pve1", Check::Connectivity), "node-offline-pve1-pve1");
        assert_eq!(Kind::Pbs.alert_id("pbs-main", Check::Offline), "pbs-offline-pbs-main");
        assert_eq!(Kind::Storage.alert_id("pve1-pve1-nas", Check::Offline), "storage-offline-pve1-pve1-nas");
    }
}
