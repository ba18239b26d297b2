//! The thread of one receiver: batches in by a short channel, requests out, figures about it on a board of atomic numbers.

use super::{Batch, Lane, Tally, Verdict, bodies};
use crate::export::own::Pushed;
use crate::export::peer;
use crate::export::settings::{EndPoint, Wire};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender as Channel, bounded};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Batches that may wait for the thread while it waits for the receiver.
const WAITING: usize = 16;
/// One request.
const DEADLINE: Duration = Duration::from_secs(15);
const STACK_BYTES: usize = 256 << 10;

/// The owner's end. The thread ends when it is dropped, after the request it is at.
pub struct Sender {
    pub end_point: EndPoint,
    batches: Channel<Arc<Batch>>,
    board: Arc<Board>,
    thread: JoinHandle<()>,
    /// Batches the thread had no time for.
    skipped: u64,
    next_ms: u64,
}

impl Sender {
    /// Starts the thread; what was left in `folder` by an earlier process is sent first. `before` had the same folder:
    /// the thread waits until that one has ended, so that nothing is sent by both.
    pub fn start(end_point: EndPoint, folder: PathBuf, before: Option<Sender>) -> Result<Sender, String> {
        let name = end_point.name.clone();
        // Dropping its other end is what ends the one before.
        let before = before.map(|sender| sender.thread);
        let (batches, work) = bounded(WAITING);
        let board = Arc::new(Board::default());
        let (to, told) = (end_point.clone(), board.clone());
        let all = move || {
            if let Some(before) = before {
                let _ = before.join();
            }
            match Lane::open(&to.name, &folder, to.backlog_bytes) {
                Ok(lane) => run(&to, lane, &work, &told),
                Err(e) => log::error!("failed to open the backlog of push to {}: {e}", to.name),
            }
        };
        let spawned = std::thread::Builder::new().name("push".to_owned()).stack_size(STACK_BYTES).spawn(all);
        let thread = spawned.map_err(|e| format!("failed to start the thread of push to {name}: {e}"))?;
        Ok(Sender { end_point, batches, board, thread, skipped: 0, next_ms: 0 })
    }

    /// Whether a batch is due; the next one is due an interval later.
    pub fn is_due(&mut self, now_ms: u64) -> bool {
        let due = now_ms >= self.next_ms;
        if due {
            self.next_ms = now_ms.saturating_add(self.end_point.interval_secs.saturating_mul(1000));
        }
        due
    }

    /// Hands a batch over; never waits.
    pub fn send(&mut self, batch: &Arc<Batch>) {
        if self.batches.try_send(batch.clone()).is_err() {
            if self.skipped == 0 {
                log::warn!("push to {}: the receiver is too slow, figures are left out", self.end_point.name);
            }
            self.skipped += 1;
        }
    }

    /// How it goes, as the thread last said.
    pub fn pushed(&self) -> Pushed {
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed) as f64;
        let board = &self.board;
        Pushed {
            receiver: self.end_point.name.clone(),
            up: 1.0 - read(&board.failing),
            delivered: read(&board.delivered),
            refused: read(&board.refused),
            skipped: self.skipped as f64,
            waiting_bytes: read(&board.waiting_bytes),
            given_up_bytes: read(&board.given_up_bytes),
        }
    }
}

/// What a thread says of its way, figure by figure.
#[derive(Default)]
struct Board {
    failing: AtomicU64,
    delivered: AtomicU64,
    refused: AtomicU64,
    waiting_bytes: AtomicU64,
    given_up_bytes: AtomicU64,
}

impl Board {
    fn tell(&self, tally: &Tally) {
        let pairs = [
            (&self.failing, u64::from(tally.failure.is_some())),
            (&self.delivered, tally.delivered),
            (&self.refused, tally.refused),
            (&self.waiting_bytes, tally.waiting_bytes),
            (&self.given_up_bytes, tally.given_up_bytes),
        ];
        for (place, figure) in pairs {
            place.store(figure, Ordering::Relaxed);
        }
    }
}

fn run(to: &EndPoint, mut lane: Lane, work: &Receiver<Arc<Batch>>, board: &Board) {
    let began = Instant::now();
    let now_ms = || u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut post = |body: &[u8]| deliver(to, body);
    loop {
        let wait = lane.wait_ms(now_ms()).unwrap_or(u64::MAX).min(60_000);
        match work.recv_timeout(Duration::from_millis(wait)) {
            Ok(batch) => lane.offer(now_ms(), bodies(&batch, to), &mut post),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        // New batches go behind what waits, so they are taken in between two requests.
        while work.is_empty() && lane.step(now_ms(), &mut post) {}
        board.tell(&lane.tally());
    }
}

/// One request over the network.
fn deliver(to: &EndPoint, body: &[u8]) -> Verdict {
    let fixed: &[(&str, &str)] = match to.wire {
        Wire::RemoteWrite => &[
            ("Content-Type", "application/x-protobuf"),
            ("Content-Encoding", "snappy"),
            ("X-Prometheus-Remote-Write-Version", "0.1.0"),
        ],
        Wire::Influx => &[("Content-Type", "text/plain; charset=utf-8"), ("Content-Encoding", "gzip")],
    };
    // InfluxDB 2 has a word of its own for tokens.
    let scheme = if to.wire == Wire::Influx { "Token" } else { "Bearer" };
    let request = peer::request(&to.peer, "POST", &to.peer.url, scheme, fixed, body);
    peer::judge(&crate::notify::http(&request, DEADLINE))
}
