//! An alert: the full document of the alert routes, and the reduced one inside the state.

use super::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The full document (contract: `/api/alerts/active`, `/history`, WebSocket `alert`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    pub id: String,
    pub r#type: String,
    /// `warning` or `critical`.
    pub level: String,
    pub resource_id: String,
    pub resource_name: String,
    pub node: String,
    pub instance: String,
    pub message: String,
    pub value: f64,
    pub threshold: f64,
    pub start_time: Time,
    #[serde(default)]
    pub last_seen: Time,
    #[serde(default)]
    pub acknowledged: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack_time: Option<Time>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ack_user: String,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub last_escalation: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub escalation_times: Vec<Time>,
}

fn is_zero(v: &i64) -> bool {
    *v == 0
}

/// The twelve keys an alert has inside the state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertBrief {
    pub id: String,
    pub r#type: String,
    pub level: String,
    pub resource_id: String,
    pub resource_name: String,
    pub node: String,
    pub instance: String,
    pub message: String,
    pub value: f64,
    pub threshold: f64,
    pub start_time: Time,
    pub acknowledged: bool,
}

/// An alert that ended within the last minutes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedAlert {
    #[serde(flatten)]
    pub alert: AlertBrief,
    pub resolved_time: Time,
}

impl From<&Alert> for AlertBrief {
    fn from(a: &Alert) -> AlertBrief {
        AlertBrief {
            id: a.id.clone(),
            r#type: a.r#type.clone(),
            level: a.level.clone(),
            resource_id: a.resource_id.clone(),
            resource_name: a.resource_name.clone(),
            node: a.node.clone(),
            instance: a.instance.clone(),
            message: a.message.clone(),
            value: a.value,
            threshold: a.threshold,
            start_time: a.start_time,
            acknowledged: a.acknowledged,
        }
    }
}
