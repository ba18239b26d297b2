//! The load of the budgets: 10 nodes, 1,000 guests, 5,000 backups.

use super::{AFTERNOON, rows};
use crate::support::simulated::{Client, start};
use pulse::demo::Spec;
use std::time::{Duration, Instant};

#[test]
fn a_thousand_guests_and_five_thousand_backups_are_answered_quickly() {
    let sim = start(Spec::large(1).frozen(AFTERNOON));
    let client = Client::of(&sim, 0);
    client.status("/version");
    // The best of several, with room for a busy machine: this catches work that grows with the square of guests.
    let timed = |client: &Client, path: &str| {
        let once = |_| {
            let asked = Instant::now();
            let body = client.get(path).unwrap().1;
            (asked.elapsed(), body)
        };
        let (took, body) = (0..12).map(once).min_by_key(|(took, _)| *took).unwrap();
        (rows(&serde_json::from_str::<serde_json::Value>(&body).unwrap()["data"]).len(), took)
    };
    let (guests, took) = timed(&client, "/cluster/resources?type=vm");
    assert_eq!(guests, 1000);
    assert!(took < Duration::from_secs(1), "{took:?}");
    let truth = sim.truth();
    let backups: usize = truth.guests.iter().map(|g| g.backups).sum();
    assert!((4000..=5000).contains(&backups), "{backups}");
    let pbs = Client::of(&sim, 1);
    let (snapshots, took) = timed(&pbs, "/admin/datastore/main/snapshots?ns=datacenter");
    assert!(snapshots > 2500, "{snapshots}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    for node in &truth.nodes {
        let share = node.memory_used as f64 / node.memory_total as f64;
        assert!((0.1..0.97).contains(&share) && node.cpu < 0.9, "{}: {share} {}", node.name, node.cpu);
    }
}

#[test]
fn many_clients_are_served_at_once() {
    let sim = start(Spec::small(3, 50, 1).frozen(AFTERNOON));
    std::thread::scope(|scope| {
        for n in 0..24 {
            let mut client = Client::of(&sim, 0);
            client.base = sim.node_url(0, n % 3);
            scope.spawn(move || (0..10).for_each(|_| assert_eq!(client.status("/cluster/resources"), 200)));
        }
    });
    assert_eq!(sim.requests(), 240);
}
