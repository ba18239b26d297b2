//! `schedule` of the configuration: when and how often something is told. The document only; what follows from it is
//! decided in `calendar` and `telling`.

use super::limit::float;
use super::outgoing::Channels;
use crate::config::fields::{Fields, kind};
use crate::model::Time;
use crate::order::{self, Pairs};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Monday first, as the wire names them.
pub const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const WINDOWS_MAX: usize = 200;
const LEVELS_MAX: usize = 20;

pub type Days = order::Map<String, bool>;

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    pub quiet_hours: QuietHours,
    /// Minutes between two messages about the same alert; 0: none.
    pub cooldown: i64,
    /// Seconds to gather alerts for one message; 0: `grouping.window`.
    pub grouping_window: i64,
    /// Messages an hour about the same alert; 0: no limit.
    pub max_alerts_hour: i64,
    pub escalation: Escalation,
    pub grouping: Grouping,
    /// Tell people when an alert ends (contract state.md 8.4, row 59).
    pub notify_on_resolve: bool,
    /// Times in which nothing is told, by resource.
    pub maintenance: Vec<Maintenance>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QuietHours {
    pub enabled: bool,
    /// `HH:MM`.
    pub start: String,
    pub end: String,
    /// IANA name; empty: UTC; unknown: the server's.
    pub timezone: String,
    /// On which days they begin; absent: every day.
    pub days: Option<Days>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Escalation {
    pub enabled: bool,
    pub levels: Option<Vec<EscalationLevel>>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EscalationLevel {
    /// Minutes since the start of the alert.
    pub after: i64,
    /// `email`, `webhook` or `all`.
    pub notify: String,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Grouping {
    pub enabled: bool,
    /// Seconds.
    pub window: i64,
    pub by_node: bool,
    pub by_guest: bool,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A maintenance window: weekly (`days`, `start`, `end`, `timezone`) or once (`from`, `to`).
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Maintenance {
    pub name: String,
    pub enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<Days>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub start: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub end: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub timezone: String,
    /// Only these: connection names, node names, resource ids or `<instance>:<vmid>`. Empty: everything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl EscalationLevel {
    pub fn of(after: i64, notify: &str) -> EscalationLevel {
        EscalationLevel { after, notify: notify.to_owned(), extra: Map::new() }
    }
    pub fn channels(&self) -> Channels {
        match self.notify.as_str() {
            "email" => Channels::Mail,
            "webhook" => Channels::Webhook,
            _ => Channels::All,
        }
    }
}

impl Schedule {
    /// What a fresh installation has (contract state.md 8.4, row 63). `timezone`: the server's.
    pub fn fresh(timezone: &str) -> Schedule {
        let working_day = |n: usize| n < 5;
        Schedule {
            quiet_hours: QuietHours {
                enabled: false,
                start: "22:00".to_owned(),
                end: "08:00".to_owned(),
                timezone: timezone.to_owned(),
                days: Some(DAYS.iter().enumerate().map(|(n, d)| ((*d).to_owned(), working_day(n))).mapped()),
                extra: Map::new(),
            },
            cooldown: 5,
            grouping_window: 30,
            max_alerts_hour: 10,
            escalation: Escalation {
                enabled: false,
                levels: Some(vec![
                    EscalationLevel::of(15, "email"),
                    EscalationLevel::of(30, "webhook"),
                    EscalationLevel::of(60, "all"),
                ]),
                extra: Map::new(),
            },
            grouping: Grouping { enabled: true, window: 30, by_node: true, by_guest: false, extra: Map::new() },
            notify_on_resolve: false,
            maintenance: Vec::new(),
            extra: Map::new(),
        }
    }

    pub fn read(value: Value) -> Result<Schedule, String> {
        let mut f = Fields::of(value, "schedule")?;
        Ok(Schedule {
            quiet_hours: QuietHours::read(f.take("quietHours").unwrap_or(Value::Null))?,
            cooldown: f.int("cooldown")?.unwrap_or(0).clamp(0, 10_080),
            grouping_window: f.int("groupingWindow")?.unwrap_or(0).clamp(0, 86_400),
            max_alerts_hour: f.int("maxAlertsHour")?.unwrap_or(0).clamp(0, 10_000),
            escalation: Escalation::read(f.take("escalation").unwrap_or(Value::Null))?,
            grouping: Grouping::read(f.take("grouping").unwrap_or(Value::Null))?,
            notify_on_resolve: f.flag("notifyOnResolve")?.unwrap_or(false),
            maintenance: read_maintenance(&mut f)?,
            extra: f.rest(),
        })
    }

    /// Seconds that alerts are gathered for one message.
    pub fn gather_secs(&self) -> i64 {
        match (self.grouping.enabled, self.grouping_window) {
            (false, _) => 0,
            (true, window) if window > 0 => window,
            (true, _) => self.grouping.window,
        }
    }
}

impl QuietHours {
    fn read(value: Value) -> Result<QuietHours, String> {
        let mut f = Fields::of(value, "schedule.quietHours")?;
        Ok(QuietHours {
            enabled: f.flag("enabled")?.unwrap_or(false),
            start: f.text("start")?.unwrap_or_default(),
            end: f.text("end")?.unwrap_or_default(),
            timezone: f.text("timezone")?.unwrap_or_default(),
            days: read_days(&mut f)?,
            extra: f.rest(),
        })
    }
}

impl Escalation {
    fn read(value: Value) -> Result<Escalation, String> {
        let mut f = Fields::of(value, "schedule.escalation")?;
        let enabled = f.flag("enabled")?.unwrap_or(false);
        let levels = match f.list("levels")? {
            None => None,
            Some(items) if items.len() > LEVELS_MAX => {
                return Err(format!("schedule.escalation.levels: at most {LEVELS_MAX}"));
            }
            Some(items) => Some(items.into_iter().map(read_level).collect::<Result<_, _>>()?),
        };
        Ok(Escalation { enabled, levels, extra: f.rest() })
    }
}

fn read_level(value: Value) -> Result<EscalationLevel, String> {
    let mut f = Fields::of(value, "schedule.escalation.levels")?;
    Ok(EscalationLevel {
        after: f.int("after")?.unwrap_or(0).clamp(0, 525_600),
        notify: f.text("notify")?.unwrap_or_default(),
        extra: f.rest(),
    })
}

impl Grouping {
    fn read(value: Value) -> Result<Grouping, String> {
        let mut f = Fields::of(value, "schedule.grouping")?;
        Ok(Grouping {
            enabled: f.flag("enabled")?.unwrap_or(false),
            window: f.int("window")?.unwrap_or(0).clamp(0, 86_400),
            by_node: f.flag("byNode")?.unwrap_or(false),
            by_guest: f.flag("byGuest")?.unwrap_or(false),
            extra: f.rest(),
        })
    }
}

fn read_maintenance(f: &mut Fields) -> Result<Vec<Maintenance>, String> {
    let items = f.list("maintenance")?.unwrap_or_default();
    if items.len() > WINDOWS_MAX {
        return Err(format!("schedule.maintenance: at most {WINDOWS_MAX} windows"));
    }
    items.into_iter().map(Maintenance::read).collect()
}

impl Maintenance {
    fn read(value: Value) -> Result<Maintenance, String> {
        let mut f = Fields::of(value, "schedule.maintenance")?;
        Ok(Maintenance {
            name: f.text("name")?.unwrap_or_default(),
            enabled: f.flag("enabled")?.unwrap_or(true),
            from: moment(&mut f, "from")?,
            to: moment(&mut f, "to")?,
            days: read_days(&mut f)?,
            start: f.text("start")?.unwrap_or_default(),
            end: f.text("end")?.unwrap_or_default(),
            timezone: f.text("timezone")?.unwrap_or_default(),
            resources: f.texts("resources")?.unwrap_or_default(),
            extra: f.rest(),
        })
    }
}

fn moment(f: &mut Fields, name: &str) -> Result<Option<Time>, String> {
    match f.text(name)? {
        None => Ok(None),
        Some(text) if text.is_empty() => Ok(None),
        Some(text) => match Time::parse(&text).filter(|t| t.is_set()) {
            Some(t) => Ok(Some(t)),
            None => Err(format!("{}.{name}: an RFC 3339 time expected", f.place())),
        },
    }
}

/// Days as an object of flags, or as the list of numbers of old times (0 = Sunday); names in a list count too.
fn read_days(f: &mut Fields) -> Result<Option<Days>, String> {
    let bad = |what: &Value| format!("{}: an object of days expected, {} found", "days", kind(what));
    match f.take("days") {
        None => Ok(None),
        Some(Value::Object(map)) => {
            let flag = |(day, v): (String, Value)| match v {
                Value::Bool(on) => Ok((day.to_ascii_lowercase(), on)),
                Value::Null => Ok((day.to_ascii_lowercase(), false)),
                other => Err(format!("days.{day}: true or false expected, {} found", kind(&other))),
            };
            map.into_iter().map(flag).try_mapped().map(Some)
        }
        Some(Value::Array(items)) => {
            let mut days: Days = DAYS.iter().map(|d| ((*d).to_owned(), false)).mapped();
            for item in &items {
                let sunday_first = item.as_u64().filter(|n| *n <= 7).map(|n| (n as usize + 6) % 7);
                let named = item.as_str().and_then(|t| DAYS.iter().position(|d| d.eq_ignore_ascii_case(t)));
                let day = sunday_first.or(named).and_then(|n| DAYS.get(n)).ok_or_else(|| bad(item))?;
                days.insert((*day).to_owned(), true);
            }
            Ok(Some(days))
        }
        Some(other) => Err(bad(&other)),
    }
}

/// 4.9 wrote a schedule of nothing but zeros when none had been configured: whether this is one.
pub fn was_never_set(value: &Value) -> bool {
    fn empty(value: &Value) -> bool {
        match value {
            Value::Null | Value::Bool(false) => true,
            Value::Number(n) => n.as_f64() == Some(0.0),
            Value::String(s) => s.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.values().all(empty),
            Value::Bool(true) => false,
        }
    }
    // Our own key shows that somebody saved zeros on purpose.
    empty(value) && value.get("notifyOnResolve").is_none()
}

/// The top-level numbers 4.9 never leaves at nothing (contract state.md 6.2).
pub fn positive(f: &mut Fields, name: &str, otherwise: f64) -> Result<f64, String> {
    Ok(float(f, name)?.filter(|n| *n > 0.0).unwrap_or(otherwise))
}
