//! Answers about guests, and of the agents inside them.

use crate::proxmox::lenient::{boolean, integer, items, number, object, size, text};
use serde::Deserialize;

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
