//! Who is told what, when: nothing twice, nothing lost.

use super::bench::{Bench, CPU, brief, guest};
use pulse::alerts::outgoing::{Audience, Channels, Hold, Kind, Unit};
use serde_json::json;
use std::time::Duration;

const LXC: &str = "lab-alpha-201-cpu";

fn one(kind: Kind, id: &str) -> Vec<(Kind, Vec<String>)> {
    vec![(kind, vec![id.to_owned()])]
}

fn schedule(extra: serde_json::Value) -> serde_json::Value {
    json!({ "schedule": extra })
}

#[test]
fn an_alert_is_told_once_however_long_it_lasts() {
    let mut b = Bench::new(json!({}));
    b.cpu(85.0).polls(3);
    b.wait(7_200);
    b.polls(100);
    assert_eq!(b.news(), one(Kind::Firing, CPU));
}

#[test]
fn a_message_carries_what_templates_need() {
    let mut b = Bench::new(json!({}));
    b.vm().tags = vec!["customer-a".into()];
    b.cpu(85.0).poll();
    let item = &b.told[0].items[0];
    assert_eq!(
        (item.unit, item.host.as_str(), item.tags.as_slice()),
        (Unit::Percent, "https://alpha:8006", &["customer-a".to_owned()][..])
    );
    b.state.nodes[1].status = "offline".into();
    b.polls(3);
    assert_eq!(b.told[1].items[0].unit, Unit::None);
}

// Row 59: 4.9 never says that it is over.
#[test]
fn row_59_recovery_is_told_to_people_when_wanted_and_to_incident_tools_always() {
    for (wanted, audience) in [(false, Audience::IncidentTools), (true, Audience::Everyone)] {
        let mut b = Bench::new(schedule(json!({"notifyOnResolve": wanted})));
        b.cpu(85.0).poll();
        b.cpu(10.0).poll();
        let resolved = &b.told[1];
        assert_eq!((b.told.len(), resolved.kind, resolved.audience), (2, Kind::Resolved, audience));
        assert_eq!(resolved.items[0].resolved, Some(b.now.wall));
        assert_eq!(resolved.items[0].alert.start_time, b.told[0].items[0].alert.start_time, "the same incident");
    }
}

#[test]
fn nobody_hears_the_end_of_what_nobody_was_told() {
    let mut b =
        Bench::new(schedule(json!({"notifyOnResolve": true, "groupingWindow": 30, "grouping": {"enabled": true}})));
    b.cpu(85.0).poll();
    b.cpu(10.0).poll();
    b.wait(120);
    assert_eq!(b.news(), vec![], "it was over before the group was sent");
}

// Row 61: what fell into quiet hours was never told.
#[test]
fn row_61_quiet_hours_hold_warnings_until_they_end_and_let_critical_ones_through() {
    let quiet = json!({"quietHours": {"enabled": true, "start": "22:00", "end": "06:00", "timezone": "UTC"},
        "groupingWindow": 30, "grouping": {"enabled": true}});
    let mut b = Bench::new(schedule(quiet));
    b.at("2025-08-27T23:00:00Z");
    b.cpu(85.0).poll();
    b.state.containers[0].cpu = 0.99;
    b.poll();
    b.wait(40);
    assert_eq!(b.news(), one(Kind::Firing, LXC), "only the critical one");
    assert_eq!(b.engine.active().len(), 2, "both are shown");
    b.restart();
    b.poll();
    b.wait(60);
    assert_eq!(b.news(), vec![], "a restart in the night tells nothing");
    b.at("2025-08-28T06:00:00Z");
    b.wait(40);
    assert_eq!(b.told[0].items[0].held, Some(Hold::QuietHours));
    assert_eq!(b.news(), one(Kind::Held, CPU));
    b.wait(3_600);
    assert_eq!(b.news(), vec![], "once");
}

#[test]
fn what_ended_within_the_quiet_hours_is_not_told_when_they_end() {
    let quiet = json!({"quietHours": {"enabled": true, "start": "22:00", "end": "06:00", "timezone": "UTC"}});
    let mut b = Bench::new(schedule(quiet));
    b.at("2025-08-27T23:00:00Z");
    b.cpu(85.0).poll();
    b.cpu(10.0).poll();
    b.at("2025-08-28T06:00:00Z");
    b.wait(40);
    assert_eq!(b.news(), vec![]);
}

// Field: 38 recovery mails in one night.
#[test]
fn recoveries_of_warnings_wait_for_the_end_of_the_quiet_hours_and_come_as_one() {
    let quiet = json!({"quietHours": {"enabled": true, "start": "22:00", "end": "06:00", "timezone": "UTC"},
        "notifyOnResolve": true, "groupingWindow": 30, "grouping": {"enabled": true, "byNode": false}});
    let mut b = Bench::new(schedule(quiet));
    b.at("2025-08-27T21:00:00Z");
    b.cpu(85.0);
    b.state.containers[0].cpu = 0.85;
    b.poll();
    b.wait(40);
    assert_eq!(b.told.drain(..).count(), 1);
    b.at("2025-08-27T23:00:00Z");
    b.cpu(1.0).poll();
    b.state.containers[0].cpu = 0.01;
    b.poll();
    b.wait(40);
    assert!(b.told.iter().all(|o| o.audience == Audience::IncidentTools), "those are told at once");
    b.told.clear();
    b.restart();
    b.at("2025-08-28T06:00:00Z");
    b.wait(40);
    assert_eq!(b.told.len(), 1);
    assert_eq!((b.told[0].kind, b.told[0].audience, b.told[0].items.len()), (Kind::Resolved, Audience::People, 2));
}

// Row 62: an alert that came again within the cool-down was lost.
#[test]
fn row_62_the_cool_down_delays_and_does_not_drop() {
    let mut b = Bench::new(json!({"minimumDelta": 1, "suppressionWindow": 1, "schedule": {"cooldown": 5}}));
    b.cpu(85.0).poll();
    assert_eq!(b.news(), one(Kind::Firing, CPU));
    b.cpu(10.0).poll();
    b.cpu(99.0);
    assert_eq!(brief(&b.poll()), ["+lab-alpha-101-cpu"]);
    b.told.clear();
    b.wait(270);
    assert_eq!(b.news(), vec![]);
    b.wait(20);
    assert_eq!(b.told[0].items[0].held, Some(Hold::CoolDown));
    assert_eq!(b.news(), one(Kind::Firing, CPU));
    b.wait(3_600);
    assert_eq!(b.news(), vec![]);
}

#[test]
fn the_cool_down_counts_over_a_restart_and_drops_what_ended_meanwhile() {
    let mut b = Bench::new(json!({"minimumDelta": 1, "suppressionWindow": 1, "schedule": {"cooldown": 5}}));
    b.cpu(85.0).poll();
    b.cpu(10.0).poll();
    b.restart();
    b.told.clear();
    b.cpu(99.0).poll();
    b.wait(240);
    assert_eq!(b.news(), vec![]);
    b.cpu(10.0).poll();
    b.wait(600);
    assert_eq!(b.news(), vec![], "it was never told, so neither is its end");
}

// Row 61: the hourly limit swallowed alerts.
#[test]
fn row_61_the_hourly_limit_holds_back_and_sends_later() {
    let mut b = Bench::new(json!({"minimumDelta": 1, "suppressionWindow": 1, "schedule": {"maxAlertsHour": 2}}));
    for round in 0..3 {
        b.cpu(85.0 + f64::from(round) * 4.0).poll();
        b.cpu(10.0).poll();
        b.wait(90);
    }
    let firing = b.told.iter().filter(|o| o.kind == Kind::Firing).count();
    assert_eq!(firing, 2);
    b.cpu(99.0).poll();
    b.told.clear();
    b.wait(3_600);
    assert_eq!(b.told[0].items[0].held, Some(Hold::HourlyLimit));
    assert_eq!(b.news(), one(Kind::Held, CPU));
}

// Row 66: cool-down 0 and grouping off had no effect.
#[test]
fn row_66_grouping_gathers_by_node_or_by_type_or_not_at_all() {
    let load_all = |b: &mut Bench| {
        b.state.vms.push(guest(102, "beta").into());
        b.cpu(85.0);
        b.state.vms[1].cpu = 0.85;
        b.state.containers[0].cpu = 0.85;
        b.poll();
    };
    let sizes = |grouping: serde_json::Value| {
        let mut b = Bench::new(schedule(json!({"groupingWindow": 30, "grouping": grouping})));
        load_all(&mut b);
        let at_once = b.told.len();
        b.wait(40);
        let mut sizes: Vec<usize> = b.told.iter().map(|o| o.items.len()).collect();
        sizes.sort_unstable();
        (at_once, sizes)
    };
    assert_eq!(sizes(json!({"enabled": false})), (3, vec![1, 1, 1]));
    assert_eq!(sizes(json!({"enabled": true, "byNode": false, "byGuest": false})), (0, vec![3]));
    assert_eq!(sizes(json!({"enabled": true, "byNode": true, "byGuest": false})), (0, vec![1, 2]));
    assert_eq!(sizes(json!({"enabled": true, "byNode": false, "byGuest": true})), (0, vec![1, 2]));
}

#[test]
fn nodes_that_go_down_together_are_one_message() {
    let mut b = Bench::new(schedule(json!({"groupingWindow": 30, "grouping": {"enabled": true, "byNode": true}})));
    b.poll();
    for n in &mut b.state.nodes {
        n.status = "offline".into();
    }
    b.polls(3);
    b.wait(40);
    assert_eq!(b.told.iter().map(|o| o.items.len()).collect::<Vec<_>>(), [2]);
}

// Row 69: becoming critical was silent.
#[test]
fn row_69_becoming_critical_is_told_once() {
    let mut b = Bench::new(json!({}));
    b.cpu(85.0).poll();
    for _ in 0..5 {
        b.cpu(95.0).poll();
        b.cpu(85.0).poll();
    }
    assert_eq!(b.told.len(), 2);
    assert!(!b.told[0].items[0].worsened && b.told[1].items[0].worsened);
    assert_eq!(b.told[1].items[0].alert.level, "critical");
}

#[test]
fn becoming_critical_waits_for_the_cool_down_and_is_void_when_it_is_over_by_then() {
    let mut b = Bench::new(schedule(json!({"cooldown": 5})));
    b.cpu(85.0).poll();
    b.cpu(95.0).poll();
    assert_eq!(b.told.len(), 1);
    b.wait(300);
    assert_eq!(b.told.len(), 2);
    let mut b = Bench::new(schedule(json!({"cooldown": 5})));
    b.cpu(85.0).poll();
    b.cpu(95.0).poll();
    b.cpu(85.0).poll();
    b.wait(600);
    assert_eq!(b.told.len(), 1);
}

// Row 74: escalation went to every channel and was eaten by the cool-down.
#[test]
fn row_74_escalation_goes_where_its_level_says_and_knows_no_cool_down() {
    let levels =
        json!([{"after": 1, "notify": "email"}, {"after": 3, "notify": "webhook"}, {"after": 10, "notify": "all"}]);
    let mut b = Bench::new(schedule(json!({"cooldown": 60, "escalation": {"enabled": true, "levels": levels}})));
    b.cpu(85.0).poll();
    b.told.clear();
    b.wait(59);
    assert_eq!(b.news(), vec![]);
    b.wait(2);
    assert_eq!(b.news(), one(Kind::Escalation { level: 1, channels: Channels::Mail }, CPU));
    assert_eq!((b.alert(CPU).last_escalation, b.alert(CPU).escalation_times.len()), (1, 1));
    b.restart();
    b.poll();
    b.wait(115);
    assert_eq!(
        b.news(),
        one(Kind::Escalation { level: 2, channels: Channels::Webhook }, CPU),
        "goes on after a restart"
    );
    b.engine.acknowledge(CPU, "ana", b.now);
    b.wait(3_600);
    assert_eq!(b.news(), vec![], "somebody looks after it");
}

#[test]
fn levels_that_are_overdue_together_go_as_one() {
    let levels = json!([{"after": 1, "notify": "email"}, {"after": 2, "notify": "webhook"}]);
    let mut b = Bench::new(json!({}));
    b.cpu(85.0).poll();
    b.wait(600);
    b.told.clear();
    b.set(schedule(json!({"escalation": {"enabled": true, "levels": levels}})));
    b.wait(5);
    assert_eq!(b.news(), one(Kind::Escalation { level: 2, channels: Channels::All }, CPU));
}

#[test]
fn escalation_of_a_warning_waits_for_the_end_of_the_quiet_hours() {
    let quiet = json!({"quietHours": {"enabled": true, "start": "22:00", "end": "06:00", "timezone": "UTC"},
        "escalation": {"enabled": true, "levels": [{"after": 15, "notify": "all"}]}});
    let mut b = Bench::new(schedule(quiet));
    b.at("2025-08-27T21:55:00Z");
    b.cpu(85.0).poll();
    b.told.clear();
    b.wait(3_600);
    assert_eq!(b.news(), vec![]);
    b.at("2025-08-28T06:00:00Z");
    b.wait(1);
    assert_eq!(b.news(), one(Kind::Escalation { level: 1, channels: Channels::All }, CPU));
}

// Row 78: the night from Friday to Saturday counted as Saturday.
#[test]
fn row_78_quiet_hours_belong_to_the_day_they_began() {
    let friday = json!({"quietHours": {"enabled": true, "start": "22:00", "end": "06:00", "timezone": "Europe/Berlin",
        "days": {"friday": true, "saturday": false}}});
    let mut b = Bench::new(schedule(friday));
    b.at("2025-08-30T02:00:00Z");
    b.cpu(85.0).poll();
    assert_eq!(b.news(), vec![], "Saturday, 4 o'clock in Berlin: still Friday's night");
    b.at("2025-08-30T04:00:00Z");
    b.wait(2);
    assert_eq!(b.news(), one(Kind::Held, CPU));
    b.engine.clear(CPU, b.now);
    b.step();
    b.state.containers[0].cpu = 0.85;
    b.at("2025-08-30T21:00:00Z");
    b.poll();
    assert!(b.news().contains(&(Kind::Firing, vec![LXC.to_owned()])), "Saturday's night is not quiet");
}

#[test]
fn maintenance_holds_everything_of_its_resources_and_tells_what_is_left_over() {
    let windows = json!([
        {"name": "host", "from": "2025-08-27T00:00:00Z", "to": "2025-08-27T12:00:00Z", "resources": ["lab:101"]},
        {"name": "night", "days": {"wednesday": true}, "start": "10:00", "end": "11:00", "timezone": "UTC", "resources": ["lab-beta"]},
    ]);
    let mut b = Bench::new(schedule(json!({"maintenance": windows})));
    b.cpu(99.0);
    b.state.containers[0].cpu = 0.99;
    b.state.nodes[1].status = "offline".into();
    b.polls(3);
    assert_eq!(b.news(), one(Kind::Firing, LXC));
    assert_eq!(b.engine.active().len(), 3, "they are shown");
    b.at("2025-08-27T11:00:00Z");
    b.wait(2);
    assert_eq!(b.news(), one(Kind::Held, "node-offline-lab-beta"));
    b.at("2025-08-27T12:00:00Z");
    b.wait(2);
    assert_eq!(b.news(), one(Kind::Held, CPU));
}

#[test]
fn an_acknowledged_alert_is_told_no_more_until_it_ends() {
    let mut b = Bench::new(schedule(json!({"cooldown": 1, "notifyOnResolve": true})));
    b.cpu(85.0).poll();
    b.engine.acknowledge(CPU, "ana", b.now);
    b.told.clear();
    b.cpu(99.0).polls(100);
    assert_eq!(b.news(), vec![]);
    b.cpu(1.0).poll();
    assert_eq!(b.news(), one(Kind::Resolved, CPU));
}

#[test]
fn what_was_gathered_when_the_process_ended_is_told_by_the_next() {
    let mut b = Bench::new(schedule(json!({"groupingWindow": 30, "grouping": {"enabled": true}})));
    b.cpu(85.0).poll();
    b.wait(10);
    assert_eq!(b.news(), vec![]);
    b.restart();
    b.poll();
    b.wait(40);
    assert_eq!(b.news(), one(Kind::Firing, CPU));
}

// Field: a save sent false recoveries for everything, a restart one recovery for each alert.
#[test]
fn without_a_memory_everything_active_counts_as_told() {
    let mut b = Bench::new(schedule(json!({"notifyOnResolve": true})));
    b.cpu(85.0).poll();
    b.told.clear();
    let alerts: Vec<_> = b.engine.active().into_iter().cloned().collect();
    let mut engine = pulse::alerts::Engine::new(pulse::alerts::Config::clone(b.engine.config()));
    engine.restore(alerts, None, b.now);
    b.engine = engine;
    b.expect();
    b.now = b.now.plus(Duration::from_secs(60));
    b.poll();
    assert_eq!(b.news(), vec![]);
    b.cpu(1.0).poll();
    assert_eq!(b.news(), one(Kind::Resolved, CPU));
}

#[test]
fn what_nobody_was_told_because_somebody_looked_after_it_is_told_when_that_is_taken_back() {
    let mut b = Bench::new(json!({"schedule": {"groupingWindow": 30, "grouping": {"enabled": true}}}));
    b.cpu(85.0).poll();
    assert!(b.engine.acknowledge(CPU, "ana", b.now));
    b.wait(60);
    assert_eq!(b.news(), []);
    assert!(b.engine.unacknowledge(CPU));
    b.wait(60);
    assert_eq!(b.news(), [(Kind::Firing, vec![CPU.to_owned()])]);
    assert!(b.engine.acknowledge(CPU, "ana", b.now));
    b.cpu(95.0).polls(6);
    assert_eq!(b.news(), []);
    assert!(b.engine.unacknowledge(CPU));
    b.wait(60);
    assert_eq!(b.news(), [(Kind::Firing, vec![CPU.to_owned()])], "it became worse meanwhile");
    assert!(b.engine.acknowledge(CPU, "ana", b.now) && b.engine.unacknowledge(CPU));
    b.wait(60);
    assert_eq!(b.news(), [], "everybody knows");
}
