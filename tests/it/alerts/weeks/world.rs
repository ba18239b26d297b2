//! The world that happens: five connections of two nodes and twenty guests, a backup server, and chance.

use super::super::bench::{config, guest, node, pbs, source, storage};
use super::oracle::Oracle;
use pulse::alerts::history::{self, History};
use pulse::alerts::{Config, Engine, Ledger, Lists, Memory, Poll, Source, Step, Transition, Write, journal};
use pulse::model::{Guest, Lent, Now, State, Time};
use serde_json::{Value, json};
use std::time::Duration;

const CONNECTIONS: usize = 5;
const GUESTS: i64 = 100;
const EIGHT_WEEKS_MS: u64 = 8 * 7 * 86_400_000;
const START_MS: i64 = 1_756_288_800_000;
/// SplitMix64: the same numbers on every machine.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(seed)
    }
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
    pub fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

pub struct World {
    chance: Chance,
    engine: Engine,
    pub state: State,
    pub now: Now,
    /// Time that passed; the monotonic clock begins anew with each process.
    passed_ms: u64,
    /// What a process leaves when it is killed: the journal and the memory, as on the disk.
    journal: Vec<u8>,
    memory: Vec<u8>,
    history: History,
    ledger: Ledger,
    /// Deleted guests that may come back, and whole connections that were removed.
    deleted: Vec<Lent<Guest>>,
    removed: Option<(String, State)>,
    oracle: Oracle,
    polls: u64,
    restarts: u64,
    aloud: bool,
}

fn connection(n: usize) -> String {
    format!("c{n}")
}

fn at(mut g: Lent<Guest>, connection: &str, node: &str) -> Lent<Guest> {
    let id = format!("{connection}-{node}-{}", g.vmid);
    (g.instance, g.node, g.id) = (connection.to_owned(), node.to_owned(), id);
    g
}

fn chosen_config(chance: &mut Chance) -> Value {
    let delay = chance.one(&[0, 30, 300]);
    let line = |trigger: i64| json!({"trigger": trigger, "clear": 75, "delay": delay});
    let levels = json!([{"after": 15, "notify": "email"}, {"after": 60, "notify": "all"}]);
    json!({
        "guestDefaults": {"cpu": line(80), "memory": line(80), "disk": line(80)},
        "checks": {"powered-off": {"enabled": chance.one(&[true, false]), "delay": delay}},
        "minimumDelta": chance.one(&[0, 2]), "suppressionWindow": 5,
        "schedule": {
            "cooldown": chance.one(&[0, 5, 60]), "maxAlertsHour": chance.one(&[0, 2, 10]),
            "groupingWindow": chance.one(&[0, 30, 120]), "notifyOnResolve": chance.one(&[true, false]),
            "grouping": {"enabled": chance.one(&[true, false]), "byNode": chance.one(&[true, false]), "byGuest": false},
            "quietHours": {"enabled": chance.one(&[true, false]), "start": "22:00", "end": "06:30",
                "timezone": "Europe/Vienna"},
            "escalation": {"enabled": chance.one(&[true, false]), "levels": levels},
        },
    })
}

impl World {
    pub fn new(seed: u64, aloud: bool) -> World {
        let mut chance = Chance::new(seed);
        let mut state = State { pbs: vec![pbs("vault")], ..State::default() };
        state.connection_health.insert("pbs-vault".into(), true);
        for n in 0..CONNECTIONS {
            let name = connection(n);
            for host in ["alpha", "beta"] {
                let id = format!("{name}-{host}");
                state.nodes.push(pulse::model::Node { id, instance: name.clone(), ..node(host) });
                let id = format!("{name}-{host}-local");
                state.storage.push(pulse::model::Storage { id, instance: name.clone(), ..storage("local", host) });
            }
            state.connection_health.insert(name, true);
        }
        for n in 0..GUESTS {
            let host = if n % 2 == 0 { "alpha" } else { "beta" };
            state.vms.push(at(guest(100 + n, host).into(), &connection(n as usize % CONNECTIONS), host));
        }
        let settings = chosen_config(&mut chance);
        let oracle = Oracle::new(&settings);
        let engine = Engine::new(config(settings));
        let now = Now { wall: Time::from_millis(START_MS), mono_ms: 0 };
        let mut world = World {
            chance,
            engine,
            state,
            now,
            passed_ms: 0,
            journal: Vec::new(),
            memory: Vec::new(),
            history: History::default(),
            ledger: Ledger::default(),
            deleted: Vec::new(),
            removed: None,
            oracle,
            polls: 0,
            restarts: 0,
            aloud,
        };
        world.save();
        world.expect();
        world
    }

    /// Lives, and says how much happened: polls, alerts, messages, restarts, judgements of the oracle.
    pub fn live(mut self) -> [u64; 5] {
        while self.passed_ms < EIGHT_WEEKS_MS {
            let touched = self.something();
            for _ in 0..=self.chance.below(3) {
                self.poll(touched);
            }
            let secs = match self.chance.below(10) {
                0..=4 => 10,
                5..=7 => 60 + self.chance.below(540),
                _ => 3_600 + self.chance.below(16 * 3_600),
            };
            self.pass(secs as u64);
            self.poll(touched);
        }
        self.settle();
        let (raised, messages, checked) = self.oracle.sums();
        [self.polls, raised, messages, self.restarts, checked]
    }

    fn expect(&mut self) {
        let names: Vec<String> = self.state.connection_health.keys().cloned().collect();
        let sources: Vec<Source> = names.iter().map(|n| source(n)).collect();
        self.engine.expect(&sources, &self.state, self.now);
    }

    fn pass(&mut self, secs: u64) {
        self.now = self.now.plus(Duration::from_secs(secs));
        self.passed_ms += secs * 1_000;
        self.step(None);
    }

    fn save(&mut self) {
        match self.ledger.write(&self.engine, self.now) {
            Write::Nothing => {}
            Write::Append(line) => self.memory.extend(line),
            Write::Whole(memory) => self.memory = memory,
        }
        if self.history.is_bloated() {
            self.journal = self.history.journal(&self.engine);
        }
    }

    /// One poll of a connection, ten seconds after the last.
    fn poll(&mut self, connection: usize) {
        let name = connection_key(connection);
        let Some(reachable) = self.state.connection_health.get(&name).copied() else { return };
        self.now = self.now.plus(Duration::from_secs(10));
        self.passed_ms += 10_000;
        self.polls += 1;
        let brought = Lists { tasks: reachable, backups: reachable, ..Lists::default() };
        self.engine.polled(&Poll { source: source(&name), reachable, brought });
        self.step(Some((&name, reachable)));
    }

    fn step(&mut self, polled: Option<(&str, bool)>) {
        let step = self.engine.step(&self.state, self.now);
        self.note(&step);
        if step.save {
            self.save();
        }
        self.oracle.judge(&self.engine, &self.state, polled, self.passed_ms);
    }

    fn note(&mut self, step: &Step) {
        if self.aloud && !(step.transitions.is_empty() && step.outgoing.is_empty()) {
            let told = |o: &pulse::alerts::Outgoing| {
                let ids: Vec<&str> = o.items.iter().map(|i| i.alert.id.as_str()).collect();
                format!("{:?} to {:?}: {}", o.kind, o.audience, ids.join(" "))
            };
            let told: Vec<String> = step.outgoing.iter().map(told).collect();
            let at = self.passed_ms / 1_000;
            println!("{at} s: {:?} {told:?}", super::super::bench::brief(&step.transitions));
        }
        for transition in &step.transitions {
            self.history.note(transition, &mut self.journal);
        }
        self.oracle.take(step, &self.state, self.passed_ms);
    }

    /// Something happens; says to which connection.
    fn something(&mut self) -> usize {
        let what = self.chance.below(40);
        let vm = self.chance.below(self.state.vms.len());
        let touched = self.state.vms.get(vm).map_or(0, |g| connection_number(&g.instance));
        if self.aloud {
            let of = self.state.vms.get(vm).map(|g| (&g.id, &g.status, &g.lock, &g.tags));
            println!("{} s: event {what} {of:?} {:?}", self.passed_ms / 1_000, self.state.connection_health);
        }
        match what {
            0..=13 => self.load(vm),
            14..=16 => {
                let g = &mut self.state.vms[vm];
                g.status = if g.status == "running" { "stopped" } else { "running" }.into();
            }
            17..=19 => {
                let lock = self.chance.one(&["backup", "snapshot", "migrate", "rollback"]);
                let g = &mut self.state.vms[vm];
                g.lock = if g.lock.is_empty() { lock.to_owned() } else { String::new() };
            }
            20 | 21 => {
                let g = self.state.vms.swap_remove(vm);
                let (instance, host) = (g.instance.clone(), if g.node == "alpha" { "beta" } else { "alpha" });
                if self.chance.below(2) == 0 {
                    // For one poll it is on neither node.
                    self.poll(touched);
                }
                self.state.vms.push(at(g, &instance, host));
            }
            22 => {
                let g = self.state.vms.swap_remove(vm);
                self.oracle.deleted(&g);
                self.deleted.push(g);
            }
            23 | 24 => self.come_back(),
            25 | 26 => self.node_changes(touched),
            27 => self.connection_changes(touched),
            28 => self.remove_or_add(touched),
            29 | 30 => {
                let tags = ["", "pulse-no-alerts", "pulse-monitor-only", "pulse-relaxed", "web"];
                let tag = self.chance.one(&tags);
                self.state.vms[vm].tags = if tag.is_empty() { Vec::new() } else { vec![tag.to_owned()] };
                self.oracle.tagged(&self.state.vms[vm]);
            }
            31 | 32 => self.by_hand(),
            33 => {
                let same = self.engine.config().after_put(b"{}").unwrap();
                self.engine.set_config(same);
                self.nothing_changed("saving the configuration");
            }
            34 | 35 => self.restart(),
            36 => {
                let step_ms = (self.chance.below(6 * 3_600) as i64 - 3 * 3_600) * 1_000;
                self.now.wall = Time::from_millis(self.now.wall.unix_millis() + step_ms);
            }
            37 => {
                let full = self.chance.one(&[10.0, 88.0, 97.0]);
                let n = self.chance.below(self.state.storage.len());
                self.state.storage[n].usage = full;
            }
            38 => {
                let p = &mut self.state.pbs[0];
                p.status = if p.status == "online" { "offline" } else { "online" }.into();
                return CONNECTIONS;
            }
            _ => return self.chance.below(CONNECTIONS + 1),
        }
        touched
    }

    fn load(&mut self, vm: usize) {
        let value = self.chance.one(&[10.0, 10.0, 70.0, 77.0, 85.0, 85.5, 92.0, 99.5]);
        let which = self.chance.below(3);
        let g = &mut self.state.vms[vm];
        match which {
            0 => g.cpu = value / 100.0,
            1 => g.memory.usage = value,
            _ => g.disk.usage = value,
        }
    }

    fn come_back(&mut self) {
        if self.deleted.is_empty() {
            return;
        }
        let n = self.chance.below(self.deleted.len());
        let instance = self.deleted[n].instance.clone();
        if self.state.connection_health.get(&instance) == Some(&true) {
            // Not before it was missed: one that comes back sooner was never gone.
            for _ in 0..3 {
                self.poll(connection_number(&instance));
            }
            let g = self.deleted.swap_remove(n);
            // Whoever cleared its alert after the deletion spoke of one that is gone.
            self.oracle.deleted(&g);
            self.state.vms.push(g);
        }
    }

    fn node_changes(&mut self, touched: usize) {
        let (name, host) = (connection_key(touched), self.chance.one(&["alpha", "beta"]));
        if self.state.connection_health.get(&name) != Some(&true) {
            return;
        }
        for n in self.state.nodes.iter_mut().filter(|n| n.instance == name && n.name == host) {
            n.status = if n.status == "online" { "offline" } else { "online" }.into();
        }
    }

    /// The poller shows the nodes of a connection that fails as offline.
    fn connection_changes(&mut self, touched: usize) {
        let name = connection_key(touched);
        let Some(reachable) = self.state.connection_health.get_mut(&name) else { return };
        *reachable = !*reachable;
        let (status, health) = if *reachable { ("online", "healthy") } else { ("offline", "error") };
        for n in self.state.nodes.iter_mut().filter(|n| n.instance == name) {
            (n.status, n.connection_health) = (status.into(), health.into());
        }
    }

    fn remove_or_add(&mut self, touched: usize) {
        if let Some((name, part)) = self.removed.take() {
            self.state.vms.extend(part.vms);
            self.state.nodes.extend(part.nodes);
            self.state.storage.extend(part.storage);
            self.state.connection_health.insert(name, true);
            return self.expect();
        }
        let name = connection_key(touched);
        if self.state.connection_health.remove(&name) != Some(true) {
            self.state.connection_health.insert(name, false);
            return;
        }
        let part = State {
            vms: self.state.vms.extract_if(.., |g| g.instance == name).collect(),
            nodes: self.state.nodes.extract_if(.., |n| n.instance == name).collect(),
            storage: self.state.storage.extract_if(.., |s| s.instance == name).collect(),
            ..State::default()
        };
        self.expect();
        self.oracle.removed(&part.vms);
        self.removed = Some((name.clone(), part));
        self.step(None);
        let left = self.engine.active().into_iter().find(|a| a.instance == name);
        assert!(left.is_none(), "an alert of a removed connection: {left:?}");
    }

    /// Somebody acknowledges, takes that back or clears.
    fn by_hand(&mut self) {
        let ids: Vec<String> = self.engine.active().iter().map(|a| a.id.clone()).collect();
        if ids.is_empty() {
            return;
        }
        let id = ids[self.chance.below(ids.len())].clone();
        let alert = self.engine.get(&id).unwrap().clone();
        assert!(match self.chance.below(4) {
            0 | 1 => self.engine.acknowledge(&id, "ana", self.now),
            2 => self.engine.unacknowledge(&id),
            _ => {
                self.oracle.cleared(&alert);
                self.engine.clear(&id, self.now)
            }
        });
        self.step(None);
    }

    /// The process is killed and begins again with what was on the disk.
    fn restart(&mut self) {
        self.restarts += 1;
        let file = self.engine.config().to_file();
        let mut engine = Engine::new(Config::from_file(&file, "UTC").unwrap());
        self.now.mono_ms = 0;
        let journal = journal::decode(&self.journal);
        assert_eq!(journal.broken, 0);
        let active = history::reconcile(journal.lines, Vec::new()).active;
        engine.restore(active, Some(Memory::read(&self.memory).unwrap()), self.now);
        (self.engine, self.ledger) = (engine, Ledger::default());
        self.expect();
        self.oracle.restarted();
        self.nothing_changed("a restart");
    }

    fn nothing_changed(&mut self, what: &str) {
        self.oracle.config_saved();
        let step = self.engine.step(&self.state, self.now);
        // An escalation is the clock's doing.
        let all_by_clock = step.transitions.iter().all(|t| matches!(t, Transition::Escalated(..)));
        assert!(all_by_clock, "{what} was a transition: {:?}", step.transitions);
        self.note(&step);
        if step.save {
            self.save();
        }
        self.oracle.judge(&self.engine, &self.state, None, self.passed_ms);
    }

    /// Three days without anything new: what was held comes.
    fn settle(&mut self) {
        for n in 0..=CONNECTIONS {
            self.poll(n);
        }
        for _ in 0..3 * 24 * 6 {
            self.pass(600);
        }
        self.oracle.all_told(&self.state);
    }
}

fn connection_key(n: usize) -> String {
    if n == CONNECTIONS { "pbs-vault".to_owned() } else { connection(n) }
}

fn connection_number(instance: &str) -> usize {
    instance.trim_start_matches('c').parse().unwrap_or(0)
}
