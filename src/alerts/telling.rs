//! Who is told of what, when: cool-down, quiet hours, maintenance, hourly limit, grouping, escalation. What must wait is
//! owed, not dropped, and is told later if it is still true. Decisions only; they leave as `Outgoing` values.

mod due;

use super::book::{Active, Book};
use super::calendar::Calendar;
use super::check::Check;
use super::config::Config;
use super::level::Level;
use super::memory::{Ending, Memory};
use super::outgoing::{Audience, Channels, Hold, Item, Kind, Outgoing};
use super::schedule::Schedule;
use super::transition::{Resolved, Transition, Why};
use super::watch::Key;
use crate::model::{Now, Time};
use crate::order::Map;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const HOUR_MS: i64 = 3_600_000;
/// Beyond it the oldest resolutions that wait for the end of the quiet hours are not told.
const HELD_MAX: usize = 2_000;

/// How far one alert is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Telling {
    /// Still to be told.
    pub owed: Option<Owed>,
    /// Why it was not told at once.
    pub held: Option<Hold>,
    /// Somebody was told that it is active.
    pub told: bool,
    /// Somebody was told that it is critical.
    pub told_critical: bool,
    /// When its incident began; only in the file, where an id alone could be an older incident's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Time>,
    /// It is in a group that is being gathered. Not kept over a restart: what was gathered is owed again.
    #[serde(skip)]
    pub queued: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Owed {
    Raised,
    /// Told as a warning, critical now.
    Worsened,
}

impl Telling {
    pub fn owed() -> Telling {
        Telling { owed: Some(Owed::Raised), ..Telling::default() }
    }
    /// Whether it is of the incident that began then.
    pub fn is_of(&self, start: Time) -> bool {
        self.start.is_none_or(|own| own == start)
    }
    /// Of an alert that an older version knew: it told of it then.
    pub fn told(level: Level) -> Telling {
        Telling { told: true, told_critical: level == Level::Critical, ..Telling::default() }
    }
    pub fn level_changed(&mut self, worse: bool) {
        if worse && self.told && !self.told_critical {
            self.owed = self.owed.or(Some(Owed::Worsened));
        } else if !worse && self.owed == Some(Owed::Worsened) {
            self.drop_owed();
        }
    }
    /// Nobody looks after it any more: what was not told because somebody did is owed again.
    pub fn taken_back(&mut self, level: Level) {
        if self.owed.is_none() {
            self.owed = match (self.told, level) {
                (false, _) => Some(Owed::Raised),
                (true, Level::Critical) if !self.told_critical => Some(Owed::Worsened),
                _ => None,
            };
        }
    }
    fn drop_owed(&mut self) {
        self.owed = None;
        self.held = None;
        self.queued = false;
    }
}

/// When messages about one alert went out, on the monotonic clock; negative: before this process began.
pub type SentTimes = Vec<i64>;

/// See the module.
#[derive(Debug, Default)]
pub struct Teller {
    calendar: Arc<Calendar>,
    /// Groups being gathered, by when they were opened and what they share.
    groups: Vec<Group>,
    sent: Map<String, SentTimes>,
    /// Resolutions people hear of when the quiet hours are over.
    held: Vec<Item>,
    /// Whether anything changed that must survive a restart.
    changed: bool,
}

#[derive(Debug)]
struct Group {
    key: GroupKey,
    opened_ms: u64,
    members: Vec<Member>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct GroupKey {
    resolved: bool,
    audience: Audience,
    shared: String,
}

#[derive(Debug)]
enum Member {
    /// An active alert, by id.
    Active(String),
    Resolved(Box<Item>),
}

impl Teller {
    pub fn set_schedule(&mut self, schedule: &Schedule) {
        self.calendar = Arc::new(Calendar::of(schedule));
    }

    pub fn sent(&self) -> &Map<String, SentTimes> {
        &self.sent
    }
    pub fn held(&self) -> &[Item] {
        &self.held
    }
    /// The ended alerts whose message is being gathered.
    pub fn ending(&self) -> Vec<Ending> {
        let mut ending = Vec::new();
        for group in &self.groups {
            ending.extend(group.members.iter().filter_map(|member| match member {
                Member::Resolved(item) => {
                    let (audience, shared) = (group.key.audience, group.key.shared.clone());
                    Some(Ending { audience, shared, item: Item::clone(item) })
                }
                Member::Active(_) => None,
            }));
        }
        ending
    }
    pub fn restore(&mut self, sent: Map<String, SentTimes>, memory: Memory, now: Now) {
        self.sent = sent;
        self.held = memory.held;
        for Ending { audience, shared, item } in memory.ending {
            self.put(GroupKey { resolved: true, audience, shared }, Member::Resolved(Box::new(item)), now.mono_ms);
        }
    }
    pub fn has_work(&self) -> bool {
        !self.groups.is_empty() || !self.held.is_empty()
    }
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Decides what goes out now.
    pub fn step(&mut self, book: &mut Book, config: &Config, now: Now) -> Vec<Outgoing> {
        let mut out = Vec::new();
        let ended = book.take_ended();
        let work = !self.groups.is_empty() || !self.held.is_empty() || !ended.is_empty();
        if !work && book.is_empty() {
            return out;
        }
        let calendar = self.calendar.clone();
        let rules = Rules::of(&calendar, config, now);
        for (active, resolved) in ended {
            self.ended(&active, resolved, &rules);
        }
        if config.enabled {
            self.release_held(&rules);
            self.gather_owed(book, &rules);
            out.extend(self.escalate(book, &rules));
        }
        self.flush(book, &rules, &mut out);
        self.forget(&rules);
        out
    }

    /// An alert ended: what was to be told of it is void; who was told of it hears the end.
    fn ended(&mut self, active: &Active, resolved: Resolved, rules: &Rules) {
        let id = &active.alert.id;
        for group in &mut self.groups {
            group.members.retain(|m| !matches!(m, Member::Active(other) if other == id));
        }
        self.groups.retain(|g| !g.members.is_empty());
        if !active.telling.told || active.silent {
            return;
        }
        let mut item = item(active);
        item.alert = resolved.alert;
        item.resolved = Some(resolved.at);
        let announced = rules.schedule.notify_on_resolve && resolved.why != Why::Cleared;
        let audience = match (announced, rules.hold(active)) {
            (false, _) => Audience::IncidentTools,
            (true, None) => Audience::Everyone,
            (true, Some(hold)) => {
                if self.held.len() < HELD_MAX {
                    self.held.push(Item { held: Some(hold), ..item.clone() });
                }
                self.changed = true;
                Audience::IncidentTools
            }
        };
        let shared = rules.shared(active);
        self.put(GroupKey { resolved: true, audience, shared }, Member::Resolved(Box::new(item)), rules.now.mono_ms);
    }

    /// The quiet hours or the maintenance are over: people hear of what ended meanwhile, in one message.
    fn release_held(&mut self, rules: &Rules) {
        if self.held.is_empty() {
            return;
        }
        let waits = |i: &Item| {
            let level = super::watch::level_of(&i.alert.level);
            (rules.quiet && level == Level::Warning) || rules.open.covers(&i.alert, None)
        };
        let (waiting, ready) = std::mem::take(&mut self.held).into_iter().partition(waits);
        self.held = waiting;
        for item in ready {
            self.changed = true;
            let key = GroupKey { resolved: true, audience: Audience::People, shared: String::new() };
            self.put(key, Member::Resolved(Box::new(item)), rules.now.mono_ms);
        }
    }

    fn put(&mut self, key: GroupKey, member: Member, now_ms: u64) {
        self.changed |= key.resolved;
        match self.groups.iter_mut().find(|g| g.key == key) {
            Some(group) => group.members.push(member),
            None => self.groups.push(Group { key, opened_ms: now_ms, members: vec![member] }),
        }
    }

    /// Puts what is owed and may be told into its group.
    fn gather_owed(&mut self, book: &mut Book, rules: &Rules) {
        let mut ready = Vec::new();
        for active in book.iter_mut().filter(|a| a.telling.owed.is_some() && !a.telling.queued) {
            if active.alert.acknowledged || active.silent {
                active.telling.drop_owed();
                self.changed = true;
                continue;
            }
            let hold = rules.hold(active).or_else(|| self.too_soon(&active.alert.id, rules));
            if let Some(hold) = hold {
                self.changed |= active.telling.held != Some(hold);
                active.telling.held = Some(hold);
                continue;
            }
            active.telling.queued = true;
            let key = GroupKey { resolved: false, audience: Audience::Everyone, shared: rules.shared(active) };
            ready.push((key, active.alert.id.clone()));
        }
        for (key, id) in ready {
            self.put(key, Member::Active(id), rules.now.mono_ms);
        }
    }

    /// Cool-down and hourly limit of one alert.
    fn too_soon(&self, id: &str, rules: &Rules) -> Option<Hold> {
        let times = self.sent.get(id)?;
        let last = times.last()?;
        if rules.now_ms < last.saturating_add(rules.schedule.cooldown.saturating_mul(60_000)) {
            return Some(Hold::CoolDown);
        }
        let within = times.iter().filter(|t| rules.now_ms < t.saturating_add(HOUR_MS)).count();
        let limit = usize::try_from(rules.schedule.max_alerts_hour).unwrap_or(0);
        (limit > 0 && within >= limit).then_some(Hold::HourlyLimit)
    }

    /// Sends the groups that were gathered long enough.
    fn flush(&mut self, book: &mut Book, rules: &Rules, out: &mut Vec<Outgoing>) {
        let window_ms = u64::try_from(rules.schedule.gather_secs()).unwrap_or(0).saturating_mul(1_000);
        let due = |g: &Group| rules.now.mono_ms >= g.opened_ms.saturating_add(window_ms);
        let (ready, waiting) = std::mem::take(&mut self.groups).into_iter().partition(due);
        self.groups = waiting;
        for group in ready {
            let items: Vec<Item> =
                group.members.into_iter().filter_map(|member| self.told(member, book, rules.now_ms)).collect();
            if items.is_empty() {
                continue;
            }
            self.changed = true;
            let waited = |i: &Item| matches!(i.held, Some(Hold::QuietHours | Hold::Maintenance | Hold::HourlyLimit));
            let kind = match group.key.resolved {
                true => Kind::Resolved,
                false if items.iter().all(waited) => Kind::Held,
                false => Kind::Firing,
            };
            out.push(Outgoing { kind, audience: group.key.audience, items, at: rules.now.wall });
        }
    }

    /// What a message says of a member; an active one counts as told from here on.
    fn told(&mut self, member: Member, book: &mut Book, now_ms: i64) -> Option<Item> {
        let id = match member {
            Member::Resolved(item) => return Some(*item),
            Member::Active(id) => id,
        };
        let active = book.get_mut(&id)?;
        let owed = active.telling.owed;
        let mut item = item(active);
        item.worsened = owed == Some(Owed::Worsened);
        item.held = active.telling.held;
        active.telling.drop_owed();
        if active.alert.acknowledged || owed.is_none() {
            return None;
        }
        active.telling.told = true;
        active.telling.told_critical |= active.level == Level::Critical;
        self.sent.entry(id).or_default().push(now_ms);
        Some(item)
    }

    /// Levels nobody acknowledged in time. They do not wait for the cool-down; several overdue ones go as one.
    fn escalate(&mut self, book: &mut Book, rules: &Rules) -> Vec<Outgoing> {
        let escalation = &rules.schedule.escalation;
        let levels = match &escalation.levels {
            Some(levels) if escalation.enabled && !levels.is_empty() => levels,
            _ => return Vec::new(),
        };
        let mut batches: Map<(u32, Channels), Vec<Item>> = Map::new();
        let mut transitions = Vec::new();
        for active in book.iter_mut().filter(|a| !a.alert.acknowledged && !a.silent) {
            let lasted_ms = rules.now_ms.saturating_sub(active.since_ms);
            let done = usize::try_from(active.alert.last_escalation).unwrap_or(usize::MAX);
            let overdue = levels.iter().enumerate().skip(done);
            let overdue = overdue.filter(|(_, l)| lasted_ms >= l.after.saturating_mul(60_000));
            let mut reached: Option<(usize, Channels)> = None;
            for (n, level) in overdue {
                let channels = level.channels();
                let both = reached.map_or(channels, |(_, c)| if c == channels { c } else { Channels::All });
                reached = Some((n + 1, both));
            }
            let Some((level, channels)) = reached.filter(|_| rules.hold(active).is_none()) else { continue };
            active.alert.last_escalation = i64::try_from(level).unwrap_or(i64::MAX);
            active.alert.escalation_times.push(rules.now.wall);
            active.telling.drop_owed();
            active.telling.told = true;
            active.telling.told_critical |= active.level == Level::Critical;
            self.sent.entry(active.alert.id.clone()).or_default().push(rules.now_ms);
            let level = u32::try_from(level).unwrap_or(u32::MAX);
            batches.entry((level, channels)).or_default().push(item(active));
            transitions.push(Transition::Escalated(active.alert.clone(), level));
        }
        self.changed |= !transitions.is_empty();
        for transition in transitions {
            book.push(transition);
        }
        let message = |((level, channels), items)| Outgoing {
            kind: Kind::Escalation { level, channels },
            audience: Audience::Everyone,
            items,
            at: rules.now.wall,
        };
        batches.into_iter().map(message).collect()
    }

    /// Drops times that no rule asks for any more.
    fn forget(&mut self, rules: &Rules) {
        let keep_ms = rules.schedule.cooldown.saturating_mul(60_000).max(HOUR_MS);
        self.sent.retain(|_, times| {
            times.retain(|t| rules.now_ms < t.saturating_add(keep_ms));
            !times.is_empty()
        });
    }
}

/// What holds at the moment of a step.
struct Rules<'a> {
    schedule: &'a Schedule,
    now: Now,
    now_ms: i64,
    quiet: bool,
    open: super::calendar::Open<'a>,
}

impl<'a> Rules<'a> {
    fn of(calendar: &'a Calendar, config: &'a Config, now: Now) -> Rules<'a> {
        Rules {
            schedule: &config.schedule,
            now,
            now_ms: i64::try_from(now.mono_ms).unwrap_or(i64::MAX),
            quiet: calendar.is_quiet(now.wall),
            open: calendar.open(now.wall),
        }
    }

    /// Quiet hours hold warnings, maintenance holds everything.
    fn hold(&self, active: &Active) -> Option<Hold> {
        let vmid = match active.key {
            Some(Key::Guest(_, vmid)) => Some(vmid),
            _ => None,
        };
        if self.open.covers(&active.alert, vmid) {
            Some(Hold::Maintenance)
        } else if self.quiet && active.level == Level::Warning {
            Some(Hold::QuietHours)
        } else {
            None
        }
    }

    /// What alerts in one message have in common. Hosts that go down together are told of together.
    fn shared(&self, active: &Active) -> String {
        let grouping = &self.schedule.grouping;
        if !grouping.enabled {
            return active.alert.id.clone();
        }
        let mut shared = String::new();
        if grouping.by_node && !matches!(active.check, Check::Connectivity | Check::Offline | Check::Quorum) {
            shared.push_str(&active.alert.node);
        }
        if grouping.by_guest
            && let Some(kind) = active.alert.metadata.get("resourceType").and_then(|v| v.as_str())
        {
            shared.push('\n');
            shared.push_str(kind);
        }
        shared
    }
}

/// An alert as a message carries it.
fn item(active: &Active) -> Item {
    Item {
        alert: active.alert.clone(),
        unit: active.check.unit(),
        host: active.host.clone(),
        tags: active.tags.clone(),
        worsened: false,
        held: None,
        resolved: None,
    }
}

/// Times on the monotonic clock as wall times and back, for the disk.
pub fn to_wall(times: &SentTimes, now: Now) -> Vec<Time> {
    let now_ms = i64::try_from(now.mono_ms).unwrap_or(i64::MAX);
    times.iter().map(|t| Time::from_millis(now.unix_millis().saturating_sub(now_ms.saturating_sub(*t)))).collect()
}

/// Times in the future (the clock was set back) count as now.
pub fn from_wall(times: &[Time], now: Now) -> SentTimes {
    let now_ms = i64::try_from(now.mono_ms).unwrap_or(i64::MAX);
    let age_ms = |t: &Time| i64::try_from(now.wall.since(*t).as_millis()).unwrap_or(i64::MAX);
    times.iter().map(|t| now_ms.saturating_sub(age_ms(t))).collect()
}
