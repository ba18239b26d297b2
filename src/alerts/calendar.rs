//! Quiet hours and maintenance: whether a moment lies in them. Made once from the configuration.

use super::schedule::{DAYS, Days, Maintenance, QuietHours, Schedule};
use crate::model::{Alert, Time, local_zone};
use jiff::{Timestamp, civil::Weekday, tz::TimeZone};

/// The schedule, ready to be asked.
#[derive(Debug, Clone, Default)]
pub struct Calendar {
    quiet: Option<Span>,
    maintenance: Vec<Window>,
}

/// A daily span on some days, in a zone. Over midnight it belongs to the day it began.
#[derive(Debug, Clone)]
struct Span {
    start: Minute,
    end: Minute,
    zone: TimeZone,
    /// Monday first.
    days: [bool; 7],
}

/// Minutes since midnight.
type Minute = i32;

#[derive(Debug, Clone)]
struct Window {
    when: When,
    resources: Vec<String>,
}

#[derive(Debug, Clone)]
enum When {
    Weekly(Span),
    Once { from: Time, to: Time },
}

impl Calendar {
    pub fn of(schedule: &Schedule) -> Calendar {
        let windows = schedule.maintenance.iter().filter(|w| w.enabled).filter_map(Window::of).collect();
        Calendar { quiet: Span::quiet(&schedule.quiet_hours), maintenance: windows }
    }

    pub fn is_quiet(&self, at: Time) -> bool {
        self.quiet.as_ref().is_some_and(|span| span.contains(at))
    }

    /// When windows that come once begin and end.
    pub fn once(&self) -> impl Iterator<Item = Time> {
        self.maintenance
            .iter()
            .flat_map(|window| match window.when {
                When::Once { from, to } => [Some(from), Some(to)],
                When::Weekly(_) => [None, None],
            })
            .flatten()
    }

    /// The windows open at a moment; almost always none.
    pub fn open(&self, at: Time) -> Open<'_> {
        Open(self.maintenance.iter().filter(|w| w.contains(at)).map(|w| w.resources.as_slice()).collect())
    }
}

/// Resources of the maintenance windows that are open.
pub struct Open<'a>(Vec<&'a [String]>);

impl Open<'_> {
    /// Whether an alert lies in one: by connection, node, resource id or `<instance>:<vmid>`.
    pub fn covers(&self, alert: &Alert, vmid: Option<i64>) -> bool {
        self.0.iter().any(|resources| {
            resources.is_empty()
                || resources.iter().any(|r| {
                    r == &alert.instance
                        || (r == &alert.node && !r.is_empty())
                        || r == &alert.resource_id
                        || vmid.is_some_and(|v| r.strip_prefix(&alert.instance) == Some(&format!(":{v}")))
                })
        })
    }
}

impl Window {
    fn of(window: &Maintenance) -> Option<Window> {
        let when = match (window.from, window.to) {
            (Some(from), Some(to)) => When::Once { from, to },
            _ => When::Weekly(Span::of(&window.start, &window.end, &window.timezone, window.days.as_ref())?),
        };
        Some(Window { when, resources: window.resources.clone() })
    }
    fn contains(&self, at: Time) -> bool {
        match &self.when {
            When::Weekly(span) => span.contains(at),
            When::Once { from, to } => *from <= at && at < *to,
        }
    }
}

impl Span {
    fn quiet(quiet: &QuietHours) -> Option<Span> {
        if quiet.enabled { Span::of(&quiet.start, &quiet.end, &quiet.timezone, quiet.days.as_ref()) } else { None }
    }

    fn of(start: &str, end: &str, timezone: &str, days: Option<&Days>) -> Option<Span> {
        let on = |day: &&str| days.is_none_or(|days| days.get(*day).copied().unwrap_or(false));
        let mut flags = [false; 7];
        for (flag, day) in flags.iter_mut().zip(DAYS.iter()) {
            *flag = on(day);
        }
        Some(Span { start: minute(start)?, end: minute(end)?, zone: zone(timezone), days: flags })
    }

    fn contains(&self, at: Time) -> bool {
        let Ok(moment) = Timestamp::from_nanosecond(i128::from(at.0)) else { return false };
        let civil = self.zone.to_datetime(moment);
        let minute = i32::from(civil.hour()) * 60 + i32::from(civil.minute());
        let today = day_number(civil.weekday());
        let yesterday = (today + 6) % 7;
        let begins = |day: usize| self.days.get(day).copied().unwrap_or(false);
        if self.start <= self.end {
            begins(today) && self.start <= minute && minute < self.end
        } else {
            (begins(today) && minute >= self.start) || (begins(yesterday) && minute < self.end)
        }
    }
}

fn day_number(day: Weekday) -> usize {
    usize::try_from(day.to_monday_zero_offset()).unwrap_or(0)
}

/// `HH:MM`; `24:00` is the end of the day.
fn minute(text: &str) -> Option<Minute> {
    let (hour, minute) = text.trim().split_once(':')?;
    let (hour, minute): (i32, i32) = (hour.parse().ok()?, minute.parse().ok()?);
    let total = hour * 60 + minute;
    ((0..=24).contains(&hour) && (0..60).contains(&minute) && total <= 24 * 60).then_some(total)
}

/// Empty is UTC, an unknown name the server's zone, as in 4.9.
fn zone(name: &str) -> TimeZone {
    if name.is_empty() {
        return TimeZone::UTC;
    }
    crate::model::zone(name).unwrap_or_else(|| local_zone().clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn quiet(value: serde_json::Value) -> Calendar {
        Calendar::of(&Schedule::read(json!({ "quietHours": value })).unwrap())
    }
    fn at(text: &str) -> Time {
        Time::parse(text).unwrap()
    }

    #[test]
    fn a_span_over_midnight_belongs_to_the_day_it_began() {
        let friday_only = quiet(json!({"enabled": true, "start": "22:00", "end": "06:00", "timezone": "",
            "days": {"friday": true}}));
        assert!(friday_only.is_quiet(at("2025-08-29T23:00:00Z")), "Friday night");
        assert!(friday_only.is_quiet(at("2025-08-30T05:59:00Z")), "and the morning after");
        assert!(!friday_only.is_quiet(at("2025-08-29T05:00:00Z")), "but not the morning before");
        assert!(!friday_only.is_quiet(at("2025-08-30T06:00:00Z")));
        assert!(!friday_only.is_quiet(at("2025-08-30T23:00:00Z")));
    }

    #[test]
    fn the_zone_follows_summer_time() {
        let berlin = quiet(json!({"enabled": true, "start": "22:00", "end": "07:00", "timezone": "Europe/Berlin"}));
        assert!(berlin.is_quiet(at("2025-07-01T20:30:00Z")), "22:30 in summer");
        assert!(!berlin.is_quiet(at("2025-01-01T20:30:00Z")), "21:30 in winter");
        assert!(berlin.is_quiet(at("2025-10-26T05:30:00Z")), "06:30 after the clocks went back");
    }

    #[test]
    fn nonsense_is_never_quiet_and_equal_ends_are_no_span() {
        assert!(
            !quiet(json!({"enabled": true, "start": "25:00", "end": "07:00"})).is_quiet(at("2025-07-01T02:00:00Z"))
        );
        assert!(!quiet(json!({"enabled": true, "start": "", "end": ""})).is_quiet(at("2025-07-01T02:00:00Z")));
        assert!(
            !quiet(json!({"enabled": true, "start": "07:00", "end": "07:00"})).is_quiet(at("2025-07-01T07:00:00Z"))
        );
    }

    #[test]
    fn maintenance_is_weekly_or_once_and_for_some_or_all() {
        let calendar = Calendar::of(
            &Schedule::read(json!({"maintenance": [
                {"name": "patching", "days": ["sunday"], "start": "02:00", "end": "04:00", "timezone": "UTC",
                 "resources": ["lab:101", "alpha"]},
                {"name": "move", "from": "2025-08-01T00:00:00Z", "to": "2025-08-02T00:00:00Z"},
                {"name": "off", "enabled": false, "from": "2000-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"},
            ]}))
            .unwrap(),
        );
        let alert = |node: &str| Alert { instance: "lab".into(), node: node.into(), ..Alert::default() };
        let sunday = calendar.open(at("2025-08-31T03:00:00Z"));
        assert!(sunday.covers(&alert("alpha"), None));
        assert!(sunday.covers(&alert("beta"), Some(101)));
        assert!(!sunday.covers(&alert("beta"), Some(1010)));
        assert!(calendar.open(at("2025-08-01T12:00:00Z")).covers(&alert("beta"), None));
        assert!(!calendar.open(at("2025-08-02T00:00:00Z")).covers(&alert("beta"), None));
    }
}
