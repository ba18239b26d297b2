//! The preview equals what the engine really does on the same history: random figures with pauses of guests and of whole
//! connections, random configurations. The engine is polled every ten seconds and asked every second, as the owner does;
//! what was recorded goes through the preview. Incidents and messages must be the same, to the second.

use super::bench::{Bench, POLL_SECS, START_MS};
use super::weeks::{Chance, number};
use pulse::alerts::check::Check;
use pulse::alerts::outgoing::Audience;
use pulse::alerts::preview::{Incident, Place, Preview, Series, preview};
use pulse::alerts::{Lists, Poll, Transition};
use pulse::model::{State, Time, Usage};
use pulse::order::Map;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// What the unoptimised build has time for.
const SEEDS: u64 = 12;
/// Two hours.
const POLLS: usize = 720;
const SETTLE_SECS: u64 = 3_600;
const FIGURES: [f64; 10] = [10.0, 10.0, 60.0, 77.0, 79.5, 80.0, 85.0, 85.5, 92.0, 99.5];

const SERIES: [(Place, Check); 11] = [
    (Place::Vm(0), Check::Cpu),
    (Place::Vm(0), Check::Memory),
    (Place::Vm(0), Check::Disk),
    (Place::Vm(0), Check::DiskRead),
    (Place::Container(0), Check::Cpu),
    (Place::Container(0), Check::Memory),
    (Place::Node(1), Check::Cpu),
    (Place::Node(1), Check::Memory),
    (Place::Storage(0), Check::Usage),
    (Place::Pbs(0), Check::Cpu),
    (Place::Datastore(0, 0), Check::Usage),
];

fn chosen_config(chance: &mut Chance) -> Value {
    let mut line = |trigger: i64| {
        let clear = trigger - chance.one(&[0, 5, 20]);
        json!({"trigger": trigger, "clear": clear, "delay": chance.one(&[0, 5, 30, 300])})
    };
    let lines = json!({"cpu": line(80), "memory": line(85), "disk": line(80), "diskRead": line(80)});
    let powered_off = json!({"enabled": true, "delay": chance.one(&[0, 30])});
    let at = |secs: i64| json!(Time::from_millis(START_MS + secs * 1_000).rfc3339());
    let maintenance = match chance.below(3) {
        0 => json!([{"enabled": true, "name": "once", "from": at(1_003), "to": at(2_507)}]),
        1 => json!([{"enabled": true, "name": "daily", "start": "10:20", "end": "11:05", "resources": ["alpha"]}]),
        _ => json!([]),
    };
    let levels = json!([{"after": 7, "notify": "email"}, {"after": 20, "notify": "all"}]);
    json!({
        "guestDefaults": lines, "checks": {"powered-off": powered_off},
        "minimumDelta": chance.one(&[0, 2, 10]), "suppressionWindow": chance.one(&[0, 5, 30]),
        "schedule": {
            "cooldown": chance.one(&[0, 1, 5, 60]), "maxAlertsHour": chance.one(&[0, 1, 3]),
            "groupingWindow": chance.one(&[0, 7, 30, 120]), "notifyOnResolve": chance.one(&[true, false]),
            "grouping": {"enabled": chance.one(&[true, false]), "byNode": chance.one(&[true, false]),
                "byGuest": chance.one(&[true, false])},
            "quietHours": {"enabled": chance.one(&[true, false]), "start": "10:30", "end": "11:15",
                "timezone": "UTC"},
            "escalation": {"enabled": chance.one(&[true, false]), "levels": levels},
            "maintenance": maintenance,
        },
    })
}

/// Puts a figure into the documents of the state, as a poller does.
fn apply(state: &mut State, (place, check): (Place, Check), value: f64) {
    let usage = Usage { total: 100, usage: value, ..Usage::default() };
    let guest = match place {
        Place::Vm(n) => &mut state.vms[n],
        Place::Container(n) => &mut state.containers[n],
        Place::Node(n) if check == Check::Cpu => return state.nodes[n].cpu = value / 100.0,
        Place::Node(n) => return state.nodes[n].memory = usage,
        Place::Storage(n) => return state.storage[n].usage = value,
        Place::Pbs(n) => return state.pbs[n].cpu = value,
        Place::Datastore(n, m) => return state.pbs[n].datastores.as_mut().unwrap()[m].usage = value,
    };
    match check {
        Check::Cpu => guest.cpu = value / 100.0,
        Check::Memory => guest.memory = usage,
        Check::Disk => guest.disk = usage,
        _ => guest.disk_read = (value * 1_048_576.0) as i64,
    }
}

/// What happens, and what was recorded of it.
struct Life {
    chance: Chance,
    bench: Bench,
    figures: [f64; SERIES.len()],
    runs: [bool; 2],
    reached: [bool; 2],
    recorded: Vec<Series>,
    incidents: BTreeMap<(Time, String), Incident>,
    notifications: usize,
}

impl Life {
    fn new(seed: u64) -> Life {
        let mut chance = Chance::new(seed);
        let mut bench = Bench::new(chosen_config(&mut chance));
        // The other resources have no figures, which is what the preview makes of them.
        for node in &mut bench.state.nodes {
            (node.cpu, node.memory, node.disk) = (f64::NAN, Usage::default(), Usage::default());
        }
        for guest in bench.state.vms.iter_mut().chain(&mut bench.state.containers) {
            guest.disk = Usage::default();
        }
        bench.state.storage[1].total = 0;
        bench.state.pbs[0].memory_total = 0;
        let recorded = SERIES.map(|(of, check)| Series { of, check, points: Vec::new() }).into();
        Life {
            chance,
            bench,
            figures: [10.0; SERIES.len()],
            runs: [true; 2],
            reached: [true; 2],
            recorded,
            incidents: BTreeMap::new(),
            notifications: 0,
        }
    }

    fn live(mut self) -> (Preview, Preview) {
        for n in 0..POLLS {
            // The first poll finds everything there.
            if n > 0 {
                self.change();
            }
            self.poll();
            self.wait(POLL_SECS - 1);
            self.bench.now = self.bench.now.plus(Duration::from_secs(1));
        }
        // The last wait is part of it.
        self.step();
        self.wait(SETTLE_SECS);
        let state = self.bench.state.clone();
        let config = pulse::alerts::Config::clone(self.bench.engine.config());
        let hold_ms = (POLL_SECS * 1_000) as i64;
        (self.outcome(), preview(config, &state, &self.recorded, hold_ms))
    }

    fn change(&mut self) {
        for figure in &mut self.figures {
            if self.chance.below(15) == 0 {
                *figure = self.chance.one(&FIGURES);
            }
        }
        for runs in &mut self.runs {
            *runs ^= self.chance.below(50) == 0;
        }
        for reached in &mut self.reached {
            *reached ^= self.chance.below(if *reached { 150 } else { 10 }) == 0;
        }
    }

    fn poll(&mut self) {
        let at_ms = self.bench.now.unix_millis();
        for ((series, of), value) in self.recorded.iter_mut().zip(SERIES).zip(self.figures) {
            let reached = self.reached[usize::from(matches!(of.0, Place::Pbs(_) | Place::Datastore(..)))];
            let runs = match of.0 {
                Place::Vm(_) => self.runs[0],
                Place::Container(_) => self.runs[1],
                _ => true,
            };
            if reached && runs {
                let unit = if of.1 == Check::DiskRead { 1_048_576.0 } else { 1.0 };
                series.points.push((at_ms, (value * unit) as f32));
                apply(&mut self.bench.state, of, value);
            }
        }
        let state = &mut self.bench.state;
        if self.reached[0] {
            for (guest, runs) in state.vms.iter_mut().chain(&mut state.containers).zip(self.runs) {
                guest.status = if runs { "running" } else { "stopped" }.to_owned();
            }
        }
        for (source, reachable) in
            [pulse::alerts::Source::Pve("lab"), pulse::alerts::Source::Pbs("vault")].into_iter().zip(self.reached)
        {
            self.bench.engine.polled(&Poll { source, reachable, brought: Lists::default() });
        }
        self.step();
    }

    fn wait(&mut self, secs: u64) {
        for _ in 0..secs {
            self.bench.now = self.bench.now.plus(Duration::from_secs(1));
            self.step();
        }
    }

    fn step(&mut self) {
        let step = self.bench.engine.step(&self.bench.state, self.bench.now);
        self.notifications += step.outgoing.iter().filter(|o| o.audience != Audience::IncidentTools).count();
        for transition in step.transitions {
            let alert = transition.alert();
            let key = (alert.start_time, alert.id.clone());
            match &transition {
                Transition::Raised(a) => {
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
                    assert!(self.incidents.insert(key, incident).is_none());
                }
                Transition::Resolved(r) => {
                    let incident = self.incidents.get_mut(&key).unwrap();
                    (incident.value, incident.end_time) = (r.peak, Some(r.at));
                    incident.level = r.worst.as_str().to_owned();
                }
                _ => {}
            }
        }
    }

    fn outcome(&mut self) -> Preview {
        for open in self.bench.engine.open_incidents() {
            let incident = self.incidents.get_mut(&(open.start_time, open.id.clone())).unwrap();
            (incident.value, incident.level) = (open.value, open.level);
        }
        let mut by_type = Map::new();
        for incident in self.incidents.values() {
            *by_type.entry(incident.r#type.clone()).or_default() += 1;
        }
        let alerts: Vec<Incident> = std::mem::take(&mut self.incidents).into_values().collect();
        let moments = || self.recorded.iter().flat_map(|s| &s.points).map(|(at, _)| *at);
        Preview {
            count: alerts.len(),
            alerts,
            notifications: self.notifications,
            by_type,
            from: Time::from_millis(moments().min().unwrap()),
            to: Time::from_millis(moments().max().unwrap()),
        }
    }
}

#[test]
fn the_preview_equals_what_the_engine_does_on_the_same_history() {
    let seeds = number("PULSE_SEED").map_or(0..number("PULSE_SEEDS").unwrap_or(SEEDS), |seed| seed..seed + 1);
    let count = seeds.end - seeds.start;
    let (mut incidents, mut messages) = (0, 0);
    for seed in seeds {
        let (real, said) = Life::new(seed).live();
        let differs = real.alerts.iter().zip(&said.alerts).find(|(real, said)| real != said);
        assert!(
            differs.is_none(),
            "PULSE_SEED={seed}: the engine did the first, the preview says the second: {differs:#?}"
        );
        assert_eq!(real, said, "PULSE_SEED={seed}");
        incidents += real.count as u64;
        messages += real.notifications as u64;
    }
    assert!(
        incidents > count * 10 && messages > count * 5,
        "{incidents} incidents and {messages} messages prove little"
    );
    println!("{count} seeds: {incidents} incidents and {messages} messages as the preview says");
}
