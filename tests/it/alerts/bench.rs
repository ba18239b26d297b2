//! A small cluster, a backup server and an engine, polled every ten seconds of simulated time.

use pulse::alerts::outgoing::{Kind, Outgoing};
use pulse::alerts::{Config, Engine, Ledger, Lists, Poll, Source, Transition, Why, Write};
use pulse::model::{Alert, Datastore, Guest, Node, Now, PbsInstance, State, Storage, Time, Usage};
use serde_json::{Value, json};
use std::time::Duration;

/// Wednesday, 2025-08-27 10:00 UTC.
pub const START_MS: i64 = 1_756_288_800_000;
pub const POLL_SECS: u64 = 10;

pub struct Bench {
    pub engine: Engine,
    pub state: State,
    pub now: Now,
    /// Everything told so far.
    pub told: Vec<Outgoing>,
}

pub fn config(changes: Value) -> Config {
    // Limits without delay, no gathering, no cool-down: what a test is about it sets itself.
    let plain = json!({
        "guestDefaults": {"cpu": {"trigger": 80, "clear": 75}, "memory": {"trigger": 85, "clear": 80},
            "disk": {"trigger": 90, "clear": 85}},
        "nodeDefaults": {"cpu": {"trigger": 80, "clear": 75}, "memory": {"trigger": 85, "clear": 80},
            "disk": {"trigger": 90, "clear": 85}},
        "schedule": {"cooldown": 0, "groupingWindow": 0, "maxAlertsHour": 0, "grouping": {"enabled": false}},
    });
    let plain = Config::fresh("UTC").after_put(plain.to_string().as_bytes()).unwrap();
    plain.after_put(changes.to_string().as_bytes()).unwrap()
}

pub fn guest(vmid: i64, node: &str) -> Guest {
    Guest {
        id: format!("lab-{node}-{vmid}"),
        vmid,
        name: format!("guest{vmid}"),
        node: node.into(),
        instance: "lab".into(),
        status: "running".into(),
        r#type: if vmid >= 200 { "lxc".into() } else { "qemu".into() },
        cpu: 0.1,
        cpus: 2,
        memory: Usage::of(100, 10),
        disk: Usage::of(100, 10),
        ..Guest::default()
    }
}

pub fn node(name: &str) -> Node {
    Node {
        id: format!("lab-{name}"),
        name: name.into(),
        instance: "lab".into(),
        host: format!("https://{name}:8006"),
        status: "online".into(),
        r#type: "node".into(),
        cpu: 0.1,
        memory: Usage::of(100, 10),
        disk: Usage::of(100, 10),
        connection_health: "healthy".into(),
        ..Node::default()
    }
}

pub fn storage(name: &str, node: &str) -> Storage {
    Storage {
        id: format!("lab-{node}-{name}"),
        name: name.into(),
        node: node.into(),
        instance: "lab".into(),
        status: "available".into(),
        total: 100,
        used: 10,
        usage: 10.0,
        enabled: true,
        active: true,
        ..Storage::default()
    }
}

pub fn pbs(name: &str) -> PbsInstance {
    let datastore = Datastore {
        name: "store1".into(),
        total: 100,
        used: 10,
        usage: 10.0,
        status: "available".into(),
        ..Datastore::default()
    };
    PbsInstance {
        id: format!("pbs-{name}"),
        name: name.into(),
        host: "https://vault:8007".into(),
        status: "online".into(),
        cpu: 5.0,
        memory: 10.0,
        memory_total: 100,
        datastores: Some(vec![datastore]),
        connection_health: "healthy".into(),
        ..PbsInstance::default()
    }
}

impl Bench {
    /// Nodes alpha and beta, guests 101 and 201 on alpha, a storage each, the backup server vault.
    pub fn new(changes: Value) -> Bench {
        let mut state = State {
            nodes: vec![node("alpha"), node("beta")],
            vms: vec![guest(101, "alpha").into()],
            containers: vec![guest(201, "alpha").into()],
            storage: vec![storage("local", "alpha"), storage("local", "beta")],
            pbs: vec![pbs("vault")],
            ..State::default()
        };
        state.connection_health.insert("lab".into(), true);
        state.connection_health.insert("pbs-vault".into(), true);
        let mut bench =
            Bench { engine: Engine::new(config(changes)), state, now: Now::simulated(START_MS), told: Vec::new() };
        bench.expect();
        bench
    }

    pub fn expect(&mut self) {
        let names: Vec<String> = self.state.connection_health.keys().cloned().collect();
        let sources: Vec<Source> = names.iter().map(|n| source(n)).collect();
        self.engine.expect(&sources, &self.state, self.now);
    }

    pub fn set(&mut self, changes: Value) {
        let next = self.engine.config().after_put(changes.to_string().as_bytes()).unwrap();
        self.engine.set_config(next);
    }

    pub fn vm(&mut self) -> &mut Guest {
        &mut self.state.vms[0]
    }
    pub fn cpu(&mut self, percent: f64) -> &mut Bench {
        self.state.vms[0].cpu = percent / 100.0;
        self
    }

    /// One poll of every connection, ten seconds after the last.
    pub fn poll(&mut self) -> Vec<Transition> {
        self.poll_with(Lists {
            tasks: true,
            backups: true,
            snapshots: true,
            replication: true,
            ceph: true,
            zfs: true,
            disks: true,
        })
    }
    pub fn poll_with(&mut self, brought: Lists) -> Vec<Transition> {
        self.now = self.now.plus(Duration::from_secs(POLL_SECS));
        for (name, reachable) in &self.state.connection_health {
            let brought = if *reachable { brought } else { Lists::default() };
            self.engine.polled(&Poll { source: source(name), reachable: *reachable, brought });
        }
        self.step()
    }
    pub fn polls(&mut self, count: usize) -> Vec<Transition> {
        (0..count).flat_map(|_| self.poll()).collect()
    }
    /// Time without a poll; the engine is asked every second, as the owner does.
    pub fn wait(&mut self, secs: u64) -> Vec<Transition> {
        let mut all = Vec::new();
        for _ in 0..secs {
            self.now = self.now.plus(Duration::from_secs(1));
            all.extend(self.step());
        }
        all
    }
    pub fn step(&mut self) -> Vec<Transition> {
        let step = self.engine.step(&self.state, self.now);
        self.told.extend(step.outgoing);
        step.transitions
    }

    /// The process ends and begins again: what was active and the memory go over the disk's form.
    pub fn restart(&mut self) {
        let active = serde_json::to_vec(&self.engine.active()).unwrap();
        let Write::Whole(memory) = Ledger::default().write(&self.engine, self.now) else {
            panic!("the first is whole")
        };
        let mut engine = Engine::new(Config::from_file(&self.engine.config().to_file(), "UTC").unwrap());
        self.now.mono_ms = 0;
        let alerts: Vec<Alert> = serde_json::from_slice(&active).unwrap();
        engine.restore(alerts, Some(pulse::alerts::Memory::read(&memory).unwrap()), self.now);
        self.engine = engine;
        self.expect();
    }

    pub fn ids(&self) -> Vec<&str> {
        self.engine.active().iter().map(|a| a.id.as_str()).collect()
    }
    pub fn alert(&self, id: &str) -> Alert {
        self.engine.get(id).unwrap_or_else(|| panic!("{id} is not active, but {:?}", self.ids())).clone()
    }
    /// What was told since this was last asked: kind and ids of each message.
    pub fn news(&mut self) -> Vec<(Kind, Vec<String>)> {
        let ids = |o: &Outgoing| o.items.iter().map(|i| i.alert.id.clone()).collect();
        self.told.drain(..).map(|o| (o.kind, ids(&o))).collect()
    }
    pub fn at(&mut self, text: &str) {
        self.now.wall = Time::parse(text).unwrap();
    }
}

pub fn source(key: &str) -> Source<'_> {
    key.strip_prefix("pbs-").map_or(Source::Pve(key), Source::Pbs)
}

/// What happened, in short: `+id` raised, `-id` ended (`-id stopped` when not by recovery), `^id` level, …
pub fn brief(transitions: &[Transition]) -> Vec<String> {
    let word = |t: &Transition| match t {
        Transition::Raised(a) => format!("+{}", a.id),
        Transition::LevelChanged(a) => format!("^{} {}", a.id, a.level),
        Transition::Escalated(a, level) => format!("!{} {level}", a.id),
        Transition::Acknowledged(a) => format!("a{}", a.id),
        Transition::Unacknowledged(a) => format!("u{}", a.id),
        Transition::Resolved(r) if r.why == Why::Recovered => format!("-{}", r.alert.id),
        Transition::Resolved(r) => format!("-{} {}", r.alert.id, r.why.as_str()),
    };
    transitions.iter().map(word).collect()
}

pub const CPU: &str = "lab-alpha-101-cpu";
