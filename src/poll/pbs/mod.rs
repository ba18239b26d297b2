//! The cycle of a PBS connection. A backup server has little to spare: after the first cycle, which asks everything,
//! each cycle asks one thing, the most overdue one. That makes six requests a minute, and every one of them also says
//! whether the server is there.

mod ask;
mod view;

use super::cadence::Cadence;
use super::derive::pbs::{JobKind, backup, garbage_job, job};
use super::fanout;
use super::hold::{Held, held};
use super::lane::Lane;
use super::ledger::Ledger;
use super::link::Link;
use super::reach::Reach;
use super::report::{Report, Version};
use super::target::Target;
use super::worker::{Clock, Cycle};
use crate::model::{Now, PbsBackup, PbsInstance, PbsJob};
use crate::order::{Map, Set};
use crate::proxmox::Error;
use crate::proxmox::pbs::{DatastoreItem, DatastoreStatus, DatastoreUsage, Garbage, NamespaceItem, ServerStatus};
use ask::{Got, Topic};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A cycle begins no request after this.
const CYCLE: Duration = Duration::from_secs(8);
/// From the first to the second cycle.
const SECOND_CYCLE: Duration = Duration::from_secs(3);
/// The first report waits this long for the lists of backups; what comes later is in the second.
const FIRST_PATIENCE: Duration = Duration::from_millis(500);
/// The server's own figures are never older than this while it answers.
const STATUS_MAX_MS: u64 = 30_000;
/// Datastores and namespaces that are looked at.
const STORES_MAX: usize = 200;
const LISTS_MAX: usize = 2000;

type Answer = Result<Got, Error>;

/// Everything about one PBS connection.
pub(super) struct PbsPoll {
    target: Target,
    link: Link,
    reach: Reach,
    ledger: Ledger,
    cadence: Cadence<Topic>,
    lane: Lane<Topic, Answer>,
    /// When each topic was last asked, for the question what is most overdue.
    asked_ms: HashMap<Topic, u64>,
    cycles: u64,
    version: Option<Version>,
    status: Option<Held<ServerStatus>>,
    usage: Option<Held<Vec<DatastoreUsage>>>,
    /// The list of all datastores' space is not to be had here.
    no_usage: bool,
    datastores: Option<Held<Vec<DatastoreItem>>>,
    store_status: Map<String, Apart>,
    garbage: Option<Held<Vec<Garbage>>>,
    jobs: HashMap<JobKind, Held<Vec<PbsJob>>>,
    namespaces: Map<String, Held<Vec<NamespaceItem>>>,
    backups: Map<(String, String), Held<Vec<PbsBackup>>>,
    backups_changed: bool,
    /// Datastores and namespaces whose list grew too old to be shown.
    aged: Set<(String, String)>,
    /// As it was when the server was last there.
    last: Option<Held<PbsInstance>>,
}

/// A datastore that is asked for its space apart: the last good answer, and why there is no newer one.
#[derive(Default)]
struct Apart {
    known: Option<Held<DatastoreStatus>>,
    error: Option<String>,
}

impl PbsPoll {
    pub fn new(target: Target) -> PbsPoll {
        PbsPoll {
            link: Link::new(&target),
            reach: Reach::default(),
            ledger: Ledger::new(&target.instance),
            cadence: Cadence::new(),
            lane: Lane::new(),
            asked_ms: HashMap::new(),
            cycles: 0,
            version: None,
            status: None,
            usage: None,
            no_usage: false,
            datastores: None,
            store_status: Map::new(),
            garbage: None,
            jobs: HashMap::new(),
            namespaces: Map::new(),
            backups: Map::new(),
            backups_changed: false,
            aged: Set::new(),
            last: None,
            target,
        }
    }
}

impl Cycle for PbsPoll {
    fn run(&mut self, clock: &Clock) -> Report {
        let began = Instant::now();
        let until = began + CYCLE;
        self.ledger.begin_cycle();
        self.cycles += 1;
        self.collect(clock, Duration::ZERO);
        match self.ask_around(clock, until) {
            Ok(true) => {
                if self.reach.works() {
                    log::info!("{}: answers again", self.target.instance);
                }
                self.link.works(clock.now());
            }
            // Nothing was learnt about whether it is there.
            Ok(false) => {}
            Err(error) => {
                self.reach.fails(&error);
                self.ledger.error(clock.now(), "connection", &error.to_string());
            }
        }
        self.sweep();
        self.report(clock.now(), began.elapsed())
    }

    fn period(&self) -> Duration {
        let usual = if self.cycles <= 1 { SECOND_CYCLE } else { self.target.period() };
        self.reach.period(usual)
    }

    #[cfg(test)]
    fn everything_is_due(&mut self) {
        (self.cadence, self.cycles) = (Cadence::new(), 0);
        self.asked_ms.clear();
    }

    #[cfg(test)]
    fn is_busy(&self) -> bool {
        !self.lane.is_idle()
    }
}

impl PbsPoll {
    /// Everything in the first cycle, one thing in the others. `Ok(true)`: the server answered.
    fn ask_around(&mut self, clock: &Clock, until: Instant) -> Result<bool, Error> {
        self.log_in(clock)?;
        let first = self.cycles == 1 || self.reach.is_offline();
        if !first {
            let topic = self.most_overdue(clock.now());
            let mut there = self.ask_one(clock, topic, until)?;
            // Whoever is looked at rarely is asked for more at once; it is the same number in an hour.
            for _more in 1..(self.target.period().as_secs() / 10).min(60) {
                let topic = self.most_overdue(clock.now());
                if topic == Topic::Status || Instant::now() >= until {
                    break;
                }
                there |= self.ask_one(clock, topic, until)?;
            }
            return Ok(there);
        }
        if !self.ask_one(clock, Topic::Version, until)? {
            return Ok(false);
        }
        let now = clock.now();
        let mut rest = self.topics();
        rest.retain(|t| !t.is_long() && *t != Topic::Version && self.cadence.is_due(t, now.mono_ms));
        self.ask_all(clock, rest, until);
        // Now the datastores are known.
        let more = |p: &PbsPoll, wanted: fn(&Topic) -> bool| {
            let mut all = p.topics();
            all.retain(|t| wanted(t) && p.cadence.is_due(t, now.mono_ms));
            all
        };
        let of_stores = more(self, |t| matches!(t, Topic::Namespaces(_) | Topic::StoreStatus(_)));
        self.ask_all(clock, of_stores, until);
        let long = more(self, Topic::is_long);
        self.begin_long(clock, long);
        self.collect(clock, FIRST_PATIENCE.min(until.saturating_duration_since(Instant::now())));
        Ok(true)
    }

    fn log_in(&mut self, clock: &Clock) -> Result<(), Error> {
        let began = Instant::now();
        let result = self.link.ready(clock.now());
        if !matches!(result, Ok(false)) {
            self.ledger.asked(clock.now(), "access/ticket", began.elapsed().as_secs_f64(), result.is_err());
        }
        result.map(|_| ())
    }

    /// One request, and when it says nothing good a second one, to something else: a single thing that hangs or
    /// answers nonsense does not speak against the server.
    fn ask_one(&mut self, clock: &Clock, topic: Topic, until: Instant) -> Result<bool, Error> {
        let other = if topic == Topic::Version { Topic::Status } else { Topic::Version };
        match self.try_one(clock, topic, until) {
            Err(error) if !error.is_auth() && Instant::now() < until => {
                self.try_one(clock, other, until).map_err(|_| error)
            }
            result => result,
        }
    }

    /// One request. An answer that is an error is an answer, except that credentials may be refused.
    fn try_one(&mut self, clock: &Clock, topic: Topic, until: Instant) -> Result<bool, Error> {
        if topic.is_long() {
            self.begin_long(clock, vec![topic]);
            return Ok(self.collect(clock, until.saturating_duration_since(Instant::now())));
        }
        let again = topic.clone();
        match self.ask_all(clock, vec![topic], until).pop() {
            Some(Error::Status(401, _)) if self.link.forget_ticket() => {
                self.log_in(clock)?;
                self.ask_all(clock, vec![again], until).pop().map_or(Ok(true), verdict)
            }
            Some(error) => verdict(error),
            None => Ok(true),
        }
    }

    /// Several requests at once; gives the errors.
    fn ask_all(&mut self, clock: &Clock, topics: Vec<Topic>, until: Instant) -> Vec<Error> {
        let Some(client) = self.link.client() else { return vec![Error::Address("no client".into())] };
        let usual = client.timeout();
        let answers = fanout::run(
            &topics,
            until,
            || clock.is_stopped(),
            |topic| {
                let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(500));
                let began = Instant::now();
                (topic.fetch(client, topic.patience(usual).min(left)), began.elapsed().as_secs_f64())
            },
        );
        let mut errors = Vec::new();
        for (topic, answer) in topics.into_iter().zip(answers) {
            match answer {
                Some((answer, seconds)) => errors.extend(self.take(topic, answer, seconds, clock.now())),
                None => errors.push(Error::Timeout("the cycle has no time left")),
            }
        }
        errors
    }

    fn begin_long(&mut self, clock: &Clock, topics: Vec<Topic>) {
        let Some(client) = self.link.client().cloned() else { return };
        if topics.is_empty() || !self.lane.is_idle() {
            return;
        }
        let now = clock.now();
        for topic in &topics {
            self.asked_ms.insert(topic.clone(), now.mono_ms);
        }
        let usual = client.timeout();
        let work = move |topic: &Topic| {
            let answer = topic.fetch(&client, topic.patience(usual));
            let hangs = matches!(&answer, Err(e) if e.is_transport());
            (answer, hangs)
        };
        self.lane.begin(topics, clock, work, |_, _| true);
    }

    /// Takes in what the lane has finished; true when there was an answer among it.
    fn collect(&mut self, clock: &Clock, patience: Duration) -> bool {
        let mut answered = false;
        for done in self.lane.finished(patience) {
            let now = clock.now();
            match done.result {
                Some(answer) => {
                    answered |= !matches!(&answer, Err(e) if e.is_transport());
                    let _ = self.take(done.ask, answer, done.seconds, now);
                }
                None => {
                    let left_out = Error::Timeout("the server hangs");
                    self.cadence.failed(done.ask.clone(), done.ask.period(), &left_out, now.mono_ms);
                }
            }
        }
        answered
    }

    /// All that is worth asking, given what is known.
    fn topics(&self) -> Vec<Topic> {
        let monitor = self.target.monitor;
        let mut all = vec![Topic::Status, Topic::Version];
        if monitor.datastores || monitor.backups {
            all.extend([Topic::Datastores, Topic::Usage]);
        }
        if monitor.datastores || monitor.garbage_jobs {
            all.push(Topic::Garbage);
        }
        let jobs = [
            (monitor.sync_jobs, JobKind::Sync),
            (monitor.verify_jobs, JobKind::Verify),
            (monitor.prune_jobs, JobKind::Prune),
        ];
        all.extend(jobs.iter().filter(|(on, _)| *on).map(|(_, kind)| Topic::Jobs(*kind)));
        for store in self.stores() {
            if self.no_usage && monitor.datastores {
                all.push(Topic::StoreStatus(store.clone()));
            }
            all.push(Topic::Namespaces(store.clone()));
            if monitor.backups {
                all.extend(self.namespaces_of(&store).into_iter().map(|ns| Topic::Snapshots(store.clone(), ns)));
            }
        }
        all.truncate(LISTS_MAX);
        all
    }

    /// Names of the datastores that are known and can be read.
    fn stores(&self) -> Vec<String> {
        let current = self.usage.iter().filter(|_| !self.no_usage || self.datastores.is_none());
        let usage = current.flat_map(Held::any).map(|u| &u.store);
        let listed = self.datastores.iter().flat_map(Held::any).map(|d| &d.store);
        let mut all: Vec<String> = usage.chain(listed).filter(|s| !s.is_empty()).cloned().collect();
        crate::order::sort(&mut all);
        all.dedup();
        all.truncate(STORES_MAX);
        all
    }

    /// The root and what was found below.
    fn namespaces_of(&self, store: &str) -> Vec<String> {
        let known = self.namespaces.get(store).map(Held::any);
        let below = known.map_or(&[][..], Vec::as_slice).iter().map(|n| n.ns.clone()).filter(|n| !n.is_empty());
        std::iter::once(String::new()).chain(below).collect()
    }

    /// The one thing to ask next.
    fn most_overdue(&self, now: Now) -> Topic {
        let age = |t: &Topic| self.asked_ms.get(t).map(|at| now.mono_ms.saturating_sub(*at));
        if self.reach.is_failing() || age(&Topic::Status).is_none_or(|a| a >= STATUS_MAX_MS) {
            return Topic::Status;
        }
        let due = self.topics().into_iter().filter(|t| self.cadence.is_due(t, now.mono_ms));
        let possible = due.filter(|t| !t.is_long() || self.lane.is_idle());
        let overdue = |t: &Topic| age(t).map_or(f64::INFINITY, |a| a as f64 / t.period().as_millis() as f64);
        let most = possible.map(|t| (overdue(&t), t)).max_by(|a, b| a.0.total_cmp(&b.0));
        most.map_or(Topic::Status, |(_, t)| t)
    }

    /// Takes one answer in; gives the error back.
    fn take(&mut self, topic: Topic, answer: Answer, seconds: f64, now: Now) -> Option<Error> {
        self.ledger.asked(now, topic.kind(), seconds, answer.is_err());
        self.asked_ms.insert(topic.clone(), now.mono_ms);
        match answer {
            Ok(got) => {
                self.ledger.answered(now, &topic.subject());
                self.cadence.answered(topic.clone(), topic.period(), now.mono_ms);
                self.keep(topic, got, now);
                None
            }
            Err(error) => {
                self.cadence.failed(topic.clone(), topic.period(), &error, now.mono_ms);
                self.note_failure(&topic, &error, now);
                Some(error)
            }
        }
    }

    fn note_failure(&mut self, topic: &Topic, error: &Error, now: Now) {
        match (topic, error) {
            (_, Error::Status(403, _)) => self.ledger.refused(&topic.subject(), "", topic.privilege()),
            // Servers before 2.2 have no namespaces. PBS answers 400 to everything else, too: what was known stays.
            (Topic::Namespaces(store), Error::Status(400 | 404, _)) if !self.namespaces.contains_key(store) => {
                self.namespaces.insert(store.clone(), Held::new(Vec::new(), now));
                return;
            }
            // The connection itself says so.
            (_, e) if e.is_transport() => return,
            _ => {}
        }
        match topic {
            // Refused or not there: each datastore is asked apart, until this is answered again.
            Topic::Usage if matches!(error, Error::Status(400 | 403 | 404 | 501, _)) => self.no_usage = true,
            Topic::StoreStatus(store) => {
                self.store_status.entry(store.clone()).or_default().error = Some(error.to_string());
            }
            _ => {}
        }
        self.ledger.error(now, &topic.subject(), &error.to_string());
    }

    fn keep(&mut self, topic: Topic, got: Got, now: Now) {
        match (topic, got) {
            (_, Got::Version(v)) => {
                self.version = Some(Version { version: v.version, release: v.release, repoid: v.repoid });
            }
            (_, Got::Status(status)) => self.status = Some(Held::new(*status, now)),
            (_, Got::Usage(all)) => {
                self.no_usage = false;
                self.store_status.clear();
                self.usage = Some(Held::new(all, now));
            }
            (_, Got::Datastores(all)) => self.datastores = Some(Held::new(all, now)),
            (Topic::StoreStatus(store), Got::StoreStatus(status)) => {
                self.store_status.insert(store, Apart { known: Some(Held::new(*status, now)), error: None });
            }
            (_, Got::Garbage(all)) => self.garbage = Some(Held::new(all, now)),
            (Topic::Jobs(kind), Got::Jobs(all)) => {
                let jobs = all.iter().filter_map(|j| job(kind, j)).collect();
                self.jobs.insert(kind, Held::new(jobs, now));
            }
            (Topic::Namespaces(store), Got::Namespaces(all)) => {
                self.namespaces.insert(store, Held::new(all, now));
            }
            (Topic::Snapshots(store, ns), Got::Snapshots(all)) => {
                let instance = &self.target.instance;
                let backups: Vec<PbsBackup> =
                    all.into_iter().filter_map(|s| backup(instance, &store, &ns, s)).collect();
                let place = (store, ns);
                self.backups_changed |= self.backups.get(&place).and_then(|b| b.get(now.mono_ms)) != Some(&backups);
                self.aged.remove(&place);
                self.backups.insert(place, Held::new(backups, now));
            }
            _ => {}
        }
    }

    /// Forgets the backups of datastores and namespaces that are gone. What is merely not to be read now stays.
    fn sweep(&mut self) {
        if self.datastores.is_none() && self.usage.is_none() {
            return;
        }
        let stores = self.stores();
        self.namespaces.retain(|s, _| stores.contains(s));
        self.store_status.retain(|s, _| stores.contains(s));
        let namespaces: HashMap<&String, Vec<String>> = stores.iter().map(|s| (s, self.namespaces_of(s))).collect();
        let exists = |s: &String, n: &String| namespaces.get(s).is_some_and(|all| all.contains(n));
        let before = self.backups.len();
        self.backups.retain(|(s, n), _| exists(s, n));
        self.aged.retain(|(s, n)| exists(s, n));
        self.backups_changed |= self.backups.len() != before;
        let of_store = |t: &Topic| match t {
            Topic::StoreStatus(s) | Topic::Namespaces(s) => stores.contains(s),
            Topic::Snapshots(s, n) => exists(s, n),
            _ => true,
        };
        self.cadence.retain(of_store);
        self.asked_ms.retain(|t, _| of_store(t));
    }

    fn job_list(&self, on: bool, kind: JobKind, now: Now) -> Option<Vec<PbsJob>> {
        let known = self.jobs.get(&kind).and_then(|j| j.get(now.mono_ms));
        if on { known.cloned() } else { None }
    }

    fn garbage_jobs(&self, now: Now) -> Option<Vec<PbsJob>> {
        let known = held(&self.garbage, now.mono_ms).filter(|_| self.target.monitor.garbage_jobs)?;
        Some(known.iter().filter_map(garbage_job).collect())
    }
}

/// Whether an error is an answer of a server that is there and lets us in.
fn verdict(error: Error) -> Result<bool, Error> {
    match error {
        Error::Status(401, _) => Err(error),
        Error::Status(..) => Ok(true),
        _ => Err(error),
    }
}
