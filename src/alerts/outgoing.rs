//! What the engine hands to the notify room: which alerts to tell whom about, decided; nothing here is sent.
//! Cool-down, quiet hours, maintenance, hourly limit, grouping and escalation are already applied; each value is to be
//! delivered once, in the order given.

use crate::model::{Alert, Time};
use serde::{Deserialize, Serialize};

/// One message to each receiver: a group of alerts that belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    pub kind: Kind,
    pub audience: Audience,
    /// Never empty. Own copies: receivers may render them as they like.
    pub items: Vec<Item>,
    /// When it was decided.
    pub at: Time,
}

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// New alerts, or alerts that became critical (`Item::worsened`).
    Firing,
    /// As `Firing`, but all of it had to wait (quiet hours, maintenance, hourly limit) and is still true.
    Held,
    /// Alerts that ended after they had been told.
    Resolved,
    /// Nobody acknowledged: 1-based level of `schedule.escalation.levels`, and where that level wants it sent.
    Escalation { level: u32, channels: Channels },
}

/// The channels an escalation level names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channels {
    Mail,
    Webhook,
    All,
}

/// Who gets a message. Incident tools (PagerDuty) close what they opened even when people do not want to hear of
/// recoveries (contract state.md 8.4, row 59).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Audience {
    Everyone,
    /// Only receivers that keep incidents open until they are told of the end.
    IncidentTools,
    /// Everyone else: the incident tools already know.
    People,
}

/// One alert of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    pub alert: Alert,
    pub unit: Unit,
    /// URL of the host the alert is about (`https://alpha:8006`), empty when not known: the templates' `.Instance`.
    pub host: String,
    /// The guest's tags, for receivers that want only some.
    pub tags: Vec<String>,
    /// It was told as a warning and is critical now.
    pub worsened: bool,
    /// Why it comes later than it was raised.
    pub held: Option<Hold>,
    /// When it ended, in `Kind::Resolved`.
    pub resolved: Option<Time>,
}

/// What `value` and `threshold` of an alert count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    Percent,
    /// 2^20 bytes a second.
    MegabytesPerSecond,
    Days,
    Count,
    /// The figures say nothing (offline, degraded, …): leave them out.
    None,
}

/// Why a message had to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Hold {
    QuietHours,
    Maintenance,
    HourlyLimit,
    CoolDown,
}

impl Hold {
    /// Words for an explanation.
    pub fn as_str(self) -> &'static str {
        match self {
            Hold::QuietHours => "the end of the quiet hours",
            Hold::Maintenance => "the end of the maintenance",
            Hold::HourlyLimit => "the hourly limit",
            Hold::CoolDown => "the cool-down",
        }
    }
}
