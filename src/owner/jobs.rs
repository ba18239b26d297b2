//! The threads where things block: a few workers over one bounded queue, and threads of their own for long work.
//! A job that panics is logged and counted; the worker goes on.

use super::{Event, Task, event::After};
use crate::http::Response;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Work waiting at most; beyond it the caller is told to come back.
const QUEUE_LENGTH: usize = 256;
/// Passwords that may wait to be compared, each a quarter of a second of a processor.
const HEAVY_QUEUE: usize = 32;
/// Workers: enough for mail, webhooks and tests of nodes to wait side by side.
const WORKERS: usize = 4;
const STACK_BYTES: usize = 256 * 1024;
const HEAVY_LANE: &str = "job-heavy";

struct Item {
    task: Task,
    reply: Option<Sender<Response>>,
}

/// The owner's end of the job threads.
pub struct Jobs {
    queue: Sender<Item>,
    /// One thread: a flood of logins must leave processors to others.
    heavy: Sender<Item>,
    events: Sender<Event>,
    panics: Arc<AtomicU64>,
}

impl Jobs {
    /// Starts the workers; results that change state come back as [`Event::Done`].
    pub fn start(events: Sender<Event>) -> Jobs {
        let (queue, work) = bounded::<Item>(QUEUE_LENGTH);
        let panics = Arc::new(AtomicU64::new(0));
        let (heavy, heavy_work) = bounded::<Item>(HEAVY_QUEUE);
        let lanes = (0..WORKERS).map(|n| (format!("job-{n}"), work.clone())).chain([(HEAVY_LANE.into(), heavy_work)]);
        for (name, work) in lanes {
            let (events, panics) = (events.clone(), panics.clone());
            let heavy = name == HEAVY_LANE;
            let spawned = thread::Builder::new().name(name).stack_size(STACK_BYTES).spawn(move || {
                if heavy {
                    step_back();
                }
                worker(&work, &events, &panics);
            });
            if let Err(e) = spawned {
                log::error!("failed to start a job thread: {e}");
            }
        }
        Jobs { queue, heavy, events, panics }
    }

    /// Hands a task over. When the queue is full the reply is a 503 and nothing is done.
    pub fn submit(&self, task: Task, reply: Option<Sender<Response>>) {
        if let Err(TrySendError::Full(item) | TrySendError::Disconnected(item)) =
            self.queue.try_send(Item { task, reply })
        {
            log::warn!("too much work is waiting, refused: {}", item.task.name);
            if let Some(reply) = item.reply {
                let _ = reply.send(Response::error(503, "Too much work is waiting, try again in a few seconds"));
            }
        }
    }

    /// Hands over work that keeps a processor busy. When too much waits the reply is a 429 and nothing is done.
    pub fn submit_heavy(&self, task: Task, reply: Option<Sender<Response>>) {
        if let Err(TrySendError::Full(item) | TrySendError::Disconnected(item)) =
            self.heavy.try_send(Item { task, reply })
            && let Some(reply) = item.reply
        {
            let busy = Response::error(429, "Too many requests. Please wait before trying again.");
            let _ = reply.send(busy.with("Retry-After", "5"));
        }
    }

    /// Runs a task that may take minutes on a thread of its own, so that it never keeps short work waiting.
    pub fn submit_long(&self, task: Task) {
        let (events, panics) = (self.events.clone(), self.panics.clone());
        let name = task.name;
        let spawned = thread::Builder::new()
            .name("job-long".into())
            .stack_size(STACK_BYTES)
            .spawn(move || run(Item { task, reply: None }, &events, &panics));
        if let Err(e) = spawned {
            log::error!("failed to start a thread to {name}: {e}");
        }
    }

    /// Jobs that panicked since the start, for diagnostics.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Where events go, for threads that report by themselves.
    pub fn events(&self) -> Sender<Event> {
        self.events.clone()
    }
}

/// The calling thread leaves processors to the rest of the program, and of the host: on Linux a priority is a thread's.
fn step_back() {
    // SAFETY: setpriority takes three integers; 0 is the calling thread. It fails only for a higher priority.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 10) };
}

fn worker(work: &Receiver<Item>, events: &Sender<Event>, panics: &AtomicU64) {
    while let Ok(item) = work.recv() {
        run(item, events, panics);
    }
}

fn run(item: Item, events: &Sender<Event>, panics: &AtomicU64) {
    let Item { task, reply } = item;
    let name = task.name;
    match catch_unwind(AssertUnwindSafe(task.work)) {
        Ok(After::Reply(response)) => {
            if let Some(reply) = reply {
                let _ = reply.send(response);
            }
        }
        Ok(After::Continue(then)) => {
            // The owner is gone only while the process ends.
            let _ = events.send(Event::Done(then, reply));
        }
        Err(_) => {
            panics.fetch_add(1, Ordering::Relaxed);
            log::error!("a job panicked: {name}");
            if let Some(reply) = reply {
                let _ = reply.send(Response::error(500, &format!("failed to {name}: internal error")));
            }
        }
    }
}
