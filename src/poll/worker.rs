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
}

impl Clock {
    /// One that began now and never stops.
    #[cfg(test)]
    pub fn for_tests() -> Clock {
        Clock { started: Instant::now(), stopped: Arc::default() }
    }
    pub fn now(&self) -> Now {
        Now::read(self.started)
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
}

/// Starts watching a connection; the first cycle begins at once. `started` is the zero of the monotonic clock.
pub fn start(target: Target, started: Instant, out: Sender<Event>) -> Handle {
    let (commands, orders) = bounded(4);
    let stopped = Arc::new(AtomicBool::new(false));
    let clock = Clock { started, stopped: stopped.clone() };
    let instance = target.instance.clone();
    let name = format!("poll {instance}").chars().take(15).collect();
    let spawned = thread::Builder::new().name(name).spawn(move || watch(&target, &clock, &orders, &out));
    if let Err(e) = &spawned {
        log::error!("failed to start polling {instance}: {e}");
    }
    Handle { instance, commands, stopped, thread: spawned.ok() }
}

/// Until stopped: cycle after cycle, and after a panic a fresh start.
fn watch(target: &Target, clock: &Clock, orders: &Receiver<Command>, out: &Sender<Event>) {
    let mut panics = 0;
    let mut pause = PANIC_PAUSE;
    while !clock.is_stopped() {
        let mut cycle: Box<dyn Cycle> = match target.kind {
            Kind::Pve => Box::new(PvePoll::new(target.clone())),
            Kind::Pbs => Box::new(PbsPoll::new(target.clone())),
        };
        loop {
            let began = Instant::now();
            let Ok(mut report) = catch_unwind(AssertUnwindSafe(|| cycle.run(clock))) else { break };
            pause = PANIC_PAUSE;
            report.statistics.panics = panics;
            if clock.is_stopped() || out.send(Event::Report(Box::new(report))).is_err() {
                return;
            }
            if !wait(orders, began + cycle.period()) {
                return;
            }
        }
        panics += 1;
        log::error!("polling {} panicked ({panics} times so far), again in {} s", target.instance, pause.as_secs());
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
