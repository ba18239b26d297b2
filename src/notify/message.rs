//! What somebody is to be told: a group of alerts and what happened to them. Plain values, with the keys by which a
//! second copy of the same news is known.

use crate::alerts::outgoing::{self, Item, Unit};
use crate::model::{Alert, Time};
use serde::{Deserialize, Serialize};

/// Alerts one message lists; further ones are counted.
pub const MOST_ALERTS: usize = 500;

/// What happened to the alerts of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// New, or grown from warning to critical.
    Raised,
    /// Still unacknowledged after the time of an escalation level.
    Escalated,
    Resolved,
    Acknowledged,
    /// Somebody wants to see whether a channel works.
    Test,
}

/// Whom a message is for, before routes and filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    All,
    Mail,
    Webhooks,
    /// Only receivers that keep each incident until they are told of its end (PagerDuty, Alertmanager).
    Incidents,
    /// All but those.
    People,
}

/// One piece of news.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Names this message for ever: a copy sent twice carries it twice.
    pub key: String,
    pub kind: Kind,
    pub audience: Audience,
    /// 1-based escalation level; 0 for other kinds.
    #[serde(default)]
    pub escalation: u32,
    pub at: Time,
    pub items: Vec<Item>,
    /// Alerts beyond those listed.
    #[serde(default)]
    pub more: u64,
    /// How many had to wait because too many messages were sent before.
    #[serde(default)]
    pub held: u64,
}

impl Message {
    pub fn new(kind: Kind, audience: Audience, escalation: u32, at: Time, items: Vec<Item>) -> Message {
        let mut message = Message { key: String::new(), kind, audience, escalation, at, items, more: 0, held: 0 };
        message.bound();
        message
    }

    /// What the engine decided to tell.
    pub fn decided(out: outgoing::Outgoing) -> Message {
        let audience = match out.audience {
            outgoing::Audience::Everyone => Audience::All,
            outgoing::Audience::IncidentTools => Audience::Incidents,
            outgoing::Audience::People => Audience::People,
        };
        let (kind, audience, escalation) = match out.kind {
            outgoing::Kind::Firing | outgoing::Kind::Held => (Kind::Raised, audience, 0),
            outgoing::Kind::Resolved => (Kind::Resolved, audience, 0),
            outgoing::Kind::Escalation { level, channels } => {
                let audience = match channels {
                    outgoing::Channels::Mail => Audience::Mail,
                    outgoing::Channels::Webhook => Audience::Webhooks,
                    outgoing::Channels::All => audience,
                };
                (Kind::Escalated, audience, level)
            }
        };
        Message::new(kind, audience, escalation, out.at, out.items)
    }

    /// Somebody took charge of an alert: only receivers that keep incidents want to know.
    pub fn acknowledged(alert: Alert, at: Time) -> Message {
        let item = Item {
            alert,
            unit: Unit::None,
            host: String::new(),
            tags: Vec::new(),
            worsened: false,
            held: None,
            resolved: None,
        };
        Message::new(Kind::Acknowledged, Audience::Incidents, 0, at, vec![item])
    }

    /// Keeps to the limit of listed alerts and names the message by what it lists.
    fn bound(&mut self) {
        self.more += self.items.len().saturating_sub(MOST_ALERTS) as u64;
        self.items.truncate(MOST_ALERTS);
        self.key = key_of(self);
    }

    /// The same news about some of the alerts only. `None` when none is left.
    pub fn only(&self, wanted: impl Fn(&Item) -> bool) -> Option<Message> {
        let items: Vec<Item> = self.items.iter().filter(|i| wanted(i)).cloned().collect();
        if items.is_empty() {
            return None;
        }
        let all = items.len() == self.items.len();
        let mut part = Message { items, more: if all { self.more } else { 0 }, ..self.clone() };
        part.bound();
        Some(part)
    }

    /// Takes in a later message of the same kind, because this one still waits. What was listed first stays first.
    pub fn join(&mut self, later: &Message) {
        self.held = self.held.max(self.count()) + later.count();
        self.more += later.more;
        self.items.extend(later.items.iter().cloned());
        self.more += self.items.len().saturating_sub(MOST_ALERTS) as u64;
        self.items.truncate(MOST_ALERTS);
        self.key = hex_of(format!("{} {}", self.key, later.key).as_bytes());
    }

    pub fn is_resolved(&self) -> bool {
        self.kind == Kind::Resolved
    }

    /// Alerts in all, listed or not.
    pub fn count(&self) -> u64 {
        self.items.len() as u64 + self.more
    }

    /// Listed alerts by level: critical, all others.
    pub fn levels(&self) -> (usize, usize) {
        let critical = self.items.iter().filter(|i| i.alert.level == "critical").count();
        (critical, self.items.len() - critical)
    }

    /// What happened to one of its alerts, as a number: the same event decided twice has the same one.
    pub fn event_of(&self, item: &Item) -> u64 {
        let a = &item.alert;
        let mut text = format!("{:?} {:?} {}\n{}\n{}", self.kind, self.audience, self.escalation, a.id, a.start_time.0);
        // That it became critical is news; that it was so when it ended is not.
        if self.kind == Kind::Raised {
            text.push_str(&a.level);
        }
        let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        digest.as_ref().iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }
}

/// The key of a message: the same for the same events, in whatever order.
fn key_of(message: &Message) -> String {
    let mut events: Vec<u64> = message.items.iter().map(|i| message.event_of(i)).collect();
    crate::order::sort(&mut events);
    let bytes: Vec<u8> = events.iter().flat_map(|e| e.to_be_bytes()).collect();
    hex_of(&bytes)
}

fn hex_of(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().iter().take(12).map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: &str, level: &str) -> Item {
        let alert = Alert { id: id.into(), level: level.into(), start_time: Time::from_unix(7), ..Alert::default() };
        Item {
            alert,
            unit: Unit::Percent,
            host: String::new(),
            tags: vec![],
            worsened: false,
            held: None,
            resolved: None,
        }
    }

    fn raised(at: i64, items: Vec<Item>) -> Message {
        Message::new(Kind::Raised, Audience::All, 0, Time::from_unix(at), items)
    }

    #[test]
    fn the_key_names_the_events_and_not_their_order_or_figures() {
        let one = raised(1, vec![item("a", "warning"), item("b", "critical")]);
        let mut later = item("a", "warning");
        later.alert.value = 99.0;
        let two = raised(5, vec![item("b", "critical"), later]);
        assert_eq!(one.key, two.key);
        assert_eq!(one.key.len(), 24);
        let others = [
            Message::new(Kind::Resolved, Audience::All, 0, one.at, one.items.clone()),
            Message::new(Kind::Raised, Audience::Incidents, 0, one.at, one.items.clone()),
            Message::new(Kind::Escalated, Audience::All, 1, one.at, one.items.clone()),
            Message::new(Kind::Escalated, Audience::All, 2, one.at, one.items.clone()),
            raised(1, vec![item("a", "critical"), item("b", "critical")]),
            one.only(|i| i.alert.id == "a").unwrap(),
        ];
        let keys: crate::order::Set<&str> = others.iter().map(|m| m.key.as_str()).collect();
        assert_eq!(keys.len(), others.len());
        assert!(!keys.contains(one.key.as_str()));
    }

    #[test]
    fn a_message_lists_no_more_than_its_limit_and_counts_the_rest() {
        let many: Vec<Item> = (0..MOST_ALERTS + 20).map(|n| item(&n.to_string(), "warning")).collect();
        let mut joined = raised(1, many[..300].to_vec());
        joined.join(&raised(2, many[300..].to_vec()));
        assert_eq!((joined.items.len(), joined.more, joined.count()), (MOST_ALERTS, 20, 520));
        assert_eq!(joined.held, 520);
        assert_eq!(joined.levels(), (0, MOST_ALERTS));
    }

    #[test]
    fn of_no_alerts_there_is_no_message() {
        let one = raised(1, vec![item("a", "warning")]);
        assert!(one.only(|_| false).is_none());
        assert_eq!(one.only(|_| true).unwrap(), one);
    }

    #[test]
    fn a_message_is_read_back_as_it_was_written() {
        let mut one = raised(1, vec![item("a", "warning")]);
        one.items[0].held = Some(outgoing::Hold::QuietHours);
        one.items[0].resolved = Some(Time::from_unix(9));
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<Message>(&text).unwrap(), one);
    }
}
