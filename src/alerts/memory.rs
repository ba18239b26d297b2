//! What a restart must know besides the active alerts: who was told of what, what was cleared by hand, when messages went
//! out. One small file beside 4.9's; without it everything active counts as told.

use super::check::Check;
use super::outgoing::{Audience, Item};
use super::telling::Telling;
use crate::model::{Alert, Time};
use crate::order::Map;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Memory {
    /// By alert id.
    pub alerts: Map<String, Telling>,
    pub cleared: Vec<Cleared>,
    /// When messages about an alert went out.
    pub sent: Map<String, Vec<Time>>,
    /// Ended alerts that people hear of when the quiet hours are over.
    pub held: Vec<Item>,
    /// Ended alerts whose message is being gathered.
    pub ending: Vec<Ending>,
}

/// An ended alert and who is still to hear of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ending {
    pub audience: Audience,
    /// What the alerts of its message have in common.
    #[serde(default)]
    pub shared: String,
    pub item: Item,
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
    /// The process was killed after the journal said that this alert ended and before its end was handed over safely:
    /// who was told of it hears of it now. Those who are told twice know it by its key.
    pub fn end(&mut self, alert: Alert, at: Time, to_people: bool) {
        let Some(telling) = self.alerts.remove(&alert.id).filter(|t| t.told) else { return };
        let Some(check) = Check::parse(&alert.r#type) else { return };
        let same = |i: &Item| i.alert.id == alert.id && i.alert.start_time == alert.start_time;
        if self.ending.iter().any(|e| same(&e.item)) || self.held.iter().any(same) {
            return;
        }
        let item = Item {
            unit: check.unit(),
            host: String::new(),
            tags: Vec::new(),
            worsened: false,
            held: telling.held,
            resolved: Some(at),
            alert,
        };
        if to_people {
            self.held.push(item.clone());
        }
        self.ending.push(Ending { audience: Audience::IncidentTools, shared: String::new(), item });
    }

    pub fn read(bytes: &[u8]) -> Result<Memory, String> {
        super::ledger::read(bytes)
    }
}
