//! The thread of one connection: when a cycle begins, what happens when one panics, how it stops.

use super::pbs::PbsPoll;
use super::pve::PvePoll;
use super::report::Report;
use super::target::Target;
use crate::model::Now;
use crate::owner::Event;
use crate::proxmox::Kind;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Pause after the first panic; doubles with each one in a row.
const PANIC_PAUSE: Duration = Duration::from_secs(10);
const PANIC_PAUSE_MAX: Duration = Duration::from_secs(180);

enum Command {
    PollNow,
    Stop,
}

/// A running connection. Dropping it stops the thread, too.
#[derive(Debug)]
pub struct Handle {
    instance: String,
    commands: Sender<Command>,
    stopped: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Handle {
    /// The configured name of the connection.
    pub fn instance(&self) -> &str {
        &self.instance
    }
    /// Begins the next cycle at once (after the running one).
    pub fn poll_now(&self) {
        let _ = self.commands.try_send(Command::PollNow);
    }
    /// Ends the thread: at once when it waits, otherwise after the requests in flight. No report is sent afterwards.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _ = self.commands.try_send(Command::Stop);
    }
    /// Stops and waits for the end of the thread.
    pub fn join(mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Time and the wish to stop, for those who run inside the thread.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    started: Instant,
    stopped: Arc<AtomicBool>,
    /// Time that passed in a simulation only.
    #[cfg(test)]
    ahead: Duration,
}

impl Clock {
    /// One that began now and never stops.
    #[cfg(test)]
    pub fn for_tests() -> Clock {
        Clock::new(Instant::now(), Arc::default())
    }
    /// Lets time pass.
    #[cfg(test)]
    pub fn pass(&mut self, by: Duration) {
        self.ahead += by;
    }
    fn new(started: Instant, stopped: Arc<AtomicBool>) -> Clock {
        Clock {
            started,
            stopped,
            #[cfg(test)]
            ahead: Duration::ZERO,
        }
    }
    pub fn now(&self) -> Now {
        let now = Now::read(self.started);
        #[cfg(test)]
        let now = now.plus(self.ahead);
        now
    }
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }
}

/// One connection's cycle, without the thread around it.
pub(super) trait Cycle {
    /// Asks, derives, reports.
    fn run(&mut self, clock: &Clock) -> Report;
    /// From the start of the cycle that just ended to the start of the next.
    fn period(&self) -> Duration;
    /// The next cycle asks everything that there is to ask.
    #[cfg(test)]
    fn everything_is_due(&mut self) {}
    /// Something is still being asked beside the cycles.
    #[cfg(test)]
    fn is_busy(&self) -> bool {
        false
    }
}

/// Starts watching a connection; the first cycle begins at once. `started` is the zero of the monotonic clock.
pub fn start(target: Target, started: Instant, out: Sender<Event>) -> Handle {
    let (commands, orders) = bounded(4);
    let stopped = Arc::new(AtomicBool::new(false));
    let clock = Clock::new(started, stopped.clone());
    let instance = target.instance.clone();
    let name = format!("poll {instance}").chars().take(15).collect();
    let make = move || -> Box<dyn Cycle> {
        match target.kind {
            Kind::Pve => Box::new(PvePoll::new(target.clone())),
            Kind::Pbs => Box::new(PbsPoll::new(target.clone())),
        }
    };
    let whose = instance.clone();
    let run = move || watch(&whose, make, PANIC_PAUSE, &clock, &orders, &out);
    let spawned = thread::Builder::new().name(name).spawn(run);
    if let Err(e) = &spawned {
        log::error!("failed to start polling {instance}: {e}");
    }
    Handle { instance, commands, stopped, thread: spawned.ok() }
}

/// Until stopped: cycle after cycle, and after a panic a fresh start.
fn watch(
    instance: &str,
    make: impl Fn() -> Box<dyn Cycle>,
    first_pause: Duration,
    clock: &Clock,
    orders: &Receiver<Command>,
    out: &Sender<Event>,
) {
    let mut panics = 0;
    let mut pause = first_pause;
    while !clock.is_stopped() {
        let mut cycle = make();
        loop {
            let began = Instant::now();
            let Ok(mut report) = catch_unwind(AssertUnwindSafe(|| cycle.run(clock))) else { break };
            pause = first_pause;
            report.statistics.panics = panics;
            if clock.is_stopped() || out.send(Event::Report(Box::new(report))).is_err() {
                return;
            }
            if !wait(orders, began + cycle.period()) {
                return;
            }
        }
        panics += 1;
        log::error!("polling {instance} panicked ({panics} times so far), again in {} s", pause.as_secs());
        if !wait(orders, Instant::now() + pause) {
            return;
        }
        pause = (pause * 2).min(PANIC_PAUSE_MAX);
    }
}

/// Waits for the moment or an order; false means stop.
fn wait(orders: &Receiver<Command>, until: Instant) -> bool {
    match orders.recv_deadline(until) {
        Ok(Command::PollNow) | Err(RecvTimeoutError::Timeout) => true,
        Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poll::report::{Live, Slow, Statistics};
    use std::sync::atomic::AtomicU32;

    /// Panics in every second cycle of the whole test.
    struct Shaky(Arc<AtomicU32>);

    impl Cycle for Shaky {
        fn run(&mut self, clock: &Clock) -> Report {
            assert!(self.0.fetch_add(1, Ordering::SeqCst).is_multiple_of(2), "as this test wants it");
            Report {
                instance: "lab".into(),
                kind: Kind::Pve,
                at: clock.now(),
                took: Duration::ZERO,
                reachable: true,
                offline: false,
                failure: None,
                live: Live::default(),
                slow: Slow::default(),
                statistics: Statistics::default(),
                past: None,
                endpoints: None,
            }
        }
        fn period(&self) -> Duration {
            Duration::from_millis(1)
        }
    }

    #[test]
    fn a_cycle_that_panics_is_counted_and_begun_anew_and_a_stop_ends_all_at_once() {
        let (commands, orders) = bounded(4);
        let (out, reports) = bounded(100);
        let clock = Clock::for_tests();
        let watcher = clock.clone();
        let thread = thread::spawn(move || {
            let cycles = Arc::new(AtomicU32::new(0));
            let make = || -> Box<dyn Cycle> { Box::new(Shaky(cycles.clone())) };
            watch("lab", make, Duration::from_millis(1), &watcher, &orders, &out);
        });
        for expected in 0..4 {
            let Ok(Event::Report(report)) = reports.recv_timeout(Duration::from_secs(5)) else { panic!("no report") };
            assert_eq!(report.statistics.panics, expected);
        }
        let began = Instant::now();
        clock.stopped.store(true, Ordering::SeqCst);
        let _ = commands.try_send(Command::Stop);
        thread.join().unwrap();
        assert!(began.elapsed() < Duration::from_secs(1));
    }
}
