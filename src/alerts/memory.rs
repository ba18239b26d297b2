//! What a restart must know besides the active alerts: who was told of what, what was cleared by hand, when messages went
//! out. One small file beside 4.9's; without it everything active counts as told.

use super::outgoing::Item;
use super::telling::Telling;
use crate::model::{Alert, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Memory {
    /// By alert id.
    pub alerts: BTreeMap<String, Telling>,
    pub cleared: Vec<Cleared>,
    /// When messages about an alert went out.
    pub sent: BTreeMap<String, Vec<Time>>,
    /// Ended alerts that people hear of when the quiet hours are over.
    pub held: Vec<Item>,
}

/// A condition that is still true but was cleared by hand.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Cleared {
    pub id: String,
    pub r#type: String,
    pub resource_id: String,
    pub instance: String,
}

impl Cleared {
    pub fn of(alert: &Alert) -> Cleared {
        Cleared {
            id: alert.id.clone(),
            r#type: alert.r#type.clone(),
            resource_id: alert.resource_id.clone(),
            instance: alert.instance.clone(),
        }
    }
}

impl Memory {
    pub fn read(bytes: &[u8]) -> Result<Memory, String> {
        serde_json::from_slice(bytes).map_err(|e| e.to_string())
    }
    pub fn to_file(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}
