//! The loop: one event after the other, each arm one call into one room.

use super::{Answer, Core, Event};
use crate::http::Call;
use crate::model::Now;
use crossbeam_channel::{Receiver, select, tick};
use std::time::{Duration, Instant};

/// Turns a request into an answer; `app` hands in the router.
pub type Router = fn(&mut Core, Call) -> Answer;

/// Runs until the process is asked to end. `started` is where monotonic time begins;
/// `alive` is called at least once a second, from this thread (the watchdog's proof of life).
pub fn run(core: &mut Core, events: &Receiver<Event>, started: Instant, router: Router, mut alive: impl FnMut(Now)) {
    let ticks = tick(Duration::from_secs(1));
    loop {
        let event = select! {
            recv(events) -> event => match event {
                Ok(event) => event,
                Err(_) => return,
            },
            recv(ticks) -> _ => Event::Tick,
        };
        core.now = Now::read(started);
        match event {
            Event::Report(report) => core.report(*report),
            Event::Request(call, reply) => {
                let answer = router(core, *call);
                core.finish(answer, Some(reply));
            }
            Event::Socket(event) => core.socket(event),
            Event::Done(then, reply) => {
                let answer = then(core);
                core.finish(answer, reply);
            }
            Event::Signal(signal) => {
                if core.signal(signal) {
                    return;
                }
            }
            Event::Tick => {
                core.tick();
                alive(core.now);
            }
        }
        core.publish_if_due();
    }
}
