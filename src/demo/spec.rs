//! What a simulated world is made of: how many hosts, nodes, guests, backups, and which Proxmox versions.
//! Plain values; `world` builds from them.

use std::net::Ipv4Addr;

/// Which Proxmox VE is spoken. They differ in privileges, memory figures, history and field types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    Pve7,
    Pve8,
    Pve9,
}

impl Version {
    /// `version`, `release` and `repoid` as `/version` shows them.
    pub fn texts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Version::Pve7 => ("7.4-17", "7.4", "513c62be"),
            Version::Pve8 => ("8.4.1", "8.4", "2a5fa54a8503f96d"),
            Version::Pve9 => ("9.0.6", "9.0", "49c767b70aeb6648"),
        }
    }
    /// The privilege that reading through the guest agent needs.
    pub fn agent_privilege(self) -> &'static str {
        if self == Version::Pve9 { "VM.GuestAgent.Audit" } else { "VM.Monitor" }
    }
    /// The privilege that reading a file through the guest agent needs.
    pub fn file_privilege(self) -> &'static str {
        if self == Version::Pve9 { "VM.GuestAgent.FileRead" } else { "VM.Monitor" }
    }
}

/// One Proxmox VE connection: a cluster, or a host of its own.
#[derive(Debug, Clone)]
pub struct PveSpec {
    /// The cluster's name, and the namespace of its backups on a PBS.
    pub name: String,
    /// Nodes are called `<prefix>1`, `<prefix>2`, …
    pub node_prefix: String,
    pub nodes: usize,
    pub guests: usize,
    pub version: Version,
    /// Whether the nodes form a cluster; a host of its own has exactly one node.
    pub cluster: bool,
    /// Shared NFS storages beside the usual local ones.
    pub shared_storages: usize,
    pub backups_per_guest: usize,
    pub ceph: bool,
    /// Privileges of the user and the token, all on `/`. Empty: [`monitor_privileges`].
    pub privileges: Vec<String>,
    /// The port of every node of this connection; 0 takes a free one.
    pub port: u16,
}

/// One Proxmox Backup Server.
#[derive(Debug, Clone)]
pub struct PbsSpec {
    pub name: String,
    /// Privileges of the user and the token, all on `/`.
    pub privileges: Vec<String>,
    pub port: u16,
}

#[derive(Debug, Clone)]
pub enum HostSpec {
    Pve(PveSpec),
    Pbs(PbsSpec),
}

/// Where the simulated hosts take their time from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The wall clock.
    Real,
    /// Stands still at this second since 1970 until it is moved.
    Frozen(i64),
}

/// A whole simulated installation. The same spec and time always give the same answers.
#[derive(Debug, Clone)]
pub struct Spec {
    pub seed: u64,
    pub clock: Clock,
    /// Host `h` listens on `127.0.<h + first_network>.<node + 1>`.
    pub first_network: u8,
    pub hosts: Vec<HostSpec>,
}

impl PveSpec {
    pub fn new(name: &str, nodes: usize, guests: usize) -> PveSpec {
        PveSpec {
            name: name.to_owned(),
            node_prefix: "pve".to_owned(),
            nodes: nodes.clamp(1, 200),
            guests,
            version: Version::Pve8,
            cluster: nodes > 1,
            shared_storages: 1,
            backups_per_guest: 5,
            ceph: false,
            privileges: Vec::new(),
            port: 0,
        }
    }
    pub fn version(mut self, version: Version) -> PveSpec {
        self.version = version;
        self
    }
    pub fn prefix(mut self, prefix: &str) -> PveSpec {
        self.node_prefix = prefix.to_owned();
        self
    }
    pub fn ceph(mut self) -> PveSpec {
        self.ceph = true;
        self
    }
    pub fn storages(mut self, shared: usize) -> PveSpec {
        self.shared_storages = shared;
        self
    }
    pub fn backups_per_guest(mut self, count: usize) -> PveSpec {
        self.backups_per_guest = count;
        self
    }
    pub fn privileges(mut self, privileges: &[&str]) -> PveSpec {
        self.privileges = privileges.iter().map(|p| (*p).to_owned()).collect();
        self
    }
    pub fn port(mut self, port: u16) -> PveSpec {
        self.port = port;
        self
    }
}

impl PbsSpec {
    pub fn new(name: &str) -> PbsSpec {
        let privileges = ["Sys.Audit", "Datastore.Audit"].map(str::to_owned).to_vec();
        PbsSpec { name: name.to_owned(), privileges, port: 0 }
    }
    pub fn port(mut self, port: u16) -> PbsSpec {
        self.port = port;
        self
    }
}

impl Spec {
    pub fn new(seed: u64) -> Spec {
        Spec { seed, clock: Clock::Real, first_network: 0, hosts: Vec::new() }
    }
    /// A cluster (one node: a host of its own) with a PBS that takes its backups: what `pulse demo` shows.
    pub fn small(nodes: usize, guests: usize, seed: u64) -> Spec {
        Spec::new(seed).with_pve(PveSpec::new("homelab", nodes, guests)).with_pbs(PbsSpec::new("pbs"))
    }
    /// The load of the budgets: 10 nodes, 1,000 guests, 5,000 backups.
    pub fn large(seed: u64) -> Spec {
        let pve = PveSpec::new("datacenter", 10, 1000).storages(3).version(Version::Pve9).ceph();
        Spec::new(seed).with_pve(pve).with_pbs(PbsSpec::new("pbs"))
    }
    pub fn with_pve(mut self, pve: PveSpec) -> Spec {
        self.hosts.push(HostSpec::Pve(pve));
        self
    }
    pub fn with_pbs(mut self, pbs: PbsSpec) -> Spec {
        self.hosts.push(HostSpec::Pbs(pbs));
        self
    }
    /// Time stands still at `secs` since 1970.
    pub fn frozen(mut self, secs: i64) -> Spec {
        self.clock = Clock::Frozen(secs);
        self
    }
    /// Every host on its standard port (8006, 8007), on addresses from `127.0.<network>.1`.
    pub fn standard_ports(mut self, network: u8) -> Spec {
        self.first_network = network;
        for host in &mut self.hosts {
            match host {
                HostSpec::Pve(pve) => pve.port = 8006,
                HostSpec::Pbs(pbs) => pbs.port = 8007,
            }
        }
        self
    }
    /// The address of a node of a host.
    pub fn address(&self, host: usize, node: usize) -> Ipv4Addr {
        let network = usize::from(self.first_network) + host;
        Ipv4Addr::new(127, (network / 256 % 256) as u8, (network % 256) as u8, (node % 254) as u8 + 1)
    }
}

/// What the setup script of Pulse grants a monitor: `PVEAuditor`, the agent privileges of the version, and
/// `PVEDatastoreAdmin` for backup files.
pub fn monitor_privileges(version: Version) -> Vec<String> {
    let mut all = AUDITOR.to_vec();
    all.extend(["Datastore.Allocate", "Datastore.AllocateSpace", "Datastore.AllocateTemplate"]);
    all.push(version.agent_privilege());
    all.push(version.file_privilege());
    all.iter().map(|p| (*p).to_owned()).collect()
}

/// The role `PVEAuditor`.
pub const AUDITOR: [&str; 6] = ["Datastore.Audit", "Mapping.Audit", "Pool.Audit", "SDN.Audit", "Sys.Audit", "VM.Audit"];
