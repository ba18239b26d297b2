//! The cycle of a PVE connection: find it, ask what is due, remember, report.

mod ask;
mod guests;
mod nodes;
mod past;
mod said;
mod sweep;
mod take;
mod view;

use super::cadence::{Allowance, Cadence};
use super::derive::guest::Seen as GuestSeen;
use super::derive::guest::Sort;
use super::derive::node::Seen as NodeSeen;
use super::derive::rates::Rates;
use super::fanout;
use super::hold::Held;
use super::lane::Lane;
use super::ledger::Ledger;
use super::link::Link;
use super::reach::Reach;
use super::report::{Endpoint, Report, Version};
use super::target::Target;
use super::worker::{Clock, Cycle};
use crate::model::{Ceph, Cluster, Coverage, HaResource, Now, StorageBackup, Time};
use crate::order::{Map, Set};
use crate::proxmox::Error;
use crate::proxmox::pve::{ClusterItem, Resource, StorageDefinition, UncoveredItem};
use ask::{Ask, Got, Topic};
use guests::{Guests, Rules};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A cycle begins no request after this.
const CYCLE: Duration = Duration::from_secs(8);
/// Nor one about a single guest after this, so that the last ones can end in time.
const DETAILS: Duration = Duration::from_millis(6500);
/// The first report shall come soon: details follow with the next cycle.
const FIRST_DETAILS: Duration = Duration::from_millis(1500);
/// The time a way gets while there are others, and the least that the next one gets.
const FAIL_OVER: Duration = Duration::from_secs(5);
const SECOND_TRY: Duration = Duration::from_secs(3);
/// From the first to the second cycle.
const SECOND_CYCLE: Duration = Duration::from_secs(3);
/// The first look at everything may cost this many requests beyond those for the nodes; the rest follows steadily.
const FIRST_MAX: f64 = 600.0;
/// A host of its own does not become a member of a cluster every day.
const STANDALONE_RECHECK: Duration = Duration::from_secs(30 * 60);
/// File reading through the agent was refused: try again after this.
const NO_FILES_MS: u64 = 6 * 60 * 60 * 1000;

type Answer = Result<Got, Error>;

/// Bytes of the memory kept in a snapshot, by VMID and name.
type StateSizes = Map<(i64, String), i64>;

/// Everything about one PVE connection.
pub(super) struct PvePoll {
    target: Target,
    link: Link,
    reach: Reach,
    ledger: Ledger,
    cadence: Cadence<Topic>,
    allowance: Allowance,
    lane: Lane<Ask, Answer>,
    cycles: u64,
    /// `None` until known.
    clustered: Option<bool>,
    cluster: Option<Cluster>,
    ha: Option<Held<Vec<HaResource>>>,
    nodes: Map<String, nodes::Kept>,
    guests: Guests,
    /// The list of everything, and what `/cluster/status` and the backup jobs said, in PVE's words.
    resources: Arc<Vec<Resource>>,
    members: Vec<ClusterItem>,
    uncovered: Option<Held<Vec<UncoveredItem>>>,
    rates: Rates,
    definitions: Option<Held<Vec<StorageDefinition>>>,
    /// By node (`shared` for shared ones) and storage.
    files: Map<(String, String), Held<Vec<StorageBackup>>>,
    /// Bytes of the memory kept in snapshots, by node and storage, and then VMID and name.
    states: Map<(String, String), Held<StateSizes>>,
    /// Those whose list grew too old to be shown.
    aged_files: Set<(String, String)>,
    coverage: Option<Held<Coverage>>,
    ceph: Option<Held<Option<Ceph>>>,
    version: Option<Version>,
    /// There are replication jobs.
    replicating: bool,
    endpoints: Vec<Endpoint>,
    fingerprints: Map<String, String>,
    /// Reading files through guest agents is refused until this moment.
    no_files_until_ms: u64,
    changed: Changed,
    /// When the connection was last there.
    last_there: Option<Time>,
    over_budget: bool,
    past: past::Past,
}

/// Which slow lists are to be told with the next report.
#[derive(Debug, Default)]
struct Changed {
    tasks: bool,
    files: bool,
    snapshots: bool,
    replication: bool,
    ceph: bool,
    zfs: bool,
    disks: bool,
    coverage: bool,
    endpoints: bool,
}

impl PvePoll {
    pub fn new(target: Target) -> PvePoll {
        PvePoll {
            link: Link::new(&target),
            reach: Reach::default(),
            ledger: Ledger::new(&target.instance),
            cadence: Cadence::new(),
            allowance: Allowance::default(),
            lane: Lane::new(),
            cycles: 0,
            clustered: None,
            cluster: None,
            ha: None,
            nodes: Map::new(),
            guests: Guests::default(),
            resources: Arc::default(),
            members: Vec::new(),
            uncovered: None,
            rates: Rates::default(),
            definitions: None,
            files: Map::new(),
            states: Map::new(),
            aged_files: Set::new(),
            coverage: None,
            ceph: None,
            version: None,
            replicating: false,
            endpoints: target.endpoints.clone(),
            fingerprints: Map::new(),
            no_files_until_ms: 0,
            changed: Changed::default(),
            last_there: None,
            over_budget: false,
            past: past::Past::new(target.past),
            target,
        }
    }
}

impl Cycle for PvePoll {
    fn run(&mut self, clock: &Clock) -> Report {
        let began = Instant::now();
        let until = began + CYCLE;
        self.ledger.begin_cycle();
        self.cycles += 1;
        self.over_budget = false;
        match self.find(clock, until) {
            Ok(()) => {
                if self.reach.works() {
                    self.rates.interrupted();
                    log::info!("{}: answers again", self.target.instance);
                }
                self.link.works(clock.now());
                self.last_there = Some(clock.now().wall);
                self.details(clock, began, until);
                self.look_back(clock);
            }
            Err(error) => {
                self.reach.fails(&error);
                self.ledger.error(clock.now(), "connection", &error.to_string());
            }
        }
        self.report(clock.now(), began.elapsed())
    }

    fn period(&self) -> Duration {
        let usual = if self.cycles <= 1 { SECOND_CYCLE } else { self.target.period() };
        self.reach.period(usual)
    }

    #[cfg(test)]
    fn everything_is_due(&mut self) {
        (self.cadence, self.allowance) = (Cadence::new(), Allowance::default());
        self.guests.everything_is_due();
    }

    #[cfg(test)]
    fn is_busy(&self) -> bool {
        !self.lane.is_idle()
    }
}

impl PvePoll {
    /// Asks for the list of everything, at another endpoint when the way to this one is broken.
    fn find(&mut self, clock: &Clock, until: Instant) -> Result<(), Error> {
        // With other ways at hand, do not spend the whole cycle on this one.
        let sooner = if self.link.has_others() { Instant::now() + FAIL_OVER } else { until };
        match self.find_here(clock, sooner.min(until)) {
            Err(error) if error.is_transport() => {
                let from = self.link.url().to_owned();
                if !self.link.fail_over(clock, &error, until) {
                    return Err(error);
                }
                log::warn!("{}: {from}: {error}; going on at {}", self.target.instance, self.link.url());
                self.find_here(clock, until.max(Instant::now() + SECOND_TRY))
            }
            other => other,
        }
    }

    fn find_here(&mut self, clock: &Clock, until: Instant) -> Result<(), Error> {
        self.log_in(clock)?;
        match self.lists(clock, until) {
            // The ticket may have been revoked; a new login decides.
            Err(Error::Status(401, _)) if self.link.forget_ticket() => {
                self.log_in(clock)?;
                self.lists(clock, until)
            }
            other => other,
        }
    }

    fn log_in(&mut self, clock: &Clock) -> Result<(), Error> {
        let began = Instant::now();
        let result = self.link.ready(clock.now());
        if !matches!(result, Ok(false)) {
            self.ledger.asked(clock.now(), "access/ticket", began.elapsed().as_secs_f64(), result.is_err());
            self.allowance.spend(1);
        }
        result.map(|_| ())
    }

    /// Nodes and guests: of the cluster in one list, or of a host of its own in three.
    fn lists(&mut self, clock: &Clock, until: Instant) -> Result<(), Error> {
        if self.clustered.is_none() {
            self.find_out_membership(clock, until)?;
        }
        if self.clustered == Some(true) {
            match self.one(clock, Topic::Resources, until) {
                Ok(Got::Resources(all)) => {
                    self.ledger.answered(clock.now(), Topic::Resources.kind());
                    let nodes: Vec<NodeSeen> = all.iter().filter_map(NodeSeen::from_resource).collect();
                    // Without Sys.Audit the list has no nodes; the node lists have.
                    if !nodes.is_empty() {
                        let guests = all.iter().filter_map(GuestSeen::from_resource).collect();
                        self.keep_resources(all);
                        self.take_nodes(nodes);
                        self.take_guests(guests, |_| true, clock.now());
                        return Ok(());
                    }
                }
                Err(e) if e.is_transport() || matches!(e, Error::Status(401, _) | Error::Login(..)) => return Err(e),
                Err(e) => self.note_failure(&Topic::Resources, &e, clock.now()),
                Ok(_) => {}
            }
        }
        self.node_lists(clock, until)
    }

    fn node_lists(&mut self, clock: &Clock, until: Instant) -> Result<(), Error> {
        let Got::Nodes(items) = self.one(clock, Topic::Nodes, until)? else {
            return Err(Error::Body("it is not a list of nodes".into()));
        };
        self.take_nodes(items.iter().filter_map(NodeSeen::from_item).collect());
        let online: Vec<String> =
            self.nodes.values().filter(|n| n.seen.is_online()).map(|n| n.seen.name.clone()).collect();
        let both = online.iter().flat_map(|n| [Sort::Qemu, Sort::Lxc].map(|s| Topic::Guests(n.clone(), s)));
        let asks: Vec<Ask> = both.map(Ask::from).collect();
        self.allowance.spend(asks.len());
        let mut rows: Vec<Resource> = items.iter().map(said::of_node).collect();
        for (ask, answer) in self.many(clock, asks, until) {
            let Topic::Guests(node, sort) = &ask.topic else { continue };
            match answer {
                Ok(Got::Guests(items)) => {
                    self.ledger.answered(clock.now(), &ask.topic.subject());
                    rows.extend(items.iter().map(|g| said::of_guest(*sort, node, g)));
                    let seen = items.into_iter().filter_map(|g| GuestSeen::from_item(*sort, node, g)).collect();
                    self.take_guests(seen, |s| s.node == *node && s.sort == *sort, clock.now());
                }
                // The guests stay as they were last seen.
                Err(error) => {
                    let theirs = |r: &&Resource| r.node == *node && r.kind == sort.as_str();
                    rows.extend(self.resources.iter().filter(theirs).cloned());
                    self.note_failure(&ask.topic, &error, clock.now());
                }
                Ok(_) => {}
            }
        }
        self.keep_resources(rows);
        let offline = |n: &str| self.nodes.get(n).is_some_and(|k| !k.seen.is_online());
        self.guests.unknown_on(offline);
        Ok(())
    }

    /// Whether this is a cluster: asked once, since each such question makes a host of its own write to its log.
    fn find_out_membership(&mut self, clock: &Clock, until: Instant) -> Result<(), Error> {
        match self.one(clock, Topic::ClusterStatus, until) {
            Ok(got) => self.take(Ask::from(Topic::ClusterStatus), Ok(got), clock.now()),
            Err(e) if e.is_transport() || matches!(e, Error::Status(401, _) | Error::Login(..)) => return Err(e),
            Err(e) => {
                // Not to be known this way: more than one node makes a cluster as well.
                self.note_failure(&Topic::ClusterStatus, &e, clock.now());
                self.cadence.failed(Topic::ClusterStatus, Topic::ClusterStatus.period(), &e, clock.now().mono_ms);
                if let Got::Nodes(items) = self.one(clock, Topic::Nodes, until)? {
                    self.clustered = Some(items.len() > 1);
                }
            }
        }
        Ok(())
    }

    /// Everything else that is due, as far as time and allowance go.
    fn details(&mut self, clock: &Clock, began: Instant, until: Instant) {
        let now = clock.now();
        self.collect(clock, Duration::ZERO);
        let rate = self.per_minute();
        let about_guests = (6.0 * self.guests.len() as f64).min(FIRST_MAX);
        self.allowance.fill(rate, 60.0 + 12.0 * self.nodes.len() as f64 + about_guests, now.mono_ms);
        let probes = self.link.recheck(clock, until);
        self.allowance.spend(probes);

        let frequent: Vec<Ask> = self.due(self.frequent(), now).into_iter().map(Ask::from).collect();
        self.allowance.spend(frequent.len());
        for (ask, answer) in self.many(clock, frequent, until) {
            self.take(ask, answer, clock.now());
        }
        self.begin_slow(clock);
        let end = began + if self.cycles <= 1 { FIRST_DETAILS } else { DETAILS };
        // The status of a guest decides what else it is asked: a second pass completes new ones at once.
        for _pass in 0..2 {
            let asks = self.about_guests(clock.now());
            let wanted = asks.len();
            let answers = self.many(clock, asks, end.min(until));
            self.allowance.spend(answers.len());
            self.over_budget = answers.len() < wanted;
            for (ask, answer) in answers {
                self.take(ask, answer, clock.now());
            }
        }
        let patience = if self.cycles == 2 { Duration::from_secs(2) } else { Duration::from_millis(20) };
        self.collect(clock, patience.min(until.saturating_duration_since(Instant::now())));
        self.sweep(clock.now());
    }

    /// Requests a minute: a little below 40 for up to three nodes, 8 for each further one, 1 for each running VM. What
    /// every cycle asks anyway counts in.
    fn per_minute(&self) -> f64 {
        let nodes = self.nodes.values().filter(|n| n.seen.is_online()).count();
        (14.0 + 8.0 * nodes as f64).max(38.0) + self.guests.running_vms() as f64
    }

    fn rules(&self, now: Now) -> Rules {
        Rules {
            vms: self.target.monitor.vms,
            containers: self.target.monitor.containers,
            snapshots: self.target.monitor.backups,
            meminfo: now.mono_ms >= self.no_files_until_ms,
        }
    }

    fn about_guests(&mut self, now: Now) -> Vec<Ask> {
        let online = |n: &str| self.nodes.get(n).is_some_and(|k| k.seen.is_online());
        let wants = self.guests.wants(now.mono_ms, self.rules(now), online, self.allowance.left());
        wants
            .into_iter()
            .filter_map(|(vmid, what)| {
                let node = self.guests.get_mut(vmid)?.seen.node.clone();
                Some(Ask::from(Topic::Guest(node, vmid, what)))
            })
            .collect()
    }

    /// What belongs to the cycle and is cheap.
    fn frequent(&self) -> Vec<Topic> {
        let mut all = Vec::new();
        let online = || self.nodes.values().filter(|n| n.seen.is_online()).map(|n| n.seen.name.clone());
        all.extend(online().map(Topic::NodeStatus));
        if self.target.monitor.storage || self.target.monitor.backups {
            all.push(Topic::StorageDefinitions);
            all.extend(online().map(Topic::NodeStorage));
        }
        all.push(Topic::ClusterStatus);
        all
    }

    fn due(&self, topics: Vec<Topic>, now: Now) -> Vec<Topic> {
        topics.into_iter().filter(|t| self.cadence.is_due(t, now.mono_ms)).collect()
    }

    /// Hands what may take long to the lane, when it is free and the allowance has something left.
    fn begin_slow(&mut self, clock: &Clock) {
        if !self.lane.is_idle() {
            return;
        }
        let now = clock.now();
        let mut topics = self.due(self.slow(now.mono_ms), now);
        // Leave most of the allowance to the guests.
        topics.truncate((self.allowance.left() / 2).max(1));
        let (Some(client), false) = (self.link.client().cloned(), topics.is_empty()) else { return };
        self.allowance.spend(topics.len());
        let since = |t: &Topic| match t {
            Topic::Tasks(n) => self.nodes.get(n).map_or(0, nodes::Kept::tasks_since),
            _ => 0,
        };
        let asks: Vec<Ask> = topics.into_iter().map(|topic| Ask { since: since(&topic), topic }).collect();
        let usual = client.timeout();
        let work = move |ask: &Ask| {
            let result = ask.fetch(&client, ask.topic.patience(usual));
            let hangs = matches!(&result, Err(e) if e.is_transport());
            (result, hangs)
        };
        self.lane.begin(asks, clock, work, |a, b| a.topic.node() == b.topic.node());
    }

    /// Takes in what the lane has finished.
    fn collect(&mut self, clock: &Clock, patience: Duration) {
        for done in self.lane.finished(patience) {
            let now = clock.now();
            let Some(result) = done.result else {
                let left_out = Error::Timeout("its node hangs");
                self.cadence.failed(done.ask.topic.clone(), done.ask.topic.period(), &left_out, now.mono_ms);
                continue;
            };
            self.ledger.asked(now, done.ask.topic.kind(), done.seconds, result.is_err());
            self.take(done.ask, result, now);
        }
    }

    /// One request that the cycle cannot go on without.
    fn one(&mut self, clock: &Clock, topic: Topic, until: Instant) -> Answer {
        self.allowance.spend(1);
        let mut answers = self.many(clock, vec![Ask::from(topic)], until);
        answers.pop().map_or(Err(Error::Timeout("the cycle has no time left")), |(_, answer)| answer)
    }

    /// Asks several things at once; gives those that were begun in time.
    fn many(&mut self, clock: &Clock, asks: Vec<Ask>, until: Instant) -> Vec<(Ask, Answer)> {
        let Some(client) = self.link.client() else { return Vec::new() };
        let usual = client.timeout();
        let answers = fanout::run(
            &asks,
            until,
            || clock.is_stopped(),
            |ask| {
                let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(500));
                let began = Instant::now();
                let answer = ask.fetch(client, ask.topic.patience(usual).min(left));
                (answer, began.elapsed().as_secs_f64())
            },
        );
        let now = clock.now();
        let mut out = Vec::new();
        for (ask, answer) in asks.into_iter().zip(answers) {
            if let Some((answer, seconds)) = answer {
                self.ledger.asked(now, ask.topic.kind(), seconds, answer.is_err());
                out.push((ask, answer));
            }
        }
        out
    }
}
