//! One look around: few threads, a steady pace, a deadline, and a way to end it early. Blocks: belongs into a job.

use super::range::{self, Range};
use super::{Outcome, Server, own, probe};
use crossbeam_channel::{bounded, unbounded};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Addresses asked at the same time. Most are silent, and each of those takes two seconds.
const THREADS: usize = 32;
const STACK_BYTES: usize = 256 * 1024;
/// From one address to the next: two hundred a second at most, whatever the network.
const PACE: Duration = Duration::from_millis(5);
/// The longest a scan may take (contract rest.md 11).
const DEADLINE: Duration = Duration::from_secs(120);
/// How often those who wait hear how far it is.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Asks the hosts of `ranges`, or of the machine's own networks, until done, out of time or told to `stop`. `tell`
/// hears once a second what was found so far, how many addresses were handed out and how many there are.
pub fn scan(ranges: Option<Vec<Range>>, stop: &AtomicBool, tell: &dyn Fn(Vec<Server>, usize, usize)) -> Outcome {
    let (ranges, mut errors) = ranges.map_or_else(own::networks, |ranges| (ranges, Vec::new()));
    let (addresses, left_out) = range::addresses(&ranges);
    errors.extend(left_out);
    let until = Instant::now() + DEADLINE;
    let go_on = || !stop.load(Ordering::Relaxed) && Instant::now() < until;
    let (asked, mut servers) = ask_all(&addresses, &go_on, tell);
    if asked < addresses.len() && !stop.load(Ordering::Relaxed) {
        errors.push(format!("only {asked} of {} addresses were asked in {} s", addresses.len(), DEADLINE.as_secs()));
    }
    crate::order::sort_by_key(&mut servers, |s| (s.address, s.kind.port()));
    Outcome { servers, errors, asked }
}

fn ask_all(
    addresses: &[Ipv4Addr],
    go_on: &(dyn Fn() -> bool + Sync),
    tell: &dyn Fn(Vec<Server>, usize, usize),
) -> (usize, Vec<Server>) {
    let (hand_out, work) = bounded::<Ipv4Addr>(0);
    let (report, reports) = unbounded::<Vec<Server>>();
    let (mut asked, mut servers) = (0, Vec::new());
    thread::scope(|scope| {
        for _ in 0..THREADS.min(addresses.len()) {
            let (work, report) = (work.clone(), report.clone());
            let ask = move || {
                for address in work {
                    let _ = report.send(probe::look(address, go_on));
                }
            };
            let builder = thread::Builder::new().name("discover".into()).stack_size(STACK_BYTES);
            if let Err(e) = builder.spawn_scoped(scope, ask) {
                log::warn!("failed to start a thread of the network scan: {e}");
            }
        }
        // Without a single thread nobody takes an address, and handing out ends at once.
        drop((work, report));
        let mut told = Instant::now();
        for address in addresses {
            if !go_on() || hand_out.send(*address).is_err() {
                break;
            }
            asked += 1;
            servers.extend(reports.try_iter().flatten());
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                tell(servers.clone(), asked, addresses.len());
            }
            thread::sleep(PACE);
        }
        drop(hand_out);
        servers.extend(reports.iter().flatten());
    });
    (asked, servers)
}
