//! Everything a PVE is asked for: path, cadence, patience, the privilege it needs, and the type of the answer.

use crate::poll::derive::guest::Sort;
use crate::proxmox::pve::*;
use crate::proxmox::{Client, Error, List, segment};
use std::time::Duration;

/// A thing to be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Topic {
    Resources,
    Nodes,
    Guests(String, Sort),
    ClusterStatus,
    NodeStatus(String),
    StorageDefinitions,
    NodeStorage(String),
    Version,
    Tasks(String),
    /// Node and storage.
    Content(String, String),
    /// Node and storage: volumes with the memory of guests that was kept in snapshots.
    States(String, String),
    Ha,
    ReplicationJobs,
    Replication(String),
    NotBackedUp,
    Ceph,
    Zfs(String),
    Disks(String),
    /// Node and device.
    Smart(String, String),
    Services(String),
    Subscription(String),
    Updates(String),
    Certificates(String),
    /// Node, guest, and what of it.
    Guest(String, i64, What),
}

/// What is asked of a single guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum What {
    Status,
    Filesystems,
    Meminfo,
    Interfaces,
    Os,
    ContainerInterfaces,
    ContainerConfig,
    Snapshots(Sort),
}

/// A topic with what changes from one time to the next.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ask {
    pub topic: Topic,
    /// Tasks: only those that began at this second or later; 0 for all.
    pub since: i64,
}

impl From<Topic> for Ask {
    fn from(topic: Topic) -> Ask {
        Ask { topic, since: 0 }
    }
}

/// An answer, still in PVE's words.
#[derive(Debug)]
pub(super) enum Got {
    Resources(Vec<Resource>),
    Nodes(Vec<NodeItem>),
    Guests(Vec<GuestItem>),
    ClusterStatus(Vec<ClusterItem>),
    NodeStatus(Box<NodeStatus>),
    StorageDefinitions(Vec<StorageDefinition>),
    NodeStorage(Vec<StorageItem>),
    Version(VersionAnswer),
    Tasks(Vec<TaskItem>),
    Content(Vec<ContentItem>),
    Ha(Vec<HaItem>),
    Replication(Vec<ReplicationItem>),
    NotBackedUp(Vec<UncoveredItem>),
    Ceph(Box<CephStatus>),
    Zfs(Vec<ZfsItem>),
    Disks(Vec<DiskItem>),
    Smart(Box<SmartReport>),
    Services(Vec<ServiceItem>),
    Subscription(Subscription),
    Updates(usize),
    Certificates(Vec<CertificateItem>),
    Status(Box<GuestStatus>),
    Filesystems(Vec<AgentFilesystem>),
    File(AgentFile),
    Interfaces(Vec<Interface>),
    Os(AgentOs),
    Config(ContainerConfig),
    Snapshots(Vec<SnapshotItem>),
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

impl Topic {
    /// The node that answers in the end; empty when the cluster as a whole does.
    pub fn node(&self) -> &str {
        use Topic::*;
        match self {
            Resources | Nodes | ClusterStatus | StorageDefinitions | Version | Ha | ReplicationJobs | NotBackedUp
            | Ceph => "",
            Guests(n, _)
            | NodeStatus(n)
            | NodeStorage(n)
            | Tasks(n)
            | Content(n, _)
            | States(n, _)
            | Replication(n)
            | Zfs(n)
            | Disks(n)
            | Smart(n, _)
            | Services(n)
            | Subscription(n)
            | Updates(n)
            | Certificates(n)
            | Guest(n, _, _) => n,
        }
    }

    /// The path with its changing parts left out: for statistics and the log.
    pub fn kind(&self) -> &'static str {
        use Topic::*;
        match self {
            Resources => "cluster/resources",
            Nodes => "nodes",
            Guests(_, Sort::Qemu) => "nodes/{node}/qemu",
            Guests(_, Sort::Lxc) => "nodes/{node}/lxc",
            ClusterStatus => "cluster/status",
            NodeStatus(_) => "nodes/{node}/status",
            StorageDefinitions => "storage",
            NodeStorage(_) => "nodes/{node}/storage",
            Version => "version",
            Tasks(_) => "nodes/{node}/tasks",
            Content(..) | States(..) => "nodes/{node}/storage/{storage}/content",
            Ha => "cluster/ha/status/current",
            ReplicationJobs => "cluster/replication",
            Replication(_) => "nodes/{node}/replication",
            NotBackedUp => "cluster/backup-info/not-backed-up",
            Ceph => "cluster/ceph/status",
            Zfs(_) => "nodes/{node}/disks/zfs",
            Disks(_) => "nodes/{node}/disks/list",
            Smart(..) => "nodes/{node}/disks/smart",
            Services(_) => "nodes/{node}/services",
            Subscription(_) => "nodes/{node}/subscription",
            Updates(_) => "nodes/{node}/apt/update",
            Certificates(_) => "nodes/{node}/certificates/info",
            Guest(_, _, what) => match what {
                What::Status => "nodes/{node}/qemu/{vmid}/status/current",
                What::Filesystems => "nodes/{node}/qemu/{vmid}/agent/get-fsinfo",
                What::Meminfo => "nodes/{node}/qemu/{vmid}/agent/file-read",
                What::Interfaces => "nodes/{node}/qemu/{vmid}/agent/network-get-interfaces",
                What::Os => "nodes/{node}/qemu/{vmid}/agent/get-osinfo",
                What::ContainerInterfaces => "nodes/{node}/lxc/{vmid}/interfaces",
                What::ContainerConfig => "nodes/{node}/lxc/{vmid}/config",
                What::Snapshots(_) => "nodes/{node}/{guest}/{vmid}/snapshot",
            },
        }
    }

    /// What the log and diagnostics call it: the kind, and where. Guests are left out, so that a thousand guests with
    /// the same trouble are one line.
    pub fn subject(&self) -> String {
        let with_node = self.kind().replacen("{node}", self.node(), 1);
        match self {
            Topic::Content(_, storage) => with_node.replacen("{storage}", storage, 1),
            Topic::States(_, storage) => with_node.replacen("{storage}", storage, 1) + " images",
            Topic::Smart(_, device) => format!("{with_node} {device}"),
            _ => with_node,
        }
    }

    /// Time between two answers.
    pub fn period(&self) -> Duration {
        use Topic::*;
        match self {
            Resources | Guests(..) => 10 * SECOND,
            NodeStatus(_) => 30 * SECOND,
            ClusterStatus | StorageDefinitions | NodeStorage(_) | Ceph | Ha => MINUTE,
            Tasks(_) | Replication(_) => 2 * MINUTE,
            // Listing a storage may wake the disks behind it; a backup that ends hastens it.
            Content(..) => 5 * MINUTE,
            // In a cluster only for the members' fingerprints; a host of its own is asked for it in every cycle.
            Nodes | ReplicationJobs | NotBackedUp | Zfs(_) | Services(_) => 10 * MINUTE,
            Disks(_) | Smart(..) | States(..) => 30 * MINUTE,
            Version => 6 * 60 * MINUTE,
            Subscription(_) | Updates(_) | Certificates(_) => 24 * 60 * MINUTE,
            Guest(_, _, what) => what.period(),
        }
    }

    /// The privilege that a refusal asks for (the published schema's `permissions`). `nine`: PVE 9 or later.
    pub fn privilege(&self, nine: bool) -> &'static str {
        use Topic::*;
        match self {
            Content(..) => "Datastore.AllocateSpace",
            States(..) => "Datastore.Audit",
            NodeStorage(_) | StorageDefinitions => "Datastore.Audit",
            Updates(_) => "Sys.Modify",
            Guest(_, _, what) => match what {
                What::Filesystems | What::Interfaces | What::Os if nine => "VM.GuestAgent.Audit",
                What::Meminfo if nine => "VM.GuestAgent.FileRead",
                What::Filesystems | What::Interfaces | What::Os | What::Meminfo => "VM.Monitor",
                _ => "VM.Audit",
            },
            Guests(..) => "VM.Audit",
            _ => "Sys.Audit",
        }
    }

    /// The longest it may take, under `usual` of the connection.
    pub fn patience(&self, usual: Duration) -> Duration {
        match self {
            // A guest agent that is there answers at once.
            Topic::Guest(_, _, what) if what.is_agent() => usual.min(3 * SECOND),
            Topic::Guest(..) | Topic::NodeStatus(_) | Topic::NodeStorage(_) => usual.min(5 * SECOND),
            Topic::Content(..) | Topic::States(..) => MINUTE,
            Topic::Disks(_) | Topic::Smart(..) | Topic::Updates(_) | Topic::Ceph => usual.max(30 * SECOND),
            _ => usual,
        }
    }

    /// Path and query below `/api2/json/`.
    pub fn path(&self, since: i64) -> String {
        use Topic::*;
        let of = |node: &str, rest: &str| format!("nodes/{}/{rest}", segment(node));
        match self {
            Resources | Nodes | ClusterStatus | StorageDefinitions | Version | Ha | ReplicationJobs | NotBackedUp
            | Ceph => self.kind().to_owned(),
            Guests(n, sort) => of(n, sort.as_str()),
            NodeStatus(n) => of(n, "status"),
            NodeStorage(n) => of(n, "storage"),
            Tasks(n) if since > 0 => of(n, &format!("tasks?source=all&typefilter=vzdump&limit=500&since={since}")),
            Tasks(n) => of(n, "tasks?source=all&typefilter=vzdump&limit=500"),
            Content(n, storage) => of(n, &format!("storage/{}/content?content=backup", segment(storage))),
            States(n, storage) => of(n, &format!("storage/{}/content?content=images", segment(storage))),
            Replication(n) => of(n, "replication"),
            Zfs(n) => of(n, "disks/zfs"),
            // Without this PVE asks every disk for SMART, which wakes sleeping ones.
            Disks(n) => of(n, "disks/list?skipsmart=1"),
            Smart(n, device) => of(n, &format!("disks/smart?disk={}", segment(device))),
            Services(n) => of(n, "services"),
            Subscription(n) => of(n, "subscription"),
            Updates(n) => of(n, "apt/update"),
            Certificates(n) => of(n, "certificates/info"),
            Guest(n, vmid, what) => of(n, &what.path(*vmid)),
        }
    }
}

impl What {
    /// Uses the guest agent.
    pub fn is_agent(self) -> bool {
        matches!(self, What::Filesystems | What::Meminfo | What::Interfaces | What::Os)
    }

    pub fn period(self) -> Duration {
        match self {
            What::Filesystems => MINUTE,
            What::Meminfo | What::Snapshots(_) => 2 * MINUTE,
            What::Status => 3 * MINUTE,
            What::Interfaces | What::ContainerInterfaces => 10 * MINUTE,
            What::Os | What::ContainerConfig => 60 * MINUTE,
        }
    }

    fn path(self, vmid: i64) -> String {
        match self {
            What::Status => format!("qemu/{vmid}/status/current"),
            What::Filesystems => format!("qemu/{vmid}/agent/get-fsinfo"),
            What::Meminfo => format!("qemu/{vmid}/agent/file-read?file=%2Fproc%2Fmeminfo"),
            What::Interfaces => format!("qemu/{vmid}/agent/network-get-interfaces"),
            What::Os => format!("qemu/{vmid}/agent/get-osinfo"),
            What::ContainerInterfaces => format!("lxc/{vmid}/interfaces"),
            What::ContainerConfig => format!("lxc/{vmid}/config"),
            What::Snapshots(sort) => format!("{}/{vmid}/snapshot", sort.as_str()),
        }
    }
}

impl Ask {
    /// Asks. `within` is the longest it may take. A single guest cannot have much to say.
    pub fn fetch(&self, client: &Client, within: Duration) -> Result<Got, Error> {
        use Topic as T;
        const OF_GUEST: usize = 1 << 20;
        let path = self.topic.path(self.since);
        let path = path.as_str();
        Ok(match &self.topic {
            T::Resources => Got::Resources(client.get::<List<_>>(path, within)?.0),
            T::Nodes => Got::Nodes(client.get::<List<_>>(path, within)?.0),
            T::Guests(..) => Got::Guests(client.get::<List<_>>(path, within)?.0),
            T::ClusterStatus => Got::ClusterStatus(client.get::<List<_>>(path, within)?.0),
            T::NodeStatus(_) => Got::NodeStatus(client.get(path, within)?),
            T::StorageDefinitions => Got::StorageDefinitions(client.get::<List<_>>(path, within)?.0),
            T::NodeStorage(_) => Got::NodeStorage(client.get::<List<_>>(path, within)?.0),
            T::Version => Got::Version(client.get(path, within)?),
            T::Tasks(_) => Got::Tasks(client.get::<List<_>>(path, within)?.0),
            T::Content(..) | T::States(..) => Got::Content(client.get::<List<_>>(path, within)?.0),
            T::Ha => Got::Ha(client.get::<List<_>>(path, within)?.0),
            T::ReplicationJobs | T::Replication(_) => Got::Replication(client.get::<List<_>>(path, within)?.0),
            T::NotBackedUp => Got::NotBackedUp(client.get::<List<_>>(path, within)?.0),
            T::Ceph => Got::Ceph(client.get(path, within)?),
            T::Zfs(_) => Got::Zfs(client.get::<List<_>>(path, within)?.0),
            T::Disks(_) => Got::Disks(client.get::<List<_>>(path, within)?.0),
            T::Smart(..) => Got::Smart(client.get(path, within)?),
            T::Services(_) => Got::Services(client.get::<List<_>>(path, within)?.0),
            T::Subscription(_) => Got::Subscription(client.get(path, within)?),
            T::Updates(_) => Got::Updates(client.get::<List<UpdateItem>>(path, within)?.0.len()),
            T::Certificates(_) => Got::Certificates(client.get::<List<_>>(path, within)?.0),
            T::Guest(_, _, what) => match what {
                What::Status => Got::Status(client.get_bounded(path, within, OF_GUEST)?),
                What::Filesystems => {
                    Got::Filesystems(client.get_bounded::<AgentFilesystems>(path, within, OF_GUEST)?.result)
                }
                What::Meminfo => Got::File(client.get_bounded(path, within, OF_GUEST)?),
                What::Interfaces => {
                    Got::Interfaces(client.get_bounded::<AgentInterfaces>(path, within, OF_GUEST)?.result)
                }
                What::Os => Got::Os(client.get_bounded(path, within, OF_GUEST)?),
                What::ContainerInterfaces => Got::Interfaces(client.get_bounded::<List<_>>(path, within, OF_GUEST)?.0),
                What::ContainerConfig => Got::Config(client.get_bounded(path, within, OF_GUEST)?),
                What::Snapshots(_) => Got::Snapshots(client.get_bounded::<List<_>>(path, within, OF_GUEST)?.0),
            },
        })
    }
}
