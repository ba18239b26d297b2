//! Charts that remember: what is recorded is shown, over days and over restarts, and what was never known stays a gap.

mod crash;
mod disk;
mod lab;
mod past;

use disk::Disk;
use lab::{START, cpu, guest, longest_gap, open, points, run, state};
use pulse::history::{History, Kind, Metric};

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

fn lab(guests: i64) -> impl Fn(i64) -> pulse::model::State {
    move |secs| state(secs, guests)
}

#[test]
fn after_eight_days_a_day_and_a_week_are_complete_and_their_peaks_are_there() {
    let disk = Disk::new();
    let mut history = open(&disk, START);
    let now = START + 8 * DAY;
    run(&mut history, START, now, 10, lab(3));
    for (range, most_apart) in
        [(HOUR, 10), (4 * HOUR, 120), (12 * HOUR, 600), (DAY, 600), (7 * DAY, 2 * HOUR), (30 * DAY, 9 * HOUR)]
    {
        let day = guest(&history, 100, Metric::Cpu, now, range);
        let from = (now - range).max(START);
        assert!(day.len() <= 400, "{range}: {} points", day.len());
        assert!(longest_gap(&day, from, now) <= most_apart, "{range}: {}", longest_gap(&day, from, now));
        assert!(day.is_sorted_by(|a, b| a.unix_secs < b.unix_secs));
        let peaks = day.iter().filter(|p| p.value > 94.9).count() as i64;
        if range >= DAY {
            assert_eq!(peaks, range.min(8 * DAY) / DAY, "{range}: every 13:37 is seen");
        }
    }
}

#[test]
fn memory_and_bytes_written_are_the_same_on_the_eighth_day_as_on_the_second() {
    let disk = Disk::new();
    let mut history = open(&disk, START);
    let mut days = Vec::new();
    for day in 0..8 {
        let before = disk.written();
        run(&mut history, START + day * DAY, START + (day + 1) * DAY, 60, lab(20));
        days.push((history.memory_bytes() as f64, (disk.written() - before) as f64));
    }
    let (memory, written) = days[1];
    println!("20 guests: {memory} bytes in memory, {written} bytes written a day");
    for (n, (m, w)) in days.iter().enumerate().skip(2) {
        // Only the table of blocks grows, until the first of them are old enough to go.
        assert!((m / memory - 1.0).abs() < 0.1 && (w / written - 1.0).abs() < 0.01, "day {}: {m} {w}", n + 1);
    }
}

#[test]
fn an_hour_shows_each_figure_where_it_was_recorded() {
    let mut history = History::new();
    run(&mut history, START, START + 2 * HOUR, 10, lab(2));
    let hour = guest(&history, 101, Metric::Cpu, START + 2 * HOUR, HOUR);
    assert!(hour.len() >= 359);
    for point in hour {
        assert!((point.value - cpu(101, point.unix_secs)).abs() < 0.01, "{point:?}");
    }
}

#[test]
fn the_first_look_at_a_guest_tells_no_rates() {
    let mut history = History::new();
    let quiet = |secs: i64| {
        let mut state = state(secs, 2);
        if secs == START {
            for g in &mut state.vms {
                let first =
                    pulse::model::Guest { network_in: 0, network_out: 0, disk_read: 0, disk_write: 0, ..(**g).clone() };
                *g = first.into();
            }
        }
        state
    };
    run(&mut history, START, START + 60, 10, quiet);
    let rates = guest(&history, 100, Metric::NetIn, START + 60, HOUR);
    assert!(rates.iter().all(|p| p.value >= 1_000.0 && p.unix_secs > START), "{rates:?}");
    // A figure that needs one look is there from the first on, and a zero that comes later is a zero.
    assert_eq!(guest(&history, 100, Metric::Cpu, START + 60, HOUR)[0].unix_secs, START);
    let read = guest(&history, 101, Metric::DiskRead, START + 60, HOUR);
    assert!(read.len() >= 5 && read.iter().all(|p| p.value == 0.0), "{read:?}");
}

#[test]
fn a_storage_that_grows_slowly_does_not_grow_in_stairs() {
    let mut history = History::new();
    run(&mut history, START, START + DAY, 30, lab(1));
    let id = history.subjects().other(Kind::Storage, "lab", "lab-pve0-local");
    let used = points(&history, id, Kind::Storage, Metric::Used, START + DAY, DAY);
    assert!(used.windows(2).all(|w| w[0].value < w[1].value));
    let total = points(&history, id, Kind::Storage, Metric::Total, START + DAY, DAY);
    assert!(total.iter().all(|p| p.value == (100i64 << 40) as f64));
}

#[test]
fn what_is_not_known_is_a_gap_and_never_a_zero() {
    let mut history = History::new();
    let with_gaps = |secs: i64| {
        let mut state = state(secs, 4);
        let off = (START + 20 * 60..START + 40 * 60).contains(&secs);
        for g in state.vms.iter_mut().chain(&mut state.containers) {
            match g.vmid {
                100 if off => g.status = "stopped".into(),
                101 if off => g.memory_source = Some("unknown".into()),
                102 => g.disk_source = Some("unknown".into()),
                _ => {}
            }
        }
        if off {
            state.nodes[0].status = "offline".into();
            state.storage[0].active = false;
            state.pbs[0].status = "offline".into();
        }
        state
    };
    run(&mut history, START, START + 6 * HOUR, 10, with_gaps);
    for (now, range) in [(START + 55 * 60, HOUR), (START + 3 * HOUR, 4 * HOUR), (START + 6 * HOUR, DAY)] {
        // Only what was known at `now` may be asked for: figures of a simulated future do not exist then.
        let mut history = History::new();
        run(&mut history, START, now, 10, with_gaps);
        let other = |kind, instance: &str, name: &str| history.subjects().other(kind, instance, name);
        let cases = [
            guest(&history, 100, Metric::Cpu, now, range),
            guest(&history, 101, Metric::Memory, now, range),
            points(&history, other(Kind::Node, "lab", "pve0"), Kind::Node, Metric::Cpu, now, range),
            points(&history, other(Kind::Storage, "lab", "lab-pve0-local"), Kind::Storage, Metric::Usage, now, range),
            points(&history, other(Kind::Pbs, "vault", ""), Kind::Pbs, Metric::Cpu, now, range),
            points(&history, other(Kind::Datastore, "vault", "main"), Kind::Datastore, Metric::Usage, now, range),
        ];
        for (n, case) in cases.iter().enumerate() {
            let inside = |p: &&pulse::history::Point| (START + 26 * 60..START + 34 * 60).contains(&p.unix_secs);
            assert_eq!(case.iter().find(inside), None, "case {n}, range {range}");
            assert!(case.len() > 4 && case.iter().all(|p| p.value > 0.0), "case {n}, range {range}");
        }
        assert!(guest(&history, 101, Metric::Cpu, now, range).len() > cases[1].len());
    }
    assert_eq!(guest(&history, 102, Metric::Disk, START + 6 * HOUR, DAY), []);
}

#[test]
fn a_restart_goes_on_where_the_history_ended() {
    let disk = Disk::new();
    let mut history = open(&disk, START);
    let stop = START + 2 * DAY + 17 * 60;
    run(&mut history, START, stop, 10, lab(3));
    drop(history);
    let mut history = open(&disk, stop + 30);
    run(&mut history, stop + 30, stop + HOUR, 10, lab(3));
    let now = stop + HOUR;
    for (range, most_apart) in [(2 * HOUR, 130), (4 * HOUR, 130), (DAY, 700), (7 * DAY, 2 * HOUR)] {
        let cpu = guest(&history, 102, Metric::Cpu, now, range);
        let from = (now - range).max(START);
        assert!(longest_gap(&cpu, from, now) <= most_apart, "{range}: {}", longest_gap(&cpu, from, now));
    }
    let week = guest(&history, 102, Metric::Cpu, now, 7 * DAY);
    assert_eq!(week.iter().filter(|p| p.value > 94.9).count(), 2);
}

#[test]
fn a_restart_every_few_minutes_loses_no_coarse_slot() {
    let disk = Disk::new();
    let mut secs = START;
    for n in 0..150 {
        let mut history = open(&disk, secs);
        let until = secs + 70 + n % 17 * 60;
        run(&mut history, secs, until, 10, lab(1));
        let last = history.flush_finally(lab::at(until));
        if let Some(flush) = last {
            flush.perform(&disk);
        }
        secs = until;
    }
    let history = open(&disk, secs);
    assert!(secs - START > 14 * HOUR);
    let day = guest(&history, 100, Metric::Cpu, secs, DAY);
    assert!(longest_gap(&day, START, secs) <= 600, "{}", longest_gap(&day, START, secs));
    // Made again from minutes, whose peaks are kept to one percent.
    assert_eq!(day.iter().filter(|p| p.value > 94.0).count(), 1);
}

#[test]
fn a_guest_keeps_its_charts_when_it_moves_to_another_node() {
    let mut history = History::new();
    let moving = |secs: i64| {
        let mut state = state(secs, 1);
        if secs >= START + HOUR {
            state.vms[0].node = "pve2".into();
            state.vms[0].id = "lab-pve2-100".into();
        }
        state
    };
    run(&mut history, START, START + 2 * HOUR, 10, moving);
    let cpu = guest(&history, 100, Metric::Cpu, START + 2 * HOUR, 2 * HOUR);
    assert!(longest_gap(&cpu, START, START + 2 * HOUR) <= 130);
}

#[test]
fn memory_of_deleted_guests_is_given_back() {
    let mut history = History::new();
    run(&mut history, START, START + HOUR, 10, lab(200));
    let with = history.memory_bytes();
    run(&mut history, START + HOUR, START + 12 * HOUR, 60, lab(2));
    assert!(history.memory_bytes() < with / 4, "{} of {with} are left", history.memory_bytes());
}

#[test]
fn old_files_go_away_and_a_year_stays() {
    let disk = Disk::new();
    let mut history = open(&disk, START);
    let end = START + 400 * DAY;
    run(&mut history, START, end, 1_800, lab(1));
    let files = disk.files();
    let count = |prefix: &str| files.iter().filter(|(name, _)| name.starts_with(prefix)).count();
    assert!(count("1m-") <= 5, "{files:?}");
    assert!(count("5m-") <= 10, "{files:?}");
    assert!(count("30m-") <= 7, "{files:?}");
    assert!(count("4h-") <= 8, "{files:?}");
    let year = guest(&history, 100, Metric::Cpu, end, 365 * DAY);
    assert!(year.len() <= 400 && longest_gap(&year, end - 365 * DAY, end) <= 3 * DAY);
}

#[test]
fn a_clock_that_steps_back_or_far_ahead_breaks_nothing() {
    let mut history = History::new();
    run(&mut history, START, START + HOUR, 10, lab(1));
    // Half a minute back, as time servers do: nothing is thrown away.
    run(&mut history, START + HOUR - 30, START + 2 * HOUR, 10, lab(1));
    assert!(guest(&history, 100, Metric::Cpu, START + 2 * HOUR, HOUR).len() >= 359);
    // Two hours back, then a day ahead.
    run(&mut history, START, START + HOUR, 10, lab(1));
    let shown = guest(&history, 100, Metric::Cpu, START + HOUR, HOUR);
    assert!(shown.iter().all(|p| p.unix_secs <= START + HOUR) && shown.len() >= 200);
    run(&mut history, START + DAY, START + DAY + HOUR, 10, lab(1));
    assert!(guest(&history, 100, Metric::Cpu, START + DAY + HOUR, HOUR).len() >= 359);
}
