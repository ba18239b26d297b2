//! The life of an alert: raised once, kept through everything that is no transition, ended once.

use super::bench::{Bench, CPU, brief, guest, pbs};
use pulse::model::Time;
use serde_json::json;
use std::time::Duration;

const NONE: [&str; 0] = [];

#[test]
fn a_metric_raises_at_its_trigger_stays_between_and_ends_at_clear() {
    let mut b = Bench::new(json!({}));
    b.cpu(79.9);
    assert_eq!(brief(&b.poll()), NONE);
    b.cpu(80.0);
    assert_eq!(brief(&b.poll()), ["+lab-alpha-101-cpu"]);
    let a = b.alert(CPU);
    assert_eq!(
        (a.level.as_str(), a.value, a.threshold, a.message.as_str()),
        ("warning", 80.0, 80.0, "VM cpu at 80.0%")
    );
    assert_eq!(a.metadata, json!({"resourceType": "VM", "clearThreshold": 75.0}).as_object().unwrap().clone());
    b.cpu(75.1);
    assert_eq!(brief(&b.poll()), NONE);
    b.cpu(75.0);
    assert_eq!(brief(&b.poll()), ["-lab-alpha-101-cpu"]);
    assert_eq!(b.engine.recent()[0].alert.id, CPU);
    assert_eq!(brief(&b.polls(3)), NONE);
}

#[test]
fn every_metric_of_every_kind_has_its_id_and_words() {
    let io = json!({"trigger": 50, "clear": 40});
    let mut b = Bench::new(
        json!({"guestDefaults": {"cpu": {"trigger": 80, "clear": 75}, "memory": {"trigger": 85, "clear": 80},
        "disk": {"trigger": 90, "clear": 85}, "diskRead": io, "diskWrite": io, "networkIn": io, "networkOut": io}}),
    );
    let vm = b.vm();
    (vm.cpu, vm.memory.usage, vm.disk.usage) = (0.9, 95.0, 95.0);
    (vm.disk_read, vm.disk_write, vm.network_in, vm.network_out) = (60 << 20, 60 << 20, 60 << 20, 60 << 20);
    b.state.containers[0].memory.usage = 90.0;
    b.state.nodes[1].disk.usage = 99.0;
    b.state.storage[0].usage = 86.0;
    b.state.pbs[0].cpu = 85.0;
    b.state.pbs[0].datastores.as_mut().unwrap()[0].usage = 96.0;
    b.poll();
    let mut got: Vec<String> =
        b.engine.active().iter().map(|a| format!("{} {} {}", a.id, a.level, a.message)).collect();
    got.sort();
    assert_eq!(
        got,
        [
            "lab-alpha-101-cpu critical VM cpu at 90.0%",
            "lab-alpha-101-disk warning VM disk at 95.0%",
            "lab-alpha-101-diskRead critical VM diskRead at 60.0 MB/s",
            "lab-alpha-101-diskWrite critical VM diskWrite at 60.0 MB/s",
            "lab-alpha-101-memory critical VM memory at 95.0%",
            "lab-alpha-101-networkIn critical VM networkIn at 60.0 MB/s",
            "lab-alpha-101-networkOut critical VM networkOut at 60.0 MB/s",
            "lab-alpha-201-memory warning Container memory at 90.0%",
            "lab-alpha-local-usage warning Storage at 86.0%",
            "lab-beta-disk critical Node disk at 99.0%",
            "pbs-vault-cpu warning PBS cpu at 85.0%",
            "pbs-vault-store1-usage critical Storage at 96.0%",
        ]
    );
}

// Field: 508 alerts in a week with a duration of nothing. A figure must last; what is not known does not count.
#[test]
fn a_delay_counts_only_time_in_which_the_figure_was_seen_above() {
    let mut b = Bench::new(json!({"guestDefaults": {"cpu": {"trigger": 80, "clear": 75, "delay": 60}}}));
    b.cpu(90.0);
    assert_eq!(brief(&b.polls(6)), NONE, "seen for 50 seconds");
    assert_eq!(brief(&b.poll()), ["+lab-alpha-101-cpu"]);
    b.cpu(10.0).poll();
    b.cpu(90.0).polls(4);
    b.cpu(79.0).poll();
    b.cpu(90.0);
    assert_eq!(brief(&b.polls(6)), NONE, "a dip below the trigger starts anew");
    let mut b = Bench::new(json!({"guestDefaults": {"cpu": {"trigger": 80, "clear": 75, "delay": 60}}}));
    b.cpu(90.0).polls(4);
    b.vm().status = "unknown".into();
    b.polls(30);
    b.vm().status = "running".into();
    assert_eq!(brief(&b.polls(2)), NONE, "five minutes without an answer are no load");
}

#[test]
fn the_global_delay_of_4_9_counts_where_nothing_nearer_does() {
    let mut b = Bench::new(json!({"timeThreshold": 30, "overrides": {"lab-alpha-201": {"timeThreshold": 0}}}));
    b.cpu(90.0);
    b.state.containers[0].cpu = 0.9;
    assert_eq!(brief(&b.poll()), ["+lab-alpha-201-cpu"]);
    assert_eq!(brief(&b.polls(2)), NONE);
    assert_eq!(brief(&b.poll()), ["+lab-alpha-101-cpu"]);
}

// Row 58: 4.9 moved the start of a node-offline alert on at each poll, so it never lasted.
#[test]
fn row_58_a_node_that_stays_offline_keeps_its_start() {
    let mut b = Bench::new(json!({}));
    b.poll();
    b.state.nodes[1].status = "offline".into();
    assert_eq!(brief(&b.polls(2)), NONE, "two polls are no proof");
    assert_eq!(brief(&b.poll()), ["+node-offline-lab-beta"]);
    let start = b.alert("node-offline-lab-beta").start_time;
    b.polls(30);
    let a = b.alert("node-offline-lab-beta");
    assert_eq!(a.start_time, start);
    assert_eq!(a.last_seen.since(a.start_time), Duration::from_secs(300));
    assert_eq!(
        (a.r#type.as_str(), a.level.as_str(), a.message.as_str()),
        ("connectivity", "critical", "Node 'beta' is offline")
    );
    b.state.nodes[1].status = "online".into();
    assert_eq!(brief(&b.poll()), ["-node-offline-lab-beta"]);
}

#[test]
fn a_connection_that_fails_has_been_counted_by_its_poller_already() {
    let mut b = Bench::new(json!({}));
    b.poll();
    *b.state.connection_health.get_mut("lab").unwrap() = false;
    assert_eq!(brief(&b.polls(2)), NONE, "the poller still shows the last figures");
    for n in &mut b.state.nodes {
        n.status = "offline".into();
        n.connection_health = "error".into();
    }
    assert_eq!(brief(&b.poll()), ["+node-offline-lab-alpha", "+node-offline-lab-beta"]);
    *b.state.connection_health.get_mut("pbs-vault").unwrap() = false;
    b.state.pbs[0] = pulse::model::PbsInstance { status: "offline".into(), datastores: None, ..pbs("vault") };
    assert_eq!(brief(&b.poll()), ["+pbs-offline-pbs-vault"]);
    assert_eq!(b.alert("pbs-offline-pbs-vault").node, "https://vault:8007");
}

// Row 67: alerts of stopped guests vanished without an event, those of deleted guests stayed for ever.
#[test]
fn row_67_what_stopped_was_deleted_or_is_no_longer_watched_ends_with_an_event() {
    let mut b = Bench::new(json!({}));
    b.cpu(90.0).poll();
    b.vm().status = "stopped".into();
    assert_eq!(brief(&b.poll()), ["-lab-alpha-101-cpu stopped"]);
    assert_eq!(b.engine.recent().len(), 1);

    let mut b = Bench::new(json!({}));
    b.cpu(90.0).poll();
    let vm = b.state.vms.remove(0);
    assert_eq!(brief(&b.polls(2)), NONE, "absent for a moment");
    assert_eq!(brief(&b.poll()), ["-lab-alpha-101-cpu gone"]);
    b.state.vms.push(vm);
    assert_eq!(brief(&b.polls(3)).len(), 0, "and it is the same figure within the suppression window");

    let mut b = Bench::new(json!({}));
    b.cpu(90.0).poll();
    b.set(json!({"guestDefaults": {"cpu": {"trigger": 0, "clear": 0}}}));
    assert_eq!(brief(&b.poll()), ["-lab-alpha-101-cpu notWatched"]);

    let mut b = Bench::new(json!({}));
    b.cpu(90.0).poll();
    b.state.connection_health.remove("lab");
    b.state.vms.clear();
    b.expect();
    assert_eq!(brief(&b.step()), ["-lab-alpha-101-cpu gone"], "its connection was deleted");
}

// Row 68: offline alerts stayed in recentlyResolved until the next restart.
#[test]
fn row_68_resolved_alerts_are_recent_for_five_minutes() {
    let mut b = Bench::new(json!({}));
    b.state.nodes[1].status = "offline".into();
    b.polls(3);
    b.state.nodes[1].status = "online".into();
    b.poll();
    b.wait(295);
    assert_eq!(b.engine.recent().len(), 1);
    b.wait(10);
    assert!(b.engine.recent().is_empty());
}

// Row 69: message and threshold stayed those of the first moment, the value froze inside the hysteresis band.
#[test]
fn row_69_an_active_alert_shows_the_present_and_says_when_it_gets_worse() {
    let mut b = Bench::new(json!({}));
    b.cpu(82.0).poll();
    b.cpu(77.0).poll();
    assert_eq!((b.alert(CPU).value.round(), b.alert(CPU).message.as_str()), (77.0, "VM cpu at 77.0%"));
    b.cpu(91.0);
    assert_eq!(brief(&b.poll()), ["^lab-alpha-101-cpu critical"]);
    b.set(json!({"guestDefaults": {"cpu": {"trigger": 85, "clear": 70}}}));
    b.cpu(86.0);
    assert_eq!(brief(&b.poll()), ["^lab-alpha-101-cpu warning"]);
    assert_eq!((b.alert(CPU).threshold, &b.alert(CPU).metadata["clearThreshold"]), (85.0, &json!(70.0)));
}

// Row 72: a cleared alert came back at once or was silent for five minutes, by chance of its age.
#[test]
fn row_72_what_was_cleared_by_hand_comes_back_only_after_it_was_fine() {
    let mut b = Bench::new(json!({}));
    b.cpu(90.0).poll();
    assert!(b.engine.clear(CPU, b.now));
    assert_eq!(brief(&b.step()), ["-lab-alpha-101-cpu cleared"]);
    assert!(b.engine.recent().is_empty());
    assert!(!b.engine.clear(CPU, b.now), "an unknown id is no event");
    assert_eq!(brief(&b.step()), NONE);
    assert_eq!(brief(&b.polls(100)), NONE, "still true, still silent");
    b.restart();
    assert_eq!(brief(&b.polls(100)), NONE, "also after a restart");
    b.cpu(50.0).poll();
    b.cpu(95.0);
    assert_eq!(brief(&b.poll()), ["+lab-alpha-101-cpu"]);
}

#[test]
fn the_same_figure_again_within_the_window_waits_and_then_appears_if_still_true() {
    let mut b = Bench::new(json!({"minimumDelta": 2, "suppressionWindow": 5}));
    b.cpu(81.0).poll();
    b.cpu(70.0).poll();
    b.cpu(81.5);
    assert_eq!(brief(&b.polls(29)), NONE);
    assert_eq!(brief(&b.polls(3)), ["+lab-alpha-101-cpu"]);
    b.cpu(70.0).poll();
    b.cpu(97.0);
    assert_eq!(brief(&b.poll()), ["+lab-alpha-101-cpu"], "another figure is news");
}

// Row 76: critical was trigger + 10, which a trigger above 90 never reaches.
#[test]
fn row_76_critical_is_reachable_for_every_trigger() {
    for (trigger, value, level) in [
        (80.0, 89.9, "warning"),
        (80.0, 90.0, "critical"),
        (95.0, 97.9, "warning"),
        (95.0, 98.0, "critical"),
        (99.0, 99.0, "critical"),
    ] {
        let mut b = Bench::new(json!({"guestDefaults": {"memory": {"trigger": trigger, "clear": 1}}}));
        b.vm().memory.usage = value;
        b.poll();
        assert_eq!(b.alert("lab-alpha-101-memory").level, level, "{trigger} at {value}");
    }
    let mut b =
        Bench::new(json!({"overrides": {"lab-alpha-101": {"cpu": {"trigger": 50, "clear": 40, "critical": 55}}}}));
    b.cpu(56.0).poll();
    assert_eq!(b.alert(CPU).level, "critical", "a critical figure of one's own");
}

#[test]
fn neither_saving_nor_reloading_nor_restarting_is_a_transition() {
    let mut b = Bench::new(json!({}));
    b.cpu(90.0);
    b.state.nodes[1].status = "offline".into();
    b.state.storage[0].usage = 91.0;
    b.polls(3);
    assert!(b.engine.acknowledge(CPU, "ana", b.now));
    b.step();
    let before: Vec<_> = b.engine.active().into_iter().cloned().collect();
    assert_eq!(before.len(), 3);
    b.told.clear();
    for round in 0..3 {
        b.set(json!({}));
        assert_eq!(brief(&b.polls(2)), NONE, "saved, round {round}");
        b.restart();
        assert_eq!(brief(&b.polls(5)), NONE, "restarted, round {round}");
        b.expect();
    }
    assert_eq!(b.told.len(), 0, "nobody is told again");
    let after = b.alert(CPU);
    assert_eq!((after.ack_user.as_str(), after.acknowledged), ("ana", true));
    assert_eq!(after.ack_time, before.iter().find(|a| a.id == CPU).unwrap().ack_time);
    for a in &before {
        assert_eq!(b.alert(&a.id).start_time, a.start_time);
    }
    b.cpu(10.0);
    assert_eq!(brief(&b.poll()), ["-lab-alpha-101-cpu"]);
}

// 4.9 forgot alerts older than a day, and acknowledged ones after an hour, at each start.
#[test]
fn old_and_acknowledged_alerts_survive_a_restart_and_time() {
    let mut b = Bench::new(json!({}));
    b.state.storage[0].usage = 91.0;
    b.poll();
    b.engine.acknowledge("lab-alpha-local-usage", "ana", b.now);
    b.now = b.now.plus(Duration::from_secs(40 * 86_400));
    b.restart();
    assert_eq!(brief(&b.polls(5)), NONE);
    assert!(b.alert("lab-alpha-local-usage").acknowledged);
}

#[test]
fn an_alert_of_before_the_start_ends_when_its_resource_or_connection_is_gone() {
    let mut b = Bench::new(json!({}));
    b.cpu(90.0).poll();
    b.state.vms.clear();
    b.restart();
    assert_eq!(brief(&b.polls(2)), NONE);
    assert_eq!(brief(&b.poll()), ["-lab-alpha-101-cpu gone"]);

    let mut b = Bench::new(json!({}));
    b.state.pbs[0].datastores.as_mut().unwrap()[0].usage = 96.0;
    b.poll();
    b.state.connection_health.remove("pbs-vault");
    b.state.pbs.clear();
    b.restart();
    assert_eq!(brief(&b.step()), ["-pbs-vault-store1-usage gone"]);
}

#[test]
fn an_acknowledgement_can_be_taken_back() {
    let mut b = Bench::new(json!({}));
    b.cpu(90.0).poll();
    assert!(!b.engine.acknowledge("nothing", "ana", b.now));
    assert!(b.engine.acknowledge(CPU, "ana", b.now));
    assert_eq!(b.alert(CPU).ack_time, Some(b.now.wall));
    assert!(b.engine.unacknowledge(CPU));
    let a = b.alert(CPU);
    assert_eq!((a.acknowledged, a.ack_time, a.ack_user.as_str()), (false, None, ""));
    assert_eq!(brief(&b.step()), ["alab-alpha-101-cpu", "ulab-alpha-101-cpu"]);
}

#[test]
fn a_node_that_is_down_says_nothing_about_its_guests_and_storages() {
    let mut b = Bench::new(json!({"checks": {"powered-off": {"enabled": true}}}));
    b.cpu(90.0).poll();
    b.state.nodes[0].status = "offline".into();
    b.vm().status = "unknown".into();
    b.vm().cpu = 0.0;
    b.state.containers[0].status = "stopped".into();
    b.state.storage[0].status = "inactive".into();
    b.state.storage[0].active = false;
    assert_eq!(brief(&b.polls(20)), ["+node-offline-lab-alpha"], "the one true cause");
    b.state.nodes[0].status = "online".into();
    b.vm().status = "running".into();
    b.vm().cpu = 0.9;
    b.state.containers[0].status = "running".into();
    b.state.storage[0].status = "available".into();
    b.state.storage[0].active = true;
    assert_eq!(brief(&b.poll()), ["-node-offline-lab-alpha"]);
    assert_eq!(b.ids(), [CPU], "the guest's own alert was only held");
}

// Field: a stop-mode backup cleared alerts and raised them again, and paged people every night.
#[test]
fn a_lock_holds_load_and_power_until_it_is_gone() {
    for lock in ["backup", "snapshot", "migrate", "rollback"] {
        let mut b = Bench::new(json!({"checks": {"powered-off": {"enabled": true}}}));
        b.cpu(90.0).poll();
        b.vm().lock = lock.into();
        b.vm().status = "stopped".into();
        b.vm().cpu = 0.0;
        assert_eq!(brief(&b.polls(30)), NONE, "{lock}");
        b.vm().status = "running".into();
        b.vm().cpu = 0.99;
        assert_eq!(brief(&b.polls(3)), NONE, "{lock}: its load is the task's");
        b.vm().lock = String::new();
        b.vm().cpu = 0.2;
        assert_eq!(brief(&b.poll()), ["-lab-alpha-101-cpu"], "{lock}");
        b.vm().lock = lock.into();
        b.vm().status = "stopped".into();
        b.polls(30);
        b.vm().lock = String::new();
        assert_eq!(brief(&b.polls(2)), ["+guest-powered-off-lab-alpha-101"], "{lock}: it never came back");
    }
}

#[test]
fn a_lock_that_never_goes_holds_nothing_after_a_day_and_hibernation_is_no_lock() {
    let mut b = Bench::new(json!({}));
    b.cpu(90.0).poll();
    b.vm().lock = "backup".into();
    b.vm().status = "stopped".into();
    b.poll();
    b.now = b.now.plus(Duration::from_secs(86_400));
    assert_eq!(brief(&b.poll()), ["-lab-alpha-101-cpu stopped"]);
    let mut b = Bench::new(json!({}));
    b.cpu(90.0).poll();
    b.vm().lock = "suspended".into();
    b.vm().status = "stopped".into();
    assert_eq!(brief(&b.poll()), ["-lab-alpha-101-cpu stopped"]);
}

#[test]
fn figures_that_are_not_known_neither_raise_nor_end_anything() {
    let mut b = Bench::new(json!({}));
    b.vm().disk.usage = 95.0;
    b.vm().memory.usage = 95.0;
    b.poll();
    b.vm().disk = pulse::model::Usage::default();
    b.vm().disk_source = Some("unknown".into());
    b.vm().memory_source = Some("unknown".into());
    b.vm().memory.usage = 0.0;
    assert_eq!(brief(&b.polls(20)), NONE);
    assert_eq!(b.ids().len(), 2);
    b.vm().cpu = f64::NAN;
    assert_eq!(brief(&b.polls(2)), NONE);
    *b.state.connection_health.get_mut("lab").unwrap() = false;
    b.state.containers[0].cpu = 0.99;
    assert_eq!(brief(&b.polls(20)), NONE, "old figures of a connection that does not answer");
}

#[test]
fn migration_goes_on_with_the_same_incident() {
    let mut b = Bench::new(json!({}));
    b.cpu(90.0).poll();
    let cpu = b.vm().cpu;
    b.state.vms.clear();
    b.poll();
    b.state.vms.push(pulse::model::Guest { cpu, ..guest(101, "beta") }.into());
    assert_eq!(brief(&b.polls(2)), NONE);
    let a = b.alert(CPU);
    assert_eq!((a.node.as_str(), a.resource_id.as_str()), ("beta", "lab-beta-101"));
    b.restart();
    assert_eq!(brief(&b.polls(5)), NONE, "and over a restart");
    b.cpu(10.0);
    assert_eq!(brief(&b.poll()), ["-lab-alpha-101-cpu"]);
    b.cpu(99.0);
    assert_eq!(brief(&b.poll()), ["+lab-beta-101-cpu"]);
}

#[test]
fn a_clock_that_steps_moves_no_alert_back() {
    let mut b = Bench::new(json!({"guestDefaults": {"cpu": {"trigger": 80, "clear": 75, "delay": 60}}}));
    b.cpu(90.0).polls(3);
    b.now.wall = Time(b.now.wall.0 + 86_400_000_000_000);
    assert_eq!(brief(&b.poll()), NONE, "a day of clock is no day of load");
    assert_eq!(brief(&b.polls(3)), ["+lab-alpha-101-cpu"]);
    b.now.wall = Time(b.now.wall.0 - 2 * 86_400_000_000_000);
    b.poll();
    let a = b.alert(CPU);
    assert!(a.last_seen >= a.start_time);
    b.cpu(1.0);
    b.poll();
    assert!(b.engine.recent()[0].resolved_time >= a.start_time);
}

#[test]
fn switched_off_as_a_whole_nothing_is_evaluated_and_active_alerts_stay() {
    let mut b = Bench::new(json!({}));
    b.cpu(90.0).poll();
    b.set(json!({"enabled": false}));
    b.cpu(10.0);
    b.state.containers[0].cpu = 0.99;
    assert_eq!(brief(&b.polls(10)), NONE);
    b.set(json!({"enabled": true}));
    assert_eq!(brief(&b.poll()), ["-lab-alpha-101-cpu", "+lab-alpha-201-cpu"]);
}
