//! What may take long is asked beside the cycle: one thread at a time, one request after the other, with patience.
//! A slow storage then costs its own list freshness and nobody else's.

use super::worker::Clock;
use crossbeam_channel::{Receiver, TryRecvError, unbounded};
use std::thread;
use std::time::{Duration, Instant};

/// A finished piece of work with the seconds it took. `None`: it was left out because its place hangs.
pub(super) struct Done<A, R> {
    pub ask: A,
    pub result: Option<R>,
    pub seconds: f64,
}

/// Work that is going on beside the cycles.
pub(super) struct Lane<A, R> {
    running: Option<Receiver<Done<A, R>>>,
}

impl<A: Send + 'static, R: Send + 'static> Lane<A, R> {
    pub fn new() -> Lane<A, R> {
        Lane { running: None }
    }

    /// Takes new work: the last one is finished.
    pub fn is_idle(&self) -> bool {
        self.running.is_none()
    }

    /// Begins work. `work` says by its second value that the place of the ask hangs; `same_place` then leaves out
    /// the rest for that place.
    pub fn begin(
        &mut self,
        asks: Vec<A>,
        clock: &Clock,
        work: impl Fn(&A) -> (R, bool) + Send + 'static,
        same_place: fn(&A, &A) -> bool,
    ) where
        A: Clone,
    {
        let (done, results) = unbounded();
        let clock = clock.clone();
        let run = move || {
            let mut hanging: Vec<A> = Vec::new();
            for ask in asks {
                if clock.is_stopped() {
                    return;
                }
                let skip = hanging.iter().any(|h| same_place(h, &ask));
                let began = Instant::now();
                let result = if skip { None } else { Some(work(&ask)) };
                if matches!(result, Some((_, true))) {
                    hanging.push(ask.clone());
                }
                let result = result.map(|(r, _)| r);
                if done.send(Done { ask, result, seconds: began.elapsed().as_secs_f64() }).is_err() {
                    return;
                }
            }
        };
        match thread::Builder::new().name("poll slow".to_owned()).stack_size(256 << 10).spawn(run) {
            Ok(_) => self.running = Some(results),
            Err(e) => log::warn!("failed to start a thread for slow requests: {e}"),
        }
    }

    /// What has been finished since the last call; waits at most `patience` for the rest.
    pub fn finished(&mut self, patience: Duration) -> Vec<Done<A, R>> {
        let Some(results) = &self.running else { return Vec::new() };
        let until = Instant::now() + patience;
        let mut out = Vec::new();
        loop {
            match results.try_recv() {
                Ok(done) => out.push(done),
                Err(TryRecvError::Disconnected) => {
                    self.running = None;
                    return out;
                }
                Err(TryRecvError::Empty) => match results.recv_deadline(until) {
                    Ok(done) => out.push(done),
                    Err(e) if e.is_timeout() => return out,
                    Err(_) => {}
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_for_a_hanging_place_is_left_out_and_the_lane_becomes_idle() {
        let mut lane: Lane<(u8, u8), u8> = Lane::new();
        let clock = Clock::for_tests();
        let asks = vec![(1, 1), (2, 1), (1, 2), (2, 2)];
        lane.begin(asks, &clock, |ask| (ask.1, ask.0 == 1), |a, b| a.0 == b.0);
        assert!(!lane.is_idle());
        let done = lane.finished(Duration::from_secs(5));
        let results: Vec<_> = done.iter().map(|d| (d.ask, d.result)).collect();
        assert_eq!(results, [((1, 1), Some(1)), ((2, 1), Some(1)), ((1, 2), None), ((2, 2), Some(2))]);
        assert!(lane.is_idle());
    }
}
