//! What the engine costs with a thousand guests: CPU time of its own thread, so that a busy machine hardly counts.

use super::bench::Bench;
use pulse::model::Guest;
use serde_json::json;

const CYCLES: usize = 300;
/// Of CPU a cycle, with 1,000 guests.
const MOST_MICROS: u128 = 2_000;

fn thread_cpu_micros() -> u128 {
    let mut spent = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on Linux, and the place is ours.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut spent) }, 0);
    u128::from(spent.tv_sec.unsigned_abs()) * 1_000_000 + u128::from(spent.tv_nsec.unsigned_abs()) / 1_000
}

#[test]
fn a_thousand_guests_cost_less_than_two_milliseconds_a_cycle() {
    let mut bench = Bench::new(json!({}));
    let first: Guest = (*bench.state.vms[0]).clone();
    for n in 1..1_000 {
        let vmid = 1_000 + n;
        let guest = Guest { id: format!("lab-alpha-{vmid}"), vmid, name: format!("guest{n}"), ..first.clone() };
        bench.state.vms.push(guest.into());
    }
    bench.expect();
    let mut spent = Vec::new();
    for cycle in 0..CYCLES {
        // Everybody's figures move, and every twentieth guest crosses its threshold now and then.
        for (n, guest) in bench.state.vms.iter_mut().enumerate() {
            let busy = n % 20 == 0 && cycle / 30 % 2 == 1;
            let mut next = (**guest).clone();
            next.cpu = if busy { 0.97 } else { 0.1 + ((n * 7 + cycle) % 50) as f64 / 100.0 };
            *guest = next.into();
        }
        let before = thread_cpu_micros();
        let told = bench.poll();
        spent.push(thread_cpu_micros() - before);
        if cycle == 45 {
            assert_eq!(bench.ids().len(), 50, "{told:?}");
        }
    }
    spent.sort_unstable();
    let (middle, most) = (spent[CYCLES / 2], spent[CYCLES - 1]);
    let mean = spent.iter().sum::<u128>() / CYCLES as u128;
    println!("1,000 guests, 50 of them in trouble: {mean} us of CPU a cycle, {middle} in the middle, {most} at most");
    assert!(mean < MOST_MICROS, "{mean} us");
}
