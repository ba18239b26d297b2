//! Answers about storages and what lies on them.

use crate::proxmox::lenient::{boolean, integer, size, text};
use serde::Deserialize;

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
    pub verification: crate::proxmox::pbs::Verification,
}
