//! A second account of what must be true, kept apart from the engine: which alerts are active by their transitions, who
//! was told, since when each condition holds.

use pulse::alerts::check::Check;
use pulse::alerts::outgoing::{Audience, Kind};
use pulse::alerts::{Engine, Outgoing, Step, Transition, Why};
use pulse::model::{Alert, Guest, Lent, State, Time};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const SUPPRESSION_MS: u64 = 5 * 60_000;
/// A lock holds for a day; around its end nothing is expected.
const LOCKED_MS: u64 = 23 * 3_600_000;
const GONE_AFTER_POLLS: u32 = 3;

/// Guest and type of alert.
type What = (i64, &'static str);

#[derive(Default)]
pub struct Oracle {
    delay_ms: u64,
    powered_off: bool,
    announced: bool,
    active: BTreeMap<String, Incident>,
    over: BTreeMap<(String, Time), Incident>,
    /// Since when and how often late enough a condition was seen true without interruption.
    streaks: BTreeMap<What, (u64, u32)>,
    /// Cleared by hand and not seen false since; false: under other settings it may have been.
    cleared: BTreeMap<What, bool>,
    /// Polls in which a guest that once had an alert was absent.
    absent: BTreeMap<i64, u32>,
    /// When a guest was first seen locked by this process.
    locked: BTreeMap<i64, u64>,
    /// Guests that were silenced at some time: nothing is expected about messages.
    silenced: BTreeSet<i64>,
    raised: u64,
    messages: u64,
    checked: u64,
}

#[derive(Default)]
struct Incident {
    start: Time,
    vmid: i64,
    acknowledged: bool,
    told: bool,
    fired: u32,
    worsened: u32,
    /// Messages of the end: to tools that keep incidents open, and to people.
    ended: [u32; 2],
    why: Option<Why>,
}

#[derive(PartialEq)]
enum Truth {
    /// The condition holds.
    Met,
    /// It does not: no alert may be active.
    Fine,
    /// Between the limits or held: neither must be.
    Open,
}

fn vmid_of(alert: &Alert) -> i64 {
    alert.resource_id.rsplit('-').next().and_then(|v| v.parse().ok()).unwrap_or(0)
}

impl Oracle {
    pub fn new(settings: &Value) -> Oracle {
        Oracle {
            delay_ms: settings["guestDefaults"]["cpu"]["delay"].as_u64().unwrap() * 1_000,
            powered_off: settings["checks"]["powered-off"]["enabled"] == true,
            announced: settings["schedule"]["notifyOnResolve"] == true,
            ..Oracle::default()
        }
    }

    pub fn sums(&self) -> (u64, u64, u64) {
        (self.raised, self.messages, self.checked)
    }
    pub fn tagged(&mut self, guest: &Guest) {
        self.streaks.retain(|(vmid, _), _| *vmid != guest.vmid);
        if guest.tags.iter().any(|t| t == "pulse-monitor-only") {
            self.silenced.insert(guest.vmid);
        }
    }
    pub fn deleted(&mut self, guest: &Guest) {
        self.streaks.retain(|(vmid, _), _| *vmid != guest.vmid);
        self.cleared.retain(|(vmid, _), _| *vmid != guest.vmid);
    }
    pub fn cleared(&mut self, alert: &Alert) {
        if let Some(check) = Check::parse(&alert.r#type) {
            self.cleared.insert((vmid_of(alert), check.name()), true);
        }
    }
    pub fn removed(&mut self, guests: &[Lent<Guest>]) {
        self.cleared.retain(|(vmid, _), _| guests.iter().all(|g| g.vmid != *vmid));
        self.streaks.clear();
    }
    pub fn config_saved(&mut self) {
        self.streaks.clear();
    }
    /// What was pending begins anew, and so does the count of polls.
    pub fn restarted(&mut self) {
        self.streaks.clear();
        self.absent.clear();
        self.locked.clear();
    }

    /// Takes transitions and messages in the order they came.
    pub fn take(&mut self, step: &Step, state: &State, now_ms: u64) {
        for transition in &step.transitions {
            self.transition(transition, state, now_ms);
        }
        for outgoing in &step.outgoing {
            self.message(outgoing);
        }
    }

    fn transition(&mut self, transition: &Transition, state: &State, now_ms: u64) {
        let alert = transition.alert();
        let id = &alert.id;
        if let Transition::Raised(_) = transition {
            self.raised += 1;
            let vmid = vmid_of(alert);
            if let Some(guest) = state.vms.iter().find(|g| g.vmid == vmid) {
                let since_ms = self.locked.get(&vmid).copied().unwrap_or(now_ms);
                not_held(guest, alert, state, now_ms - since_ms);
            }
            let incident = Incident { start: alert.start_time, vmid, ..Incident::default() };
            assert!(self.active.insert(id.clone(), incident).is_none(), "a second fire of {id} without an end");
            return;
        }
        let Some(incident) = self.active.get_mut(id) else { panic!("{transition:?} without a fire") };
        assert_eq!(incident.start, alert.start_time, "{id}: another start");
        match transition {
            Transition::Acknowledged(_) => incident.acknowledged = true,
            Transition::Unacknowledged(_) => incident.acknowledged = false,
            Transition::Resolved(resolved) => {
                assert!(resolved.at >= incident.start, "{id} ended before it began");
                let mut incident = self.active.remove(id).unwrap();
                incident.why = Some(resolved.why);
                self.over.insert((id.clone(), incident.start), incident);
            }
            _ => {}
        }
    }

    fn message(&mut self, outgoing: &Outgoing) {
        self.messages += 1;
        assert!(!outgoing.items.is_empty());
        for item in &outgoing.items {
            let id = &item.alert.id;
            if outgoing.kind == Kind::Resolved {
                let over = self.over.get_mut(&(id.clone(), item.alert.start_time));
                let Some(incident) = over else { panic!("the end of {id} is told, but it did not end") };
                assert!(incident.told, "the end of {id} is told to those who never heard of it");
                incident.ended[0] += u32::from(outgoing.audience != Audience::People);
                incident.ended[1] += u32::from(outgoing.audience != Audience::IncidentTools);
                assert!(incident.ended.iter().all(|n| *n <= 1), "the end of {id} is told twice");
                continue;
            }
            let Some(incident) = self.active.get_mut(id) else { panic!("{id} is told, but not active") };
            assert_eq!(incident.start, item.alert.start_time, "{id}: an incident of before");
            assert!(!incident.acknowledged, "{id} is told although somebody looks after it");
            incident.told = true;
            if matches!(outgoing.kind, Kind::Escalation { .. }) {
                continue;
            }
            let count = if item.worsened { &mut incident.worsened } else { &mut incident.fired };
            *count += 1;
            assert_eq!(*count, 1, "{id} is told twice");
        }
    }

    /// Compares the engine with this account; `polled` is the connection that was just asked, and whether it answered.
    pub fn judge(&mut self, engine: &Engine, state: &State, polled: Option<(&str, bool)>, now_ms: u64) {
        let alerts = engine.active();
        assert_eq!(alerts.len(), self.active.len(), "active is what was raised and did not end");
        let mut of_guests: BTreeMap<(i64, &str), &Alert> = BTreeMap::new();
        for alert in alerts {
            let Some(incident) = self.active.get(&alert.id) else { panic!("{} is active, nobody raised it", alert.id) };
            assert_eq!(incident.acknowledged, alert.acknowledged, "{}: acknowledgement", alert.id);
            assert_eq!(incident.start, alert.start_time, "{}: its start moved", alert.id);
            let twin = of_guests.insert((incident.vmid, alert.r#type.as_str()), alert);
            assert!(twin.is_none_or(|_| incident.vmid < 100), "{} has a twin", alert.id);
        }
        let Some((instance, reachable)) = polled else { return };
        for guest in state.vms.iter().filter(|g| g.instance == instance) {
            self.absent.remove(&guest.vmid);
            if !reachable {
                // Time in which nothing is known does not count.
                self.streaks.retain(|(vmid, _), _| *vmid != guest.vmid);
            }
            if guest.lock.is_empty() {
                self.locked.remove(&guest.vmid);
            } else {
                self.locked.entry(guest.vmid).or_insert(now_ms);
            }
            for check in ["cpu", "memory", "disk", "powered-off"] {
                let tagged = guest.tags.iter().any(|t| t == "pulse-no-alerts" || t == "pulse-relaxed");
                if tagged || self.figure(guest, check) != Truth::Met {
                    // Whatever holds it: the condition may have been seen false.
                    self.cleared.entry((guest.vmid, check)).and_modify(|sure| *sure = false);
                }
                if reachable {
                    let is_active = of_guests.contains_key(&(guest.vmid, check));
                    self.guest(guest, state, check, is_active, now_ms);
                }
            }
        }
        if !reachable {
            return;
        }
        let gone = |vmid: i64| vmid >= 100 && state.vms.iter().all(|g| g.vmid != vmid);
        let gone: BTreeSet<i64> = of_guests
            .iter()
            .filter(|((vmid, _), alert)| alert.instance == instance && gone(*vmid))
            .map(|((vmid, _), _)| *vmid)
            .collect();
        for vmid in gone {
            let polls = self.absent.entry(vmid).or_default();
            *polls += 1;
            assert!(*polls < GONE_AFTER_POLLS, "something is active about guest {vmid}, which is gone");
        }
    }

    fn guest(&mut self, guest: &Guest, state: &State, check: &'static str, is_active: bool, now_ms: u64) {
        let what = (guest.vmid, check);
        match self.truth(guest, state, check) {
            Truth::Open => {
                self.streaks.remove(&what);
            }
            Truth::Fine => {
                self.streaks.remove(&what);
                self.cleared.remove(&what);
                self.checked += 1;
                assert!(!is_active, "{what:?} is active, but {} {} {:?}", guest.status, guest.cpu, guest.tags);
            }
            Truth::Met => {
                let streak = self.streaks.entry(what).or_insert((now_ms, 0));
                let (since_ms, late) = (streak.0, &mut streak.1);
                *late += u32::from(now_ms >= since_ms + self.delay_ms + SUPPRESSION_MS);
                let due = *late >= 4 && now_ms >= since_ms + 2 * self.delay_ms + SUPPRESSION_MS + 60_000;
                match self.cleared.get(&what) {
                    None if due => {
                        self.checked += 1;
                        let lasted = (now_ms - since_ms) / 1_000;
                        assert!(is_active, "{what:?} holds for {lasted} s and does not alert: {guest:?}");
                    }
                    Some(true) => assert!(!is_active, "{what:?} was cleared by hand and never fine since"),
                    _ => {}
                }
            }
        }
    }

    fn truth(&self, guest: &Guest, state: &State, check: &str) -> Truth {
        if guest.tags.iter().any(|t| t == "pulse-no-alerts") {
            return Truth::Fine;
        }
        let down =
            state.nodes.iter().any(|n| n.instance == guest.instance && n.name == guest.node && n.status != "online");
        if down || !guest.lock.is_empty() || guest.tags.iter().any(|t| t == "pulse-relaxed") {
            return Truth::Open;
        }
        self.figure(guest, check)
    }

    /// What the figures alone say.
    fn figure(&self, guest: &Guest, check: &str) -> Truth {
        let stopped = guest.status == "stopped";
        let value = match check {
            "powered-off" if stopped && self.powered_off => return Truth::Met,
            "powered-off" => return Truth::Fine,
            _ if stopped => return Truth::Fine,
            "cpu" => guest.cpu * 100.0,
            "memory" => guest.memory.usage,
            _ => guest.disk.usage,
        };
        match value {
            v if v >= 80.0 => Truth::Met,
            v if v <= 75.0 => Truth::Fine,
            _ => Truth::Open,
        }
    }

    /// After days without news everybody knows what there is to know.
    pub fn all_told(&self, _state: &State) {
        for (id, incident) in &self.active {
            let told = incident.told || incident.acknowledged || self.silenced.contains(&incident.vmid);
            assert!(told, "{id} is active and nobody was told");
        }
        for ((id, _), incident) in self.over.iter().filter(|(_, i)| i.told && !self.silenced.contains(&i.vmid)) {
            assert_eq!(incident.ended[0], 1, "incident tools never heard of the end of {id}");
            if self.announced && incident.why != Some(Why::Cleared) {
                assert_eq!(incident.ended[1], 1, "people never heard of the end of {id}");
            }
        }
    }
}

/// While its node is down or a task has locked it, nothing new is said about a guest's load and power.
fn not_held(guest: &Guest, alert: &Alert, state: &State, locked_ms: u64) {
    let down = |n: &pulse::model::Node| n.instance == guest.instance && n.name == guest.node && n.status != "online";
    assert!(!state.nodes.iter().any(down), "{} although its node is down", alert.id);
    let held = !guest.lock.is_empty() && locked_ms < LOCKED_MS && alert.r#type != "disk";
    assert!(!held, "{} although it is locked", alert.id);
}
