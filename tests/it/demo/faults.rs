//! Everything that can go wrong between a client and a host.

use super::{AFTERNOON, rows};
use crate::support::simulated::{Client, start};
use pulse::demo::{Fault, PveSpec, Scope, Simulator, Spec};
use serde_json::Value;
use std::time::{Duration, Instant};

fn host() -> (Simulator, Client) {
    let sim = start(Spec::new(2).with_pve(PveSpec::new("lab", 2, 10)).frozen(AFTERNOON));
    let client = Client::of(&sim, 0);
    (sim, client)
}

#[test]
fn an_error_hits_only_the_paths_it_is_meant_for_and_ends_by_itself() {
    let (sim, client) = host();
    let fault = Fault::Status { code: 500, message: "got timeout".to_owned() };
    sim.fault(Scope::host(0).path("/nodes/*/status").times(2), fault);
    assert_eq!(client.status("/nodes"), 200);
    let (status, body) = client.get("/nodes/pve1/status").unwrap();
    assert_eq!(status, 500);
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["message"], "got timeout\n");
    assert_eq!(client.status("/nodes/pve2/status"), 500);
    assert_eq!(client.status("/nodes/pve2/status"), 200);
}

#[test]
fn a_fault_may_hit_one_address_of_a_cluster_only() {
    let (sim, client) = host();
    let fault =
        sim.fault(Scope::host(0).node(0), Fault::Status { code: 596, message: "Connection timed out".to_owned() });
    let mut other = client.fresh();
    other.base = sim.node_url(0, 1);
    assert_eq!((client.status("/version"), other.status("/version")), (596, 200));
    sim.clear(fault);
    assert_eq!(client.status("/version"), 200);
}

#[test]
fn answers_come_late_or_never() {
    let (sim, client) = host();
    sim.fault(Scope::host(0).path("/version"), Fault::Delay(Duration::from_millis(150)));
    let asked = Instant::now();
    assert_eq!(client.status("/version"), 200);
    assert!(asked.elapsed() >= Duration::from_millis(150));
    sim.clear_all();
    sim.fault(Scope::host(0).path("/nodes"), Fault::Hang);
    let waiting = std::thread::spawn({
        let client = client.fresh();
        move || client.get("/nodes").is_err()
    });
    std::thread::sleep(Duration::from_millis(100));
    assert!(!waiting.is_finished());
    // The end of the host ends the wait.
    sim.kill(0);
    assert!(waiting.join().unwrap());
}

#[test]
fn answers_come_damaged() {
    let (sim, client) = host();
    let with = |fault: Fault| {
        sim.clear_all();
        sim.fault(Scope::host(0).path("/nodes"), fault);
        client.fresh().get("/nodes")
    };
    let (status, body) = with(Fault::Truncated).unwrap();
    assert!(status == 200 && serde_json::from_str::<Value>(&body).is_err());
    assert!(with(Fault::CutShort).is_err());
    assert!(with(Fault::Reset).is_err());
    assert!(with(Fault::Html).unwrap().1.starts_with("<!DOCTYPE"));
    let (status, _) = with(Fault::Redirect { location: "https://127.0.0.9/".to_owned() }).unwrap();
    assert_eq!(status, 302);
    let (_, body) = with(Fault::Huge { bytes: 3_000_000 }).unwrap();
    assert_eq!(body.len(), 3_000_000);
    let (_, body) = with(Fault::Drip(Duration::from_micros(20))).unwrap();
    assert!(serde_json::from_str::<Value>(&body).is_ok());
}

#[test]
fn a_host_that_is_down_refuses_and_comes_back_on_the_same_port() {
    let (sim, client) = host();
    let url = sim.url(0);
    assert_eq!(client.status("/version"), 200);
    sim.kill(0);
    assert!(client.get("/version").is_err(), "connections from before end too");
    assert!(client.fresh().get("/version").is_err());
    sim.revive(0).unwrap();
    assert_eq!(sim.url(0), url);
    let again = client.fresh();
    assert_eq!(again.status("/version"), 200);
    assert_eq!(sim.counts().open, 1);
}

#[test]
fn a_new_certificate_has_another_fingerprint() {
    let (sim, client) = host();
    let before = (sim.node_fingerprint(0, 0), sim.node_fingerprint(0, 1));
    assert_ne!(before.0, before.1);
    assert_eq!(before.0.split(':').count(), 32);
    sim.renew_certificates(0).unwrap();
    assert_ne!(sim.fingerprint(0), before.0);
    let shown = client.fresh().data("/nodes");
    assert_eq!(rows(&shown)[0]["ssl_fingerprint"], sim.fingerprint(0));
}

#[test]
fn requests_are_counted_and_remembered() {
    let (sim, client) = host();
    client.status("/nodes/pve1/status");
    client.status("/nodes/pve2/status");
    client.status("/nodes/pve1/tasks?typefilter=vzdump&limit=5");
    let counts = sim.counts();
    assert_eq!((counts.total, counts.connections), (3, 1));
    assert_eq!(counts.by_pattern[&(0, "GET /nodes/{node}/status".to_owned())], 2);
    assert_eq!(sim.requests_to(0, "GET /nodes/pve1/*"), 2);
    assert_eq!(sim.calls()[2].query, "typefilter=vzdump&limit=5");
}

#[test]
fn nonsense_ends_a_connection_and_nothing_else() {
    use std::io::{Read, Write};
    let (sim, client) = host();
    let mut raw = std::net::TcpStream::connect(sim.url(0).trim_start_matches("https://")).unwrap();
    raw.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    raw.read_to_end(&mut answer).unwrap();
    assert_eq!(client.status("/version"), 200);
}

#[test]
fn dropping_the_simulator_closes_every_port() {
    let (sim, client) = host();
    let bases = [sim.node_url(0, 0), sim.node_url(0, 1)];
    assert_eq!(client.status("/version"), 200);
    drop(sim);
    for base in bases {
        assert!(std::net::TcpStream::connect(base.trim_start_matches("https://")).is_err());
    }
}
