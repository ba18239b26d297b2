//! Answers of the PVE API, as far as Pulse reads them. Every field may be absent; a name that is needed and missing
//! is empty, and whoever derives figures skips the item.
//!
//! Fields that the published schema leaves out but PVE sends are marked "unlisted".

use super::lenient::{Maybe, boolean, integer, items, number, numbers, object, size, text, text_or_whole, texts};
use serde::Deserialize;
use std::collections::BTreeMap;

/// An item of `/cluster/resources`: node, guest or storage, by `kind`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Resource {
    /// `node`, `qemu`, `lxc`, `storage`, …
    #[serde(rename = "type", deserialize_with = "text")]
    pub kind: String,
    #[serde(deserialize_with = "text")]
    pub node: String,
    #[serde(deserialize_with = "text")]
    pub name: String,
    #[serde(deserialize_with = "text")]
    pub status: String,
    #[serde(deserialize_with = "integer")]
    pub vmid: Option<i64>,
    #[serde(deserialize_with = "number")]
    pub cpu: Option<f64>,
    #[serde(deserialize_with = "number")]
    pub maxcpu: Option<f64>,
    #[serde(deserialize_with = "size")]
    pub mem: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub maxmem: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub disk: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub maxdisk: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub netin: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub netout: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub diskread: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub diskwrite: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub uptime: Option<i64>,
    #[serde(deserialize_with = "boolean")]
    pub template: Option<bool>,
    #[serde(deserialize_with = "text")]
    pub tags: String,
    #[serde(deserialize_with = "text")]
    pub lock: String,
    #[serde(deserialize_with = "text")]
    pub hastate: String,
    #[serde(deserialize_with = "text")]
    pub pool: String,
}

/// An item of `/nodes`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct NodeItem {
    #[serde(deserialize_with = "text")]
    pub node: String,
    #[serde(deserialize_with = "text")]
    pub status: String,
    #[serde(deserialize_with = "number")]
    pub cpu: Option<f64>,
    #[serde(deserialize_with = "number")]
    pub maxcpu: Option<f64>,
    #[serde(deserialize_with = "size")]
    pub mem: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub maxmem: Option<i64>,
    /// Unlisted, as is `maxdisk`.
    #[serde(deserialize_with = "size")]
    pub disk: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub maxdisk: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub uptime: Option<i64>,
    #[serde(deserialize_with = "text")]
    pub ssl_fingerprint: String,
}

/// An item of `/nodes/{node}/qemu` or `/nodes/{node}/lxc`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct GuestItem {
    #[serde(deserialize_with = "integer")]
    pub vmid: Option<i64>,
    #[serde(deserialize_with = "text")]
    pub name: String,
    #[serde(deserialize_with = "text")]
    pub status: String,
    #[serde(deserialize_with = "number")]
    pub cpu: Option<f64>,
    #[serde(deserialize_with = "number")]
    pub cpus: Option<f64>,
    #[serde(deserialize_with = "size")]
    pub mem: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub maxmem: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub disk: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub maxdisk: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub netin: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub netout: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub diskread: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub diskwrite: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub uptime: Option<i64>,
    #[serde(deserialize_with = "boolean")]
    pub template: Option<bool>,
    #[serde(deserialize_with = "text")]
    pub tags: String,
    #[serde(deserialize_with = "text")]
    pub lock: String,
}

/// `total`, `used`, `free` and, where given, `avail`/`available`, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Space {
    #[serde(deserialize_with = "size")]
    pub total: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub used: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub free: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub avail: Option<i64>,
    /// Memory that could be had without swapping. Unlisted; PVE 9 sends it.
    #[serde(deserialize_with = "size")]
    pub available: Option<i64>,
}

/// `/nodes/{node}/status`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct NodeStatus {
    #[serde(deserialize_with = "numbers")]
    pub loadavg: Vec<f64>,
    #[serde(deserialize_with = "text")]
    pub kversion: String,
    #[serde(deserialize_with = "text")]
    pub pveversion: String,
    #[serde(deserialize_with = "object")]
    pub cpuinfo: Cpu,
    #[serde(deserialize_with = "object")]
    pub memory: Space,
    /// Unlisted, as is `wait`.
    #[serde(deserialize_with = "object")]
    pub swap: Space,
    #[serde(deserialize_with = "object")]
    pub rootfs: Space,
    #[serde(deserialize_with = "number")]
    pub wait: Option<f64>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Cpu {
    #[serde(deserialize_with = "text")]
    pub model: String,
    #[serde(deserialize_with = "integer")]
    pub cores: Option<i64>,
    #[serde(deserialize_with = "integer")]
    pub cpus: Option<i64>,
    #[serde(deserialize_with = "integer")]
    pub sockets: Option<i64>,
    /// Unlisted; text as it is, a number without decimals.
    #[serde(deserialize_with = "text_or_whole")]
    pub mhz: String,
}

/// `/nodes/{node}/qemu/{vmid}/status/current`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct GuestStatus {
    /// The guest agent is enabled in the configuration.
    #[serde(deserialize_with = "boolean")]
    pub agent: Option<bool>,
    #[serde(deserialize_with = "size")]
    pub mem: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub maxmem: Option<i64>,
    /// Current size of a ballooned guest, bytes. Unlisted, as is `freemem`: what the balloon driver says is unused.
    #[serde(deserialize_with = "size")]
    pub balloon: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub freemem: Option<i64>,
    #[serde(deserialize_with = "text")]
    pub lock: String,
}

/// An item of `/storage`: the definition. All but `storage` unlisted (the answer depends on the plugin).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct StorageDefinition {
    #[serde(deserialize_with = "text")]
    pub storage: String,
    #[serde(rename = "type", deserialize_with = "text")]
    pub plugin: String,
    #[serde(deserialize_with = "text")]
    pub content: String,
    #[serde(deserialize_with = "boolean")]
    pub shared: Option<bool>,
    #[serde(deserialize_with = "boolean")]
    pub disable: Option<bool>,
}

/// An item of `/nodes/{node}/storage`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct StorageItem {
    #[serde(deserialize_with = "text")]
    pub storage: String,
    #[serde(rename = "type", deserialize_with = "text")]
    pub plugin: String,
    #[serde(deserialize_with = "text")]
    pub content: String,
    #[serde(deserialize_with = "boolean")]
    pub shared: Option<bool>,
    #[serde(deserialize_with = "boolean")]
    pub active: Option<bool>,
    #[serde(deserialize_with = "boolean")]
    pub enabled: Option<bool>,
    #[serde(deserialize_with = "size")]
    pub total: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub used: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub avail: Option<i64>,
}

/// An item of `/cluster/status`: the cluster itself or a member.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ClusterItem {
    /// `cluster` or `node`.
    #[serde(rename = "type", deserialize_with = "text")]
    pub kind: String,
    #[serde(deserialize_with = "text")]
    pub name: String,
    #[serde(deserialize_with = "text")]
    pub ip: String,
    #[serde(deserialize_with = "boolean")]
    pub online: Option<bool>,
    #[serde(deserialize_with = "boolean")]
    pub local: Option<bool>,
    #[serde(deserialize_with = "boolean")]
    pub quorate: Option<bool>,
}

/// What a guest agent answers is wrapped once more. A failed command puts an object with an error where the result
/// should be; it decodes to the default.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AgentFilesystems {
    #[serde(deserialize_with = "items")]
    pub result: Vec<AgentFilesystem>,
}

/// A file system as the guest agent sees it. The agent's answers are unlisted in PVE's schema.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct AgentFilesystem {
    #[serde(deserialize_with = "text")]
    pub name: String,
    #[serde(deserialize_with = "text")]
    pub mountpoint: String,
    #[serde(rename = "type", deserialize_with = "text")]
    pub kind: String,
    #[serde(deserialize_with = "size")]
    pub total_bytes: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub used_bytes: Option<i64>,
    #[serde(deserialize_with = "items")]
    pub disk: Vec<AgentDisk>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AgentDisk {
    #[serde(deserialize_with = "text")]
    pub dev: String,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AgentInterfaces {
    #[serde(deserialize_with = "items")]
    pub result: Vec<Interface>,
}

/// A network interface, as the guest agent or `/nodes/{node}/lxc/{vmid}/interfaces` gives it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Interface {
    #[serde(deserialize_with = "text")]
    pub name: String,
    /// `192.168.3.95/22`; containers only.
    #[serde(deserialize_with = "text")]
    pub inet: String,
    #[serde(deserialize_with = "text")]
    pub inet6: String,
    #[serde(rename = "ip-addresses", deserialize_with = "items")]
    pub addresses: Vec<InterfaceAddress>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct InterfaceAddress {
    #[serde(rename = "ip-address", deserialize_with = "text")]
    pub address: String,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AgentOs {
    #[serde(deserialize_with = "object")]
    pub result: OsInfo,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct OsInfo {
    #[serde(deserialize_with = "text")]
    pub pretty_name: String,
    #[serde(deserialize_with = "text")]
    pub name: String,
    #[serde(deserialize_with = "text")]
    pub version: String,
}

/// `/nodes/{node}/qemu/{vmid}/agent/file-read`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AgentFile {
    #[serde(deserialize_with = "text")]
    pub content: String,
}

/// `/nodes/{node}/lxc/{vmid}/config`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ContainerConfig {
    #[serde(deserialize_with = "text")]
    pub ostype: String,
}

/// An item of `/nodes/{node}/tasks`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct TaskItem {
    #[serde(deserialize_with = "text")]
    pub upid: String,
    #[serde(rename = "type", deserialize_with = "text")]
    pub kind: String,
    #[serde(deserialize_with = "text")]
    pub id: String,
    #[serde(deserialize_with = "text")]
    pub status: String,
    #[serde(deserialize_with = "integer")]
    pub starttime: Option<i64>,
    #[serde(deserialize_with = "integer")]
    pub endtime: Option<i64>,
}

/// An item of `/nodes/{node}/storage/{storage}/content`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ContentItem {
    #[serde(deserialize_with = "text")]
    pub volid: String,
    /// Unlisted: `backup`, `iso`, …
    #[serde(deserialize_with = "text")]
    pub content: String,
    #[serde(deserialize_with = "text")]
    pub format: String,
    /// Unlisted: `qemu` or `lxc`.
    #[serde(deserialize_with = "text")]
    pub subtype: String,
    #[serde(deserialize_with = "text")]
    pub notes: String,
    #[serde(deserialize_with = "integer")]
    pub vmid: Option<i64>,
    #[serde(deserialize_with = "integer")]
    pub ctime: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub size: Option<i64>,
    #[serde(deserialize_with = "boolean")]
    pub protected: Option<bool>,
    /// Unlisted.
    #[serde(deserialize_with = "boolean")]
    pub verified: Option<bool>,
    /// Key fingerprint, or `1` when the key is not known.
    #[serde(deserialize_with = "text")]
    pub encrypted: String,
    pub verification: super::pbs::Verification,
}

/// An item of a guest's `/snapshot` list.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SnapshotItem {
    #[serde(deserialize_with = "text")]
    pub name: String,
    #[serde(deserialize_with = "text")]
    pub description: String,
    #[serde(deserialize_with = "text")]
    pub parent: String,
    #[serde(deserialize_with = "integer")]
    pub snaptime: Option<i64>,
    #[serde(deserialize_with = "boolean")]
    pub vmstate: Option<bool>,
}

/// An item of `/cluster/backup-info/not-backed-up`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct UncoveredItem {
    #[serde(deserialize_with = "integer")]
    pub vmid: Option<i64>,
}

/// An item of `/nodes/{node}/replication` (all but `id` unlisted) or `/cluster/replication`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ReplicationItem {
    #[serde(deserialize_with = "text")]
    pub id: String,
    #[serde(deserialize_with = "integer")]
    pub guest: Option<i64>,
    #[serde(deserialize_with = "text")]
    pub source: String,
    #[serde(deserialize_with = "text")]
    pub target: String,
    #[serde(deserialize_with = "integer")]
    pub last_sync: Option<i64>,
    #[serde(deserialize_with = "integer")]
    pub next_sync: Option<i64>,
    #[serde(deserialize_with = "number")]
    pub duration: Option<f64>,
    #[serde(deserialize_with = "integer")]
    pub fail_count: Option<i64>,
    #[serde(deserialize_with = "text")]
    pub error: String,
    #[serde(deserialize_with = "boolean")]
    pub disable: Option<bool>,
}

/// An item of `/cluster/ha/status/current`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct HaItem {
    #[serde(rename = "type", deserialize_with = "text")]
    pub kind: String,
    #[serde(deserialize_with = "text")]
    pub id: String,
    #[serde(deserialize_with = "text")]
    pub sid: String,
    #[serde(deserialize_with = "text")]
    pub node: String,
    #[serde(deserialize_with = "text")]
    pub state: String,
}

/// `/cluster/ceph/status`: Ceph's own document.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct CephStatus {
    #[serde(deserialize_with = "object")]
    pub health: CephHealth,
    #[serde(deserialize_with = "object")]
    pub pgmap: CephSpace,
    #[serde(deserialize_with = "object")]
    pub osdmap: CephOsds,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct CephHealth {
    #[serde(deserialize_with = "text")]
    pub status: String,
    #[serde(deserialize_with = "object")]
    pub checks: BTreeMap<String, Maybe<CephCheck>>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct CephCheck {
    #[serde(deserialize_with = "object")]
    pub summary: CephSummary,
    #[serde(deserialize_with = "boolean")]
    pub muted: Option<bool>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct CephSummary {
    #[serde(deserialize_with = "text")]
    pub message: String,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct CephSpace {
    #[serde(deserialize_with = "size")]
    pub bytes_total: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub bytes_used: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub bytes_avail: Option<i64>,
}

/// Old releases of Ceph nest the map once more.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct CephOsds {
    #[serde(deserialize_with = "size")]
    pub num_osds: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub num_up_osds: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub num_in_osds: Option<i64>,
    pub osdmap: Maybe<Box<CephOsds>>,
}

/// An item of `/nodes/{node}/disks/zfs`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ZfsItem {
    #[serde(deserialize_with = "text")]
    pub name: String,
    #[serde(deserialize_with = "text")]
    pub health: String,
    #[serde(deserialize_with = "size")]
    pub size: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub alloc: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub free: Option<i64>,
    #[serde(deserialize_with = "number")]
    pub frag: Option<f64>,
}

/// An item of `/nodes/{node}/disks/list`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct DiskItem {
    #[serde(deserialize_with = "text")]
    pub devpath: String,
    #[serde(deserialize_with = "text")]
    pub model: String,
    #[serde(deserialize_with = "text")]
    pub serial: String,
    #[serde(deserialize_with = "size")]
    pub size: Option<i64>,
    /// Unlisted: `ssd`, `hdd`, `nvme`, `usb`, `unknown`. Unlisted too: `wearout` (percent left, or `N/A`).
    #[serde(rename = "type", deserialize_with = "text")]
    pub kind: String,
    #[serde(deserialize_with = "text")]
    pub health: String,
    #[serde(deserialize_with = "number")]
    pub wearout: Option<f64>,
    #[serde(deserialize_with = "text")]
    pub used: String,
}

/// `/nodes/{node}/disks/smart`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SmartReport {
    #[serde(deserialize_with = "text")]
    pub health: String,
    /// `ata` or `text`.
    #[serde(rename = "type", deserialize_with = "text")]
    pub kind: String,
    /// smartctl's own words, for NVMe and SAS.
    #[serde(deserialize_with = "text")]
    pub text: String,
    #[serde(deserialize_with = "items")]
    pub attributes: Vec<SmartAttribute>,
}

/// One ATA attribute (unlisted).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SmartAttribute {
    #[serde(deserialize_with = "text")]
    pub name: String,
    /// Normalised, 100 or so is best.
    #[serde(deserialize_with = "number")]
    pub value: Option<f64>,
    #[serde(deserialize_with = "text")]
    pub raw: String,
}

/// `/nodes/{node}/subscription` of both products.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Subscription {
    #[serde(deserialize_with = "text")]
    pub status: String,
}

/// An item of `/nodes/{node}/apt/update` (unlisted in PVE's schema).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct UpdateItem {
    #[serde(rename = "Package", deserialize_with = "text")]
    pub package: String,
}

/// An item of `/nodes/{node}/certificates/info`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct CertificateItem {
    #[serde(deserialize_with = "text")]
    pub filename: String,
    #[serde(deserialize_with = "integer")]
    pub notafter: Option<i64>,
    #[serde(deserialize_with = "texts")]
    pub san: Vec<String>,
}

/// An item of `/nodes/{node}/services` of both products (unlisted in PVE's schema).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ServiceItem {
    #[serde(deserialize_with = "text")]
    pub service: String,
    #[serde(deserialize_with = "text")]
    pub state: String,
    #[serde(rename = "active-state", deserialize_with = "text")]
    pub active_state: String,
    #[serde(rename = "unit-state", deserialize_with = "text")]
    pub unit_state: String,
}

/// `/version` of both products.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct VersionAnswer {
    #[serde(deserialize_with = "text")]
    pub version: String,
    #[serde(deserialize_with = "text")]
    pub release: String,
    #[serde(deserialize_with = "text")]
    pub repoid: String,
}
