//! A storage of a PVE connection.

use super::Time;
use serde::{Deserialize, Serialize};

/// Keys up to `active` are the 4.9 contract.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// `<instance>-<node>-<storage>`, shared: `<instance>-shared-<storage>`.
    pub id: String,
    pub name: String,
    /// Node name, or `shared`.
    pub node: String,
    pub instance: String,
    pub r#type: String,
    /// `available`, `inactive` or `disabled`.
    pub status: String,
    pub total: i64,
    pub used: i64,
    pub free: i64,
    /// Percent 0..100.
    pub usage: f64,
    /// Comma list, sorted.
    pub content: String,
    pub shared: bool,
    pub enabled: bool,
    pub active: bool,
    /// Nodes that see a shared storage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
    /// When the figures were fetched, if not in this cycle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Time>,
}
