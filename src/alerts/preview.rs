//! What a configuration would have raised and told in the past: the same engine over recorded figures. A figure holds
//! until the next one comes; where none came for long the guest did not run, or nothing is known.

use super::check::Check;
use super::config::Config;
use super::engine::Engine;
use super::instances::{Lists, Poll, Source};
use super::outgoing::Audience;
use super::transition::Transition;
use crate::model::{Now, State, Time, Usage};
use crate::order::Map;
use serde::Serialize;

/// Incidents that are listed; more are only counted.
const LISTED_MAX: usize = 1_000;
/// Between figures further apart than this the engine looks once more before the next one comes.
const LOOK_AGAIN_MS: i64 = 30_000;
/// After the last figure messages that are gathered or cooling down still count.
const SETTLE_MS: i64 = 3_600_000;
/// The owner asks the engine once a second.
const TICK_MS: i64 = 1_000;

/// Recorded figures of one metric of one resource, rising in time: milliseconds since 1970 and the figure in the
/// engine's unit (percent, or bytes a second for rates).
#[derive(Debug, Clone)]
pub struct Series {
    pub of: Place,
    pub check: Check,
    pub points: Vec<(i64, f32)>,
}

/// Which document of the state a series is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Vm(usize),
    Container(usize),
    Node(usize),
    Storage(usize),
    Pbs(usize),
    /// PBS, datastore.
    Datastore(usize, usize),
}

/// The answer.
#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// The first ones of all, by start.
    pub alerts: Vec<Incident>,
    /// All of them.
    pub count: usize,
    /// Messages that people would have got.
    pub notifications: usize,
    /// Incidents by type of alert.
    pub by_type: Map<String, usize>,
    pub from: Time,
    pub to: Time,
}

/// One alert that would have been.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    pub id: String,
    pub r#type: String,
    /// The worst it would have had.
    pub level: String,
    pub resource_id: String,
    pub resource_name: String,
    pub node: String,
    pub threshold: f64,
    /// The worst figure.
    pub value: f64,
    pub start_time: Time,
    /// Absent: it would still be active.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Time>,
}

/// Replays `series` over the resources of `state`. `hold_ms`: how long a figure counts when no other comes.
pub fn preview(config: Config, state: &State, series: &[Series], hold_ms: i64) -> Preview {
    let mut replay = Replay::new(config, state, series, hold_ms);
    let moments = moments(series);
    let (first, last) = (moments.first().copied().unwrap_or(0), moments.last().copied().unwrap_or(0));
    for (n, at) in moments.iter().enumerate() {
        replay.look(*at);
        let next = moments.get(n + 1).copied().unwrap_or(*at);
        let until = next.min(at.saturating_add(hold_ms));
        if until - at > LOOK_AGAIN_MS {
            replay.tick_to(until - 2 * TICK_MS);
            replay.look(until - TICK_MS);
        } else {
            replay.tick_to(until - TICK_MS);
        }
        if next > until {
            // An interruption of the recording is no time in which anything was seen.
            replay.look(until);
            replay.tick_to(next - TICK_MS);
        }
    }
    replay.tick_to(last + SETTLE_MS);
    replay.finish(Time::from_millis(first), Time::from_millis(last))
}

fn moments(series: &[Series]) -> Vec<i64> {
    let mut moments: Vec<i64> = series.iter().flat_map(|s| s.points.iter().map(|(at, _)| *at)).collect();
    crate::order::sort(&mut moments);
    moments.dedup();
    moments
}

struct Replay<'a> {
    engine: Engine,
    state: State,
    series: &'a [Series],
    /// The next point of each series.
    next: Vec<usize>,
    connections: Vec<Connection>,
    hold_ms: i64,
    at_ms: i64,
    incidents: Map<(Time, String), Incident>,
    open: Map<String, Time>,
    notifications: usize,
}

/// A connection and the series of what it watches. While none of them has a figure it was not reached.
struct Connection {
    name: String,
    is_pbs: bool,
    series: Vec<usize>,
}

impl<'a> Replay<'a> {
    fn new(config: Config, state: &State, series: &'a [Series], hold_ms: i64) -> Replay<'a> {
        let mut connections: Map<(String, bool), Vec<usize>> = Map::new();
        for (n, series) in series.iter().enumerate() {
            if let Some((name, is_pbs)) = connection(state, series.of) {
                connections.entry((name.to_owned(), is_pbs)).or_default().push(n);
            }
        }
        let connections = connections.into_iter();
        let connections = connections.map(|((name, is_pbs), series)| Connection { name, is_pbs, series }).collect();
        Replay {
            engine: Engine::new(config),
            state: scene(state),
            series,
            next: vec![0; series.len()],
            connections,
            hold_ms,
            at_ms: i64::MIN,
            incidents: Map::new(),
            open: Map::new(),
            notifications: 0,
        }
    }

    /// Puts the figures of a moment into the state and lets the engine look.
    fn look(&mut self, at_ms: i64) {
        if at_ms <= self.at_ms {
            return;
        }
        self.at_ms = at_ms;
        let mut known = vec![false; self.series.len()];
        for ((series, next), known) in self.series.iter().zip(&mut self.next).zip(&mut known) {
            while series.points.get(*next).is_some_and(|(at, _)| *at <= at_ms) {
                *next += 1;
            }
            let last = next.checked_sub(1).and_then(|n| series.points.get(n));
            let value = last.filter(|(at, _)| at_ms - at < self.hold_ms).map(|(_, value)| f64::from(*value));
            put(&mut self.state, series.of, series.check, value);
            *known = value.is_some();
        }
        for connection in &self.connections {
            let name = &connection.name;
            let source = if connection.is_pbs { Source::Pbs(name) } else { Source::Pve(name) };
            let reachable = connection.series.iter().any(|n| known.get(*n) == Some(&true));
            self.engine.polled(&Poll { source, reachable, brought: Lists::default() });
        }
        self.step();
    }

    /// Time passes without a figure: the engine is asked at each second at which it may have something to tell.
    fn tick_to(&mut self, until_ms: i64) {
        while self.engine.has_work() {
            let due_ms = self.engine.due_in_ms(Now::simulated(self.at_ms));
            // The tick at or after it.
            let at_ms = self.at_ms.saturating_add(due_ms.saturating_add(TICK_MS - 1) / TICK_MS * TICK_MS);
            if at_ms > until_ms {
                return;
            }
            self.at_ms = at_ms;
            self.step();
        }
    }

    fn step(&mut self) {
        let step = self.engine.step(&self.state, Now::simulated(self.at_ms));
        for transition in &step.transitions {
            self.note(transition);
        }
        let to_people = |o: &&super::Outgoing| o.audience != Audience::IncidentTools;
        self.notifications += step.outgoing.iter().filter(to_people).count();
    }

    fn note(&mut self, transition: &Transition) {
        let alert = transition.alert();
        if let Transition::Raised(a) = transition {
            self.open.insert(a.id.clone(), a.start_time);
            let incident = Incident {
                id: a.id.clone(),
                r#type: a.r#type.clone(),
                level: a.level.clone(),
                resource_id: a.resource_id.clone(),
                resource_name: a.resource_name.clone(),
                node: a.node.clone(),
                threshold: a.threshold,
                value: a.value,
                start_time: a.start_time,
                end_time: None,
            };
            self.incidents.insert((a.start_time, a.id.clone()), incident);
            return;
        }
        let Some(start) = self.open.get(&alert.id).copied() else { return };
        let Some(incident) = self.incidents.get_mut(&(start, alert.id.clone())) else { return };
        if let Transition::Resolved(r) = transition {
            incident.value = r.peak;
            incident.level = r.worst.as_str().to_owned();
            incident.end_time = Some(r.at);
            self.open.remove(&r.alert.id);
        }
    }

    fn finish(mut self, from: Time, to: Time) -> Preview {
        for open in self.engine.open_incidents() {
            if let Some(incident) = self.incidents.get_mut(&(open.start_time, open.id.clone())) {
                incident.value = open.value;
                incident.level = open.level;
            }
        }
        let mut by_type = Map::new();
        for incident in self.incidents.values() {
            *by_type.entry(incident.r#type.clone()).or_default() += 1;
        }
        let count = self.incidents.len();
        let alerts = self.incidents.into_values().take(LISTED_MAX).collect();
        Preview { alerts, count, notifications: self.notifications, by_type, from, to }
    }
}

/// The connection that watches a resource.
fn connection(state: &State, of: Place) -> Option<(&str, bool)> {
    Some(match of {
        Place::Vm(n) => (&state.vms.get(n)?.instance, false),
        Place::Container(n) => (&state.containers.get(n)?.instance, false),
        Place::Node(n) => (&state.nodes.get(n)?.instance, false),
        Place::Storage(n) => (&state.storage.get(n)?.instance, false),
        Place::Pbs(n) | Place::Datastore(n, _) => (&state.pbs.get(n)?.name, true),
    })
}

/// The resources of a state with nothing but what the recording says: no figure is known, nobody is offline, and
/// conditions that are not recorded are left out.
fn scene(state: &State) -> State {
    let mut scene = State {
        nodes: state.nodes.clone(),
        vms: state.vms.clone(),
        containers: state.containers.clone(),
        storage: state.storage.clone(),
        pbs: state.pbs.clone(),
        ..State::default()
    };
    for node in &mut scene.nodes {
        node.status = "online".to_owned();
        node.connection_health = "healthy".to_owned();
        (node.cpu, node.memory, node.disk) = (f64::NAN, Usage::default(), Usage::default());
        (node.certificate_expiry, node.reboot_pending, node.updates_pending) = (None, None, None);
        (node.memory_source, node.failed_services) = (None, Vec::new());
    }
    for guest in scene.vms.iter_mut().chain(&mut scene.containers) {
        guest.status = "stopped".to_owned();
        guest.lock.clear();
        (guest.cpu, guest.memory, guest.disk) = (f64::NAN, Usage::default(), Usage::default());
        (guest.disk_read, guest.disk_write, guest.network_in, guest.network_out) = (0, 0, 0, 0);
        (guest.memory_source, guest.disk_source, guest.source_age) = (None, None, None);
    }
    for storage in &mut scene.storage {
        storage.status = "available".to_owned();
        (storage.active, storage.enabled, storage.total) = (true, true, 0);
    }
    for pbs in &mut scene.pbs {
        pbs.status = "online".to_owned();
        (pbs.cpu, pbs.memory_total) = (f64::NAN, 0);
        for datastore in pbs.datastores.iter_mut().flatten() {
            datastore.status = "available".to_owned();
            datastore.total = 0;
        }
    }
    scene
}

/// Sets one figure, or that it is not known. Rates of a guest that runs are numbers, so "not known" is 0 there.
fn put(state: &mut State, of: Place, check: Check, value: Option<f64>) {
    let usage = |value: Option<f64>| match value {
        Some(usage) => Usage { total: 100, usage, ..Usage::default() },
        None => Usage::default(),
    };
    match of {
        Place::Vm(_) | Place::Container(_) => {
            let guest = match of {
                Place::Vm(n) => state.vms.get_mut(n),
                Place::Container(n) => state.containers.get_mut(n),
                _ => None,
            };
            let Some(guest) = guest else { return };
            let rate = value.unwrap_or(0.0) as i64;
            match check {
                Check::Cpu => {
                    guest.cpu = value.unwrap_or(f64::NAN) / 100.0;
                    guest.status = if value.is_some() { "running" } else { "stopped" }.to_owned();
                }
                Check::Memory => guest.memory = usage(value),
                Check::Disk => guest.disk = usage(value),
                Check::DiskRead => guest.disk_read = rate,
                Check::DiskWrite => guest.disk_write = rate,
                Check::NetworkIn => guest.network_in = rate,
                Check::NetworkOut => guest.network_out = rate,
                _ => {}
            }
        }
        Place::Node(n) => {
            let Some(node) = state.nodes.get_mut(n) else { return };
            match check {
                Check::Cpu => node.cpu = value.unwrap_or(f64::NAN) / 100.0,
                Check::Memory => node.memory = usage(value),
                _ => node.disk = usage(value),
            }
        }
        Place::Storage(n) => {
            let Some(storage) = state.storage.get_mut(n) else { return };
            (storage.total, storage.usage) = (i64::from(value.is_some()), value.unwrap_or(0.0));
        }
        Place::Pbs(n) => {
            let Some(pbs) = state.pbs.get_mut(n) else { return };
            match check {
                Check::Cpu => pbs.cpu = value.unwrap_or(f64::NAN),
                _ => (pbs.memory_total, pbs.memory) = (i64::from(value.is_some()), value.unwrap_or(0.0)),
            }
        }
        Place::Datastore(n, m) => {
            let pbs = state.pbs.get_mut(n).and_then(|p| p.datastores.as_mut());
            let Some(datastore) = pbs.and_then(|list| list.get_mut(m)) else { return };
            (datastore.total, datastore.usage) = (i64::from(value.is_some()), value.unwrap_or(0.0));
        }
    }
}
