//! What the tests of notifications share: alerts, messages, settings.

use pulse::alerts::outgoing::{Item, Unit};
use pulse::model::{Alert, Time};
use pulse::notify::settings::{Email, Settings, Webhook};
use pulse::notify::{Audience, Kind, Message};
use serde_json::{Value, json};

/// The moment the scenes begin.
pub const START_MS: i64 = 1_756_289_720_000;

pub fn at(ms: i64) -> Time {
    Time::from_millis(ms)
}

/// An alert of a guest's processor, raised at the start of the scene.
pub fn alert(id: &str, level: &str) -> Alert {
    Alert {
        id: id.to_owned(),
        r#type: "cpu".to_owned(),
        level: level.to_owned(),
        resource_id: "pve1-101".to_owned(),
        resource_name: "web".to_owned(),
        node: "alpha".to_owned(),
        instance: "homelab".to_owned(),
        message: "VM cpu at 91.2%".to_owned(),
        value: 91.23456,
        threshold: 80.0,
        start_time: at(START_MS),
        metadata: json!({"resourceType": "VM"}).as_object().cloned().unwrap(),
        ..Alert::default()
    }
}

pub fn item(alert: Alert) -> Item {
    Item {
        alert,
        unit: Unit::Percent,
        host: "https://192.0.2.10:8006".to_owned(),
        tags: vec!["prod".to_owned()],
        worsened: false,
        held: None,
        resolved: None,
    }
}

pub fn message(kind: Kind, items: Vec<Item>) -> Message {
    Message::new(kind, Audience::All, u32::from(kind == Kind::Escalated), at(START_MS), items)
}

/// New alerts of these ids, all warnings.
pub fn raised(ids: &[&str]) -> Message {
    message(Kind::Raised, ids.iter().map(|id| item(alert(id, "warning"))).collect())
}

pub fn webhook(body: Value) -> Webhook {
    let mut doc = json!({"id": "w1", "name": "hook", "url": "http://127.0.0.1:9/hook", "enabled": true});
    doc.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    Webhook::from_body(doc).unwrap()
}

pub fn email(body: Value) -> Email {
    let mut doc = json!({"enabled": true, "server": "127.0.0.1", "port": 25, "from": "pulse@example.org", "to": ["admin@example.org"]});
    doc.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    Email::from_value(doc).unwrap()
}

/// Mail and these webhooks, all enabled.
pub fn settings(webhooks: Vec<Webhook>) -> Settings {
    Settings { email: email(json!({})), webhooks, ..Settings::default() }
}
