//! The one thread that owns what changes: the scene, the faults, the listeners, the counters. Connections ask it
//! what a request meets; tests and the command line give it orders.

use super::Certificate;
use super::connection::Post;
use super::listener::{self, Listening};
use crate::demo::fault::{Fault, Scope};
use crate::demo::scene::Scene;
use crate::demo::spec::Spec;
use crate::demo::world::Change;
use crossbeam_channel::{Receiver, Sender};
use rustls::ServerConfig;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

/// Connections that all hosts together accept.
const CONNECTIONS: usize = 1024;
/// Requests and complaints that are remembered word for word.
const REMEMBERED: usize = 20_000;

pub enum Message {
    /// A connection was accepted; no answer means: close it.
    Opened {
        host: usize,
        endpoint: usize,
        stream: TcpStream,
        reply: Sender<Admission>,
    },
    Closed {
        id: u64,
    },
    /// A request was read.
    Asked {
        call: Call,
        complaint: Option<String>,
        reply: Sender<Ruling>,
    },
    Order(Order),
}

/// A connection may go on.
pub struct Admission {
    pub id: u64,
    pub tls: Arc<ServerConfig>,
}

/// What a request meets.
pub struct Ruling {
    pub scene: Arc<Scene>,
    pub fault: Option<Fault>,
}

/// One request, as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub host: usize,
    /// Index of the node that it was sent to.
    pub endpoint: usize,
    pub method: String,
    /// Below `/api2/json`.
    pub path: String,
    /// The pattern in the catalogue, or the path when there is none.
    pub pattern: String,
    /// Parameters as sent, without those that carry secrets.
    pub query: String,
}

/// What was asked so far.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    pub total: u64,
    /// By host, and method with path pattern.
    pub by_pattern: BTreeMap<(usize, String), u64>,
    pub connections: u64,
    /// Connections that are open now.
    pub open: usize,
}

pub enum Order {
    Change(Change, Sender<Result<(), String>>),
    Fault(Scope, Fault, Sender<u64>),
    Clear(Option<u64>, Sender<()>),
    /// Closes the ports and connections of a host, or of one of its nodes.
    Kill(usize, Option<usize>, Sender<()>),
    Revive(usize, Option<usize>, Sender<Result<(), String>>),
    /// A new certificate for every node of a host; open connections end.
    Renew(usize, Sender<Result<(), String>>),
    /// Tickets made so far are void.
    Expire(usize, Sender<()>),
    SetTime(i64, Sender<()>),
    Scene(Sender<Arc<Scene>>),
    Counts(Sender<Counts>),
    Calls(Sender<Vec<Call>>),
    Violations(Sender<Vec<String>>),
    Forget(Sender<()>),
    Stop(Sender<()>),
}

/// What the director starts with.
pub struct Plan {
    pub spec: Spec,
    pub scene: Scene,
    /// By host and node.
    pub certificates: Vec<Vec<Certificate>>,
    pub ports: Vec<u16>,
    pub listening: Vec<Vec<Option<Listening>>>,
}

struct Director {
    plan: Plan,
    scene: Arc<Scene>,
    inbox: Sender<Message>,
    faults: Vec<(u64, Scope, Fault)>,
    connections: HashMap<u64, (usize, usize, TcpStream)>,
    counts: Counts,
    calls: VecDeque<Call>,
    violations: VecDeque<String>,
    next: u64,
}

/// Runs until it is told to stop.
pub fn direct(plan: Plan, inbox: Sender<Message>, messages: &Receiver<Message>) {
    let scene = Arc::new(plan.scene.clone());
    let mut it = Director {
        plan,
        scene,
        inbox,
        faults: Vec::new(),
        connections: HashMap::new(),
        counts: Counts::default(),
        calls: VecDeque::new(),
        violations: VecDeque::new(),
        next: 1,
    };
    while let Ok(message) = messages.recv() {
        match message {
            Message::Opened { host, endpoint, stream, reply } => it.admit(host, endpoint, stream, &reply),
            Message::Closed { id } => drop(it.connections.remove(&id)),
            Message::Asked { call, complaint, reply } => it.rule(call, complaint, &reply),
            Message::Order(Order::Stop(reply)) => {
                (0..it.plan.listening.len()).for_each(|host| it.kill(host, None));
                tell(&reply, ());
                return;
            }
            Message::Order(order) => it.obey(order),
        }
    }
}

impl Director {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn admit(&mut self, host: usize, endpoint: usize, stream: TcpStream, reply: &Sender<Admission>) {
        let serving = self.plan.listening.get(host).and_then(|l| l.get(endpoint)).is_some_and(Option::is_some);
        let certificate = self.plan.certificates.get(host).and_then(|c| c.get(endpoint));
        let Some(tls) = certificate.map(|c| Arc::clone(&c.config)) else { return };
        if !serving || self.connections.len() >= CONNECTIONS {
            return;
        }
        let id = self.number();
        self.counts.connections += 1;
        self.connections.insert(id, (host, endpoint, stream));
        // A connection that ended meanwhile says so by `Closed`.
        let _sent = reply.send(Admission { id, tls });
    }

    fn rule(&mut self, call: Call, complaint: Option<String>, reply: &Sender<Ruling>) {
        self.counts.total += 1;
        let key = (call.host, format!("{} {}", call.method, call.pattern));
        *self.counts.by_pattern.entry(key).or_default() += 1;
        let hit = self.faults.iter_mut().find(|(_, scope, _)| scope.covers(call.host, call.endpoint, &call.path));
        let fault = hit.map(|(_, scope, fault)| {
            if let Some(times) = &mut scope.times {
                *times = times.saturating_sub(1);
            }
            fault.clone()
        });
        self.faults.retain(|(_, scope, _)| scope.times != Some(0));
        if let Some(complaint) = complaint {
            remember(&mut self.violations, complaint);
        }
        remember(&mut self.calls, call);
        let _sent = reply.send(Ruling { scene: Arc::clone(&self.scene), fault });
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Change(change, reply) => tell(&reply, self.change(&change)),
            Order::Fault(scope, fault, reply) => {
                let id = self.number();
                self.faults.push((id, scope, fault));
                tell(&reply, id);
            }
            Order::Clear(id, reply) => {
                self.faults.retain(|(known, _, _)| id.is_some_and(|id| id != *known));
                tell(&reply, ());
            }
            Order::Kill(host, endpoint, reply) => {
                self.kill(host, endpoint);
                tell(&reply, ());
            }
            Order::Revive(host, endpoint, reply) => tell(&reply, self.revive(host, endpoint)),
            Order::Renew(host, reply) => tell(&reply, self.renew(host)),
            Order::Expire(host, reply) => {
                self.expire(host);
                tell(&reply, ());
            }
            Order::SetTime(t, reply) => {
                self.update(|scene| scene.clock = crate::demo::spec::Clock::Frozen(t));
                tell(&reply, ());
            }
            Order::Scene(reply) => tell(&reply, Arc::clone(&self.scene)),
            Order::Counts(reply) => {
                tell(&reply, Counts { open: self.connections.len(), ..self.counts.clone() });
            }
            Order::Calls(reply) => tell(&reply, self.calls.iter().cloned().collect()),
            Order::Violations(reply) => tell(&reply, self.violations.iter().cloned().collect()),
            Order::Forget(reply) => {
                self.counts = Counts::default();
                self.calls.clear();
                self.violations.clear();
                tell(&reply, ());
            }
            Order::Stop(reply) => tell(&reply, ()),
        }
    }

    fn update(&mut self, edit: impl FnOnce(&mut Scene)) {
        let mut scene = Scene::clone(&self.scene);
        edit(&mut scene);
        self.scene = Arc::new(scene);
    }

    fn change(&mut self, change: &Change) -> Result<(), String> {
        let world = self.scene.world.after(change, self.scene.base_time())?;
        self.update(|scene| scene.world = Arc::new(world));
        match change {
            Change::NodeOffline { host, node } | Change::RemoveNode { host, node } => {
                if let Some(endpoint) = self.endpoint(*host, node) {
                    self.kill(*host, Some(endpoint));
                }
                Ok(())
            }
            Change::NodeOnline { host, node } => self.revive(*host, self.endpoint(*host, node)),
            _ => Ok(()),
        }
    }

    fn endpoint(&self, host: usize, node: &str) -> Option<usize> {
        self.scene.world.pve(host)?.nodes.iter().position(|n| n.name == node)
    }

    fn kill(&mut self, host: usize, endpoint: Option<usize>) {
        let Some(all) = self.plan.listening.get_mut(host) else { return };
        for (_, slot) in all.iter_mut().enumerate().filter(|(i, _)| endpoint.is_none_or(|e| e == *i)) {
            if let Some(listening) = slot.take() {
                listening.stop();
            }
        }
        self.disconnect(host, endpoint);
    }

    fn disconnect(&mut self, host: usize, endpoint: Option<usize>) {
        self.connections.retain(|_, (h, e, stream)| {
            let stays = *h != host || endpoint.is_some_and(|wanted| wanted != *e);
            if !stays {
                // Already closed is as good.
                let _closed = stream.shutdown(Shutdown::Both);
            }
            stays
        });
    }

    fn revive(&mut self, host: usize, endpoint: Option<usize>) -> Result<(), String> {
        let port = self.plan.ports.get(host).copied().unwrap_or(0);
        let pbs = self.scene.world.pbs(host).is_some();
        let Some(all) = self.plan.listening.get_mut(host) else { return Err(format!("no host {host}")) };
        for (i, slot) in all.iter_mut().enumerate().filter(|(i, _)| endpoint.is_none_or(|e| e == *i)) {
            if slot.is_none() {
                let socket = listener::bind(self.plan.spec.address(host, i), port)?;
                *slot = Some(Listening::start(socket, Post { host, endpoint: i, pbs, inbox: self.inbox.clone() })?);
            }
        }
        Ok(())
    }

    fn renew(&mut self, host: usize) -> Result<(), String> {
        let Some(world) = self.scene.world.hosts.get(host) else { return Err(format!("no host {host}")) };
        let mut fresh = Vec::new();
        for endpoint in 0..world.endpoints() {
            fresh.push(Certificate::make(&world.endpoint_name(endpoint), self.plan.spec.address(host, endpoint))?);
        }
        let fingerprints: Vec<String> = fresh.iter().map(|c| c.fingerprint.clone()).collect();
        if let Some(slot) = self.plan.certificates.get_mut(host) {
            *slot = fresh;
        }
        self.update(|scene| {
            if let Some(slot) = scene.fingerprints.get_mut(host) {
                *slot = fingerprints;
            }
        });
        self.disconnect(host, None);
        Ok(())
    }

    fn expire(&mut self, host: usize) {
        // Tickets carry whole seconds, so those of this very second end too.
        let from = self.scene.time(host) + 1;
        self.update(|scene| {
            if let Some(access) = scene.access.get_mut(host) {
                access.valid_from = from;
            }
        });
    }
}

/// Answers an order. Whoever gave it may have stopped waiting; that changes nothing here.
fn tell<T>(reply: &Sender<T>, answer: T) {
    let _sent = reply.send(answer);
}

fn remember<T>(list: &mut VecDeque<T>, item: T) {
    if list.len() >= REMEMBERED {
        list.pop_front();
    }
    list.push_back(item);
}
