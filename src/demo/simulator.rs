//! The handle of a running simulation: addresses, logins, faults, changes, counters, the truth.

use super::access::Access;
use super::fault::{Fault, Scope};
use super::net::{self, Call, Certificate, Counts, Listening, Message, Order, Plan, Post};
use super::scene::Scene;
use super::spec::{HostSpec, Spec};
use super::truth::Truth;
use super::world::{Change, Host, World};
use crossbeam_channel::{Sender, bounded, unbounded};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;

/// A simulated installation that listens. Dropping it closes every port.
pub struct Simulator {
    inbox: Sender<Message>,
    thread: Option<JoinHandle<()>>,
    ports: Vec<u16>,
    spec: Spec,
}

/// How to reach one host.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Whether it is a Proxmox Backup Server.
    pub backup_server: bool,
    /// The cluster's or the server's name.
    pub name: String,
    pub url: String,
    /// SHA-256 of the certificate of its first node.
    pub fingerprint: String,
    pub access: Access,
}

/// Builds the world of a spec and starts to listen on all its addresses.
pub fn start(spec: Spec) -> Result<Simulator, String> {
    let world = World::build(&spec, spec.clock.read());
    let (inbox, messages) = unbounded();
    let mut certificates: Vec<Vec<Certificate>> = Vec::new();
    let mut sockets: Vec<Vec<TcpListener>> = Vec::new();
    for (host, it) in world.hosts.iter().enumerate() {
        let make = |n| Certificate::make(&it.endpoint_name(n), spec.address(host, n));
        certificates.push((0..it.endpoints()).map(make).collect::<Result<_, _>>()?);
        sockets.push(bind_host(&spec, host, it.endpoints())?);
    }
    let port = |all: &Vec<TcpListener>| all.first().and_then(|s| s.local_addr().ok()).map_or(0, |a| a.port());
    let ports: Vec<u16> = sockets.iter().map(port).collect();
    let mut listening = Vec::new();
    for (host, all) in sockets.into_iter().enumerate() {
        let pbs = world.pbs(host).is_some();
        let serve =
            |(endpoint, socket)| Listening::start(socket, Post { host, endpoint, pbs, inbox: inbox.clone() }).map(Some);
        listening.push(all.into_iter().enumerate().map(serve).collect::<Result<Vec<_>, _>>()?);
    }
    let scene = Scene {
        access: (0..world.hosts.len()).map(|h| Access::of(&world, h)).collect(),
        clock: spec.clock,
        fingerprints: certificates.iter().map(|c| c.iter().map(|c| c.fingerprint.clone()).collect()).collect(),
        world: Arc::new(world),
    };
    let plan = Plan { spec: spec.clone(), scene, certificates, ports: ports.clone(), listening };
    let to_self = inbox.clone();
    let run = move || net::direct(plan, to_self, &messages);
    let thread = std::thread::Builder::new().name("sim director".to_owned()).spawn(run);
    let thread = thread.map_err(|e| format!("failed to start simulator: {e}"))?;
    Ok(Simulator { inbox, thread: Some(thread), ports, spec })
}

/// All addresses of a host on one port; when it is free on the first but taken on another, the next is tried.
fn bind_host(spec: &Spec, host: usize, endpoints: usize) -> Result<Vec<TcpListener>, String> {
    let wanted = match spec.hosts.get(host) {
        Some(HostSpec::Pve(pve)) => pve.port,
        Some(HostSpec::Pbs(pbs)) => pbs.port,
        None => 0,
    };
    let mut failure = String::new();
    for _attempt in 0..10 {
        let first = net::bind(spec.address(host, 0), wanted)?;
        let port = first.local_addr().map_err(|e| format!("failed to listen: {e}"))?.port();
        let mut all = vec![first];
        for endpoint in 1..endpoints {
            match TcpListener::bind((spec.address(host, endpoint), port)) {
                Ok(socket) => all.push(socket),
                Err(e) => failure = format!("failed to listen on port {port}: {e}"),
            }
        }
        if all.len() == endpoints.max(1) {
            return Ok(all);
        }
    }
    Err(failure)
}

impl Simulator {
    /// Sends an order and waits until it is done.
    fn order<T>(&self, order: impl FnOnce(Sender<T>) -> Order, instead: T) -> T {
        let (reply, answer) = bounded(1);
        if self.inbox.send(Message::Order(order(reply))).is_err() {
            return instead;
        }
        answer.recv().unwrap_or(instead)
    }
    fn scene(&self) -> Option<Arc<Scene>> {
        let (reply, answer) = bounded(1);
        self.inbox.send(Message::Order(Order::Scene(reply))).ok()?;
        answer.recv().ok()
    }

    /// How many hosts (connections) there are; the spec's order is theirs.
    pub fn hosts(&self) -> usize {
        self.spec.hosts.len()
    }
    /// The base address of a host: that of its first node.
    pub fn url(&self, host: usize) -> String {
        self.node_url(host, 0)
    }
    /// The base address of one node of a host.
    pub fn node_url(&self, host: usize, node: usize) -> String {
        format!("https://{}:{}", self.spec.address(host, node), self.port(host))
    }
    pub fn port(&self, host: usize) -> u16 {
        self.ports.get(host).copied().unwrap_or(0)
    }
    /// SHA-256 of the certificate that the first node of a host shows now, as `AA:BB:…`.
    pub fn fingerprint(&self, host: usize) -> String {
        self.node_fingerprint(host, 0)
    }
    pub fn node_fingerprint(&self, host: usize, node: usize) -> String {
        let found = |s: &Scene| s.fingerprints.get(host).and_then(|f| f.get(node)).cloned();
        self.scene().and_then(|s| found(&s)).unwrap_or_default()
    }
    /// User, password and token of a host.
    pub fn access(&self, host: usize) -> Option<Access> {
        self.scene().and_then(|s| s.access.get(host).cloned())
    }
    /// Token id and secret of a host.
    pub fn token(&self, host: usize) -> (String, String) {
        self.access(host).map(|a| (a.token_id, a.token_secret)).unwrap_or_default()
    }
    /// User and password of a host.
    pub fn login(&self, host: usize) -> (String, String) {
        self.access(host).map(|a| (a.user, a.password)).unwrap_or_default()
    }

    /// Everything that is needed to connect to each host, in the spec's order.
    pub fn connections(&self) -> Vec<Connection> {
        let Some(scene) = self.scene() else { return Vec::new() };
        let hosts = scene.world.hosts.iter().zip(&scene.access).enumerate();
        let connection = |(index, (host, access)): (usize, (&Host, &Access))| Connection {
            backup_server: matches!(host, Host::Pbs(_)),
            name: host.name().to_owned(),
            url: self.url(index),
            fingerprint: scene.fingerprints.get(index).and_then(|f| f.first()).cloned().unwrap_or_default(),
            access: access.clone(),
        };
        hosts.map(connection).collect()
    }

    /// Spoils requests until it is cleared; the first fault that covers a request counts.
    pub fn fault(&self, scope: Scope, fault: Fault) -> u64 {
        self.order(|reply| Order::Fault(scope, fault, reply), 0)
    }
    pub fn clear(&self, fault: u64) {
        self.order(|reply| Order::Clear(Some(fault), reply), ());
    }
    pub fn clear_all(&self) {
        self.order(|reply| Order::Clear(None, reply), ());
    }
    /// Closes all ports and connections of a host.
    pub fn kill(&self, host: usize) {
        self.order(|reply| Order::Kill(host, None, reply), ());
    }
    /// Opens them again, on the same ports.
    pub fn revive(&self, host: usize) -> Result<(), String> {
        self.order(|reply| Order::Revive(host, None, reply), Err(GONE.to_owned()))
    }
    /// The same for the address of one node; the cluster does not notice (only clients do).
    pub fn kill_node(&self, host: usize, node: usize) {
        self.order(|reply| Order::Kill(host, Some(node), reply), ());
    }
    pub fn revive_node(&self, host: usize, node: usize) -> Result<(), String> {
        self.order(|reply| Order::Revive(host, Some(node), reply), Err(GONE.to_owned()))
    }
    /// A new certificate for every node of a host; open connections end.
    pub fn renew_certificates(&self, host: usize) -> Result<(), String> {
        self.order(|reply| Order::Renew(host, reply), Err(GONE.to_owned()))
    }
    /// Makes all tickets of a host void.
    pub fn expire_tickets(&self, host: usize) {
        self.order(|reply| Order::Expire(host, reply), ());
    }
    /// Something happens in the installation.
    pub fn change(&self, change: Change) -> Result<(), String> {
        self.order(|reply| Order::Change(change, reply), Err(GONE.to_owned()))
    }
    /// Stops the simulation's clock at this second since 1970.
    pub fn set_time(&self, t: i64) {
        self.order(|reply| Order::SetTime(t, reply), ());
    }
    /// The simulation's time.
    pub fn now(&self) -> i64 {
        self.scene().map_or(0, |s| s.base_time())
    }

    /// How it really is now.
    pub fn truth(&self) -> Truth {
        self.truth_at(self.now())
    }
    /// How it really is at a second since 1970.
    pub fn truth_at(&self, t: i64) -> Truth {
        self.scene().map_or_else(Truth::default, |s| Truth::at(&s.world, t))
    }

    /// What was asked since the start or the last [`Simulator::forget`].
    pub fn counts(&self) -> Counts {
        self.order(Order::Counts, Counts::default())
    }
    /// All requests so far.
    pub fn requests(&self) -> u64 {
        self.counts().total
    }
    /// Requests to a host whose `METHOD /path` fits a pattern with `*`.
    pub fn requests_to(&self, host: usize, pattern: &str) -> u64 {
        let fits =
            |call: &&Call| call.host == host && super::fault::glob(pattern, &format!("{} {}", call.method, call.path));
        self.calls().iter().filter(fits).count() as u64
    }
    /// The last 20,000 requests, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.order(Order::Calls, Vec::new())
    }
    /// Requests that the API does not know: wrong paths and wrong parameters.
    pub fn violations(&self) -> Vec<String> {
        self.order(Order::Violations, Vec::new())
    }
    /// Starts counting anew.
    pub fn forget(&self) {
        self.order(Order::Forget, ());
    }
}

const GONE: &str = "the simulator has ended";

impl Drop for Simulator {
    fn drop(&mut self) {
        self.order(Order::Stop, ());
        if let Some(thread) = self.thread.take() {
            // It only ends after closing every port; a panic there was already reported.
            let _ended = thread.join();
        }
    }
}
