//! What can happen, and what a handler can answer.

use super::Core;
use crate::config::Change;
use crate::http::socket::SocketEvent;
use crate::http::{Call, Response};
use crossbeam_channel::Sender;

/// One thing that happened. The owner's loop has one arm for each.
pub enum Event {
    /// A connection finished a cycle.
    Report(Box<crate::poll::Report>),
    /// A request; the answer goes back through the sender, now or when its task is done.
    Request(Box<Call>, Sender<Response>),
    /// A WebSocket client came, spoke or went.
    Socket(SocketEvent),
    /// A job thread finished a task whose result changes state.
    Done(Continue, Option<Sender<Response>>),
    /// The process was asked to do something by the system.
    Signal(i32),
    /// Once a second.
    Tick,
}

/// Runs on the owner's thread when a task is done.
pub type Continue = Box<dyn FnOnce(&mut Core) -> Answer + Send>;

/// What a handler answers.
pub enum Answer {
    Now(Response),
    /// Something that blocks or takes long: it runs on a job thread.
    Later(Task),
    /// The same for work that keeps a processor busy (passwords): one thread does all of it, and few may wait.
    Heavy(Task),
    /// A change of the data directory: it is answered when it is durable. Changes keep their order.
    Save(Vec<Change>, Saved),
}

/// Runs on the owner's thread when a change is durable or has failed; the error is fit for the log.
pub type Saved = Box<dyn FnOnce(&mut Core, Result<(), String>) -> Answer + Send>;

/// What comes of a task.
pub enum After {
    /// Ready for the client (or nobody waits).
    Reply(Response),
    /// Back to the owner: change state, then answer.
    Continue(Continue),
}

/// Blocking or long work with everything it needs inside it (snapshots, never references).
pub struct Task {
    /// What it is, for logs and diagnostics: `send mail`, `test node`.
    pub name: &'static str,
    pub work: Box<dyn FnOnce() -> After + Send>,
}

impl Answer {
    /// Work whose result is the response.
    pub fn job(name: &'static str, work: impl FnOnce() -> Response + Send + 'static) -> Answer {
        Answer::Later(Task { name, work: Box::new(move || After::Reply(work())) })
    }
    /// Work whose result the owner takes in before it answers.
    pub fn job_then<T: Send + 'static>(
        name: &'static str,
        work: impl FnOnce() -> T + Send + 'static,
        then: impl FnOnce(&mut Core, T) -> Answer + Send + 'static,
    ) -> Answer {
        Answer::Later(Task {
            name,
            work: Box::new(move || {
                let out = work();
                After::Continue(Box::new(move |core| then(core, out)))
            }),
        })
    }
}

impl Answer {
    /// [`Answer::job_then`] for work that keeps a processor busy.
    pub fn heavy_then<T: Send + 'static>(
        name: &'static str,
        work: impl FnOnce() -> T + Send + 'static,
        then: impl FnOnce(&mut Core, T) -> Answer + Send + 'static,
    ) -> Answer {
        match Answer::job_then(name, work, then) {
            Answer::Later(task) => Answer::Heavy(task),
            other => other,
        }
    }

    /// The same answer with a last touch on the response, whenever that comes.
    pub fn map(self, touch: impl FnOnce(Response) -> Response + Send + 'static) -> Answer {
        match self {
            Answer::Now(response) => Answer::Now(touch(response)),
            Answer::Later(task) => Answer::Later(task.map(touch)),
            Answer::Heavy(task) => Answer::Heavy(task.map(touch)),
            Answer::Save(changes, then) => {
                Answer::Save(changes, Box::new(move |core, outcome| then(core, outcome).map(touch)))
            }
        }
    }
}

impl Task {
    fn map(self, touch: impl FnOnce(Response) -> Response + Send + 'static) -> Task {
        let Task { name, work } = self;
        let work = move || match work() {
            After::Reply(response) => After::Reply(touch(response)),
            After::Continue(then) => After::Continue(Box::new(move |core| then(core).map(touch))),
        };
        Task { name, work: Box::new(work) }
    }
}

impl From<Response> for Answer {
    fn from(r: Response) -> Answer {
        Answer::Now(r)
    }
}
