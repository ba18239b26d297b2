//! What a kill, a power cut, a damaged byte and a full disk cost: never more than promised, and never an older point.

use super::disk::Disk;
use super::lab::{START, at, guest, longest_gap, open, run, state, write};
use pulse::history::past::{Batch, Recorded, Stage, pieces};
use pulse::history::{Key, Kind, Metric, Point};

const HOUR: i64 = 3_600;

/// An hour and a half, written to a disk; each write since `watched` with the second it happened at.
fn written(guests: i64, watched: i64) -> Vec<(i64, Disk)> {
    let disk = Disk::new();
    let mut history = open(&disk, START);
    run(&mut history, START, watched, 10, |s| state(s, guests));
    disk.watch();
    let mut steps = Vec::new();
    for secs in (watched..watched + 11 * 60).step_by(10) {
        run(&mut history, secs, secs + 10, 10, |s| state(s, guests));
        steps.resize(disk.steps_taken(), secs);
    }
    steps.into_iter().zip(disk.steps()).collect()
}

/// The minutes since START that a disk still knows of guest 100.
fn minutes(disk: &Disk, secs: i64) -> Vec<Point> {
    guest(&open(disk, secs), 100, Metric::Memory, secs, 4 * HOUR)
}

#[test]
fn a_kill_at_any_moment_loses_at_most_the_last_minute() {
    let steps = written(2, START + 55 * 60);
    assert!(steps.len() > 12);
    for pair in steps.windows(2) {
        let ((_, before), (secs, after)) = (&pair[0], &pair[1]);
        for share in [0.0, 0.05, 0.4, 0.9, 1.0] {
            let known = minutes(&after.torn(before, share), *secs);
            assert_eq!(known.first().unwrap().unix_secs, START);
            let newest = known.last().unwrap().unix_secs;
            assert!(longest_gap(&known, START, newest) <= 60);
            // The minute that began at `newest` is whole; the one after it was being written.
            assert!(newest >= secs - 2 * 60, "{} s are lost", secs - newest - 60);
        }
    }
}

#[test]
fn a_power_cut_loses_at_most_five_minutes_and_never_an_older_point() {
    let steps = written(2, START + 55 * 60);
    let mut dice = 12_345u64;
    let mut roll = move |sides: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) as usize % sides.max(1)
    };
    for (secs, disk) in &steps {
        for _ in 0..12 {
            let cut = disk.power_cut(|_, unsynced| (roll(unsynced + 1), roll(2) == 0));
            let known = minutes(&cut, *secs);
            let sure_until = secs - 6 * 60;
            assert_eq!(known.first().unwrap().unix_secs, START);
            let newest_sure = known.iter().rfind(|p| p.unix_secs <= sure_until).unwrap().unix_secs;
            assert!(longest_gap(&known, START, newest_sure) <= 60 && newest_sure >= sure_until - 60);
            // What is recorded from now on survives the next start, whatever lies in front of it in the file.
            let mut history = open(&cut, *secs);
            run(&mut history, *secs, secs + 300, 10, |s| state(s, 2));
            let known = minutes(&cut, secs + 300);
            assert!(known.iter().filter(|p| p.unix_secs > *secs).count() >= 3);
        }
    }
}

#[test]
fn a_damaged_byte_costs_the_record_it_lies_in_and_nothing_else() {
    let disk = Disk::new();
    let mut history = open(&disk, START);
    let end = START + 70 * 60;
    run(&mut history, START, end, 20, |s| state(s, 2));
    let shown = |disk: &Disk, vmid: i64, range: i64| guest(&open(disk, end), vmid, Metric::Memory, end, range);
    let minutes_before = shown(&disk, 100, 4 * HOUR).len();
    for (name, length) in disk.files() {
        for byte in (0..length).step_by(if length > 2_000 { 5 } else { 1 }) {
            let damaged = disk.copy();
            damaged.flip(&name, byte);
            let left = [100, 101].map(|vmid| shown(&damaged, vmid, 4 * HOUR).len());
            match name.as_str() {
                // One subject's name.
                "names" => assert!(left.iter().filter(|n| **n == minutes_before).count() >= 1, "names byte {byte}"),
                _ if name.starts_with("1m-") => {
                    assert!(left.iter().all(|n| n + 1 >= minutes_before), "row byte {byte}")
                }
                // The minutes are still there; nothing else depends on a block.
                _ => assert!(left.iter().all(|n| *n == minutes_before), "block byte {byte}"),
            }
        }
    }
}

#[test]
fn a_damaged_byte_of_a_block_costs_an_hour_at_most() {
    let disk = Disk::new();
    let mut history = open(&disk, START);
    let end = START + 6 * HOUR;
    run(&mut history, START, end, 60, |s| state(s, 2));
    let shown = |disk: &Disk, vmid: i64| guest(&open(disk, end), vmid, Metric::Memory, end, 12 * HOUR);
    let whole = [100, 101].map(|vmid| shown(&disk, vmid));
    let (name, length) = disk.files().into_iter().find(|(name, _)| name.starts_with("5m-")).unwrap();
    let mut harmed = 0;
    for byte in (0..length).step_by(5) {
        let damaged = disk.copy();
        damaged.flip(&name, byte);
        for (vmid, whole) in [100, 101].into_iter().zip(&whole) {
            let left = shown(&damaged, vmid);
            let lost: Vec<i64> = whole.iter().filter(|p| !left.contains(p)).map(|p| p.unix_secs / HOUR).collect();
            assert!(lost.windows(2).all(|w| w[0] == w[1]), "byte {byte}: {lost:?}");
            // What a finer tier still knows stands in for a lost block: the same means, rounded once more.
            let near = |p: &Point| whole.iter().any(|w| w.unix_secs == p.unix_secs && (w.value - p.value).abs() < 0.01);
            assert!(left.iter().all(near), "byte {byte}: a figure that never was");
            harmed += usize::from(!lost.is_empty());
        }
    }
    assert!(harmed > 10);
}

#[test]
fn a_lost_name_is_never_given_to_somebody_elses_figures() {
    let disk = Disk::new();
    let mut history = open(&disk, START);
    let end = START + 2 * HOUR;
    run(&mut history, START, end, 20, |s| state(s, 1));
    let names = disk.files().into_iter().find(|(name, _)| name == "names").unwrap();
    for byte in 0..names.1 {
        let damaged = disk.copy();
        damaged.flip("names", byte);
        let mut history = open(&damaged, end);
        // A guest that never was before comes; it must not inherit a lost subject's past.
        let newcomer = |secs: i64| {
            let mut state = state(secs, 0);
            state.vms = super::lab::state(secs, 1).vms;
            state.vms[0].vmid = 999;
            state
        };
        run(&mut history, end, end + 60, 20, newcomer);
        let past = guest(&history, 999, Metric::Cpu, end + 60, 2 * HOUR);
        assert!(past.iter().all(|p| p.unix_secs >= end), "byte {byte}: {past:?}");
    }
}

#[test]
fn while_the_disk_is_full_history_waits_in_memory() {
    let disk = Disk::new();
    let mut history = open(&disk, START);
    run(&mut history, START, START + 20 * 60, 10, |s| state(s, 2));
    disk.room(Some(100));
    run(&mut history, START + 20 * 60, START + 40 * 60, 10, |s| state(s, 2));
    assert!(history.failure().is_some());
    disk.room(None);
    let end = START + 60 * 60;
    run(&mut history, START + 40 * 60, end, 10, |s| state(s, 2));
    write(&mut history, end);
    assert_eq!(history.failure(), None);
    let known = minutes(&disk, end);
    assert!(longest_gap(&known, START, end) <= 60);
}

#[test]
fn a_clean_end_loses_nothing() {
    let disk = Disk::new();
    let mut history = open(&disk, START);
    let end = START + 30 * 60 + 50;
    run(&mut history, START, end, 10, |s| state(s, 1));
    let flush = history.flush_finally(at(end)).unwrap();
    flush.perform(&disk);
    let unplugged = disk.power_cut(|_, _| (0, false));
    assert_eq!(minutes(&unplugged, end).len(), 31);
}

#[test]
fn what_proxmox_recorded_counts_as_complete_only_when_a_power_cut_cannot_take_it_away() {
    let disk = Disk::new();
    let mut history = open(&disk, START);
    run(&mut history, START, START + 130, 10, |s| state(s, 2));
    let rows: Vec<Recorded> =
        (1..=40).map(|n| Recorded { unix_secs: START - 41 * 60 + n * 60, sample: [n as f64; 7] }).collect();
    let pieces = pieces(Kind::Guest, Stage::Hour, &rows, START);
    history.take_past("lab", &Batch { subjects: vec![(Key::guest("lab", 100), pieces)], complete: Some(1) });
    disk.watch();
    run(&mut history, START + 130, START + 500, 10, |s| state(s, 2));
    assert!(disk.steps().len() > 4);
    let recorded = |disk: &Disk| {
        let history = open(disk, START + 500);
        let points = guest(&history, 100, Metric::Cpu, START + 500, 4 * HOUR);
        (history.past_of("lab"), points.into_iter().filter(|p| p.unix_secs < START).count())
    };
    let mut seen = [0; 2];
    for step in disk.steps() {
        for turn in 0..8usize {
            let cut = step.power_cut(|name, unsynced| (unsynced * (turn + name.len()) % 7 / 6, turn % 2 == 0));
            let (complete, points) = recorded(&cut);
            seen[complete] += 1;
            assert!(complete == 0 || points == 40, "complete, and {points} points are left");
        }
    }
    assert!(seen.iter().all(|n| *n > 0), "{seen:?}");
    assert_eq!(recorded(&disk), (1, 40));
}

#[test]
fn a_damaged_mark_has_the_past_asked_for_again_and_loses_nothing() {
    let disk = Disk::new();
    let mut history = open(&disk, START);
    for stages in 1..=3 {
        history.take_past("lab", &Batch { subjects: vec![], complete: Some(stages) });
        history.take_past("home", &Batch { subjects: vec![], complete: Some(stages) });
        write(&mut history, START + stages as i64);
    }
    let length = disk.files().into_iter().find(|(name, _)| name == "past").unwrap().1;
    for at in 0..length {
        let damaged = disk.copy();
        damaged.flip("past", at);
        let history = open(&damaged, START + 9);
        let known = [history.past_of("lab"), history.past_of("home")];
        assert!(known.iter().all(|n| (2..=3).contains(n)) && known.contains(&3), "byte {at}: {known:?}");
    }
}
