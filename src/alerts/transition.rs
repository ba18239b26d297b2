//! What happened to an alert: the engine's answer to each step, for history, clients and disk.

use super::level::Level;
use crate::model::{Alert, Time};

/// One change in the life of one alert. Every `Raised` is followed by exactly one `Resolved` of the same id.
#[derive(Debug, Clone, PartialEq)]
pub enum Transition {
    Raised(Alert),
    /// Between warning and critical, either way.
    LevelChanged(Alert),
    /// Nobody acknowledged for the time of this 1-based escalation level.
    Escalated(Alert, u32),
    Acknowledged(Alert),
    Unacknowledged(Alert),
    Resolved(Resolved),
}

/// The end of an alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// As it was last seen.
    pub alert: Alert,
    pub at: Time,
    /// The worst value while it was active.
    pub peak: f64,
    pub worst: Level,
    pub why: Why,
}

/// Why an alert ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The condition is no longer true.
    Recovered,
    /// The guest is not running, so its load says nothing.
    Stopped,
    /// The resource, or its connection, is gone.
    Gone,
    /// The configuration no longer asks for it.
    NotWatched,
    /// By hand.
    Cleared,
}

impl Why {
    pub fn as_str(self) -> &'static str {
        match self {
            Why::Recovered => "recovered",
            Why::Stopped => "stopped",
            Why::Gone => "gone",
            Why::NotWatched => "notWatched",
            Why::Cleared => "cleared",
        }
    }
}

impl Transition {
    /// The alert as it is after the change.
    pub fn alert(&self) -> &Alert {
        match self {
            Transition::Raised(a)
            | Transition::LevelChanged(a)
            | Transition::Escalated(a, _)
            | Transition::Acknowledged(a)
            | Transition::Unacknowledged(a) => a,
            Transition::Resolved(r) => &r.alert,
        }
    }
}
