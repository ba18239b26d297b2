//! Answers about a node: its state, its tasks, its hardware, its services.

use crate::proxmox::lenient::{integer, items, number, numbers, object, size, text, text_or_whole, texts};
use serde::Deserialize;

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
