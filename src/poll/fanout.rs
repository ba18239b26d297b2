//! Many requests at once: at most eight threads, a deadline for beginning work, results in the order of the jobs.

use crossbeam_channel::unbounded;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

/// The most requests a connection has in flight within a cycle.
pub(super) const WIDTH: usize = 8;
/// A request needs about 60 kB of stack; musl gives threads 128 kB unless told.
const STACK: usize = 256 << 10;

/// Does every job by `work`, several at a time. A job that could not begin before `until`, or after `stop` says so,
/// is `None`. Results are in the order of the jobs. A panic in `work` is passed on.
pub(super) fn run<J: Sync, R: Send>(
    jobs: &[J],
    until: Instant,
    stop: impl Fn() -> bool + Sync,
    work: impl Fn(&J) -> R + Sync,
) -> Vec<Option<R>> {
    let mut out: Vec<Option<R>> = jobs.iter().map(|_| None).collect();
    let next = AtomicUsize::new(0);
    let (done, results) = unbounded();
    let worker = || {
        while !stop() && Instant::now() < until {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(at) else { return };
            if done.send((at, work(job))).is_err() {
                return;
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..jobs.len().min(WIDTH) {
            // Without more threads the work is done by this one, only slower.
            let _ = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, worker);
        }
        worker();
    });
    for (at, result) in results.try_iter() {
        if let Some(slot) = out.get_mut(at) {
            *slot = Some(result);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn eight_at_a_time_in_order_and_nothing_after_the_deadline() {
        let jobs: Vec<usize> = (0..40).collect();
        let began = Instant::now();
        let out = run(
            &jobs,
            began + Duration::from_secs(9),
            || false,
            |j| {
                thread::sleep(Duration::from_millis(20));
                j * 2
            },
        );
        assert_eq!(out, jobs.iter().map(|j| Some(j * 2)).collect::<Vec<_>>());
        assert!(began.elapsed() < Duration::from_millis(600), "{:?}", began.elapsed());

        let out = run(
            &jobs,
            Instant::now() + Duration::from_millis(30),
            || false,
            |j| {
                thread::sleep(Duration::from_millis(50));
                *j
            },
        );
        assert_eq!(out.iter().flatten().count(), WIDTH);
        assert!(run(&jobs, Instant::now() + Duration::from_secs(9), || true, |j| *j).iter().all(Option::is_none));
    }
}
