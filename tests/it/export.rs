//! What other systems read from Pulse: metrics in the exporter's names, and the flat summary.

mod cost;
mod docs;
mod nagios;
mod pull;
mod push;

use crate::support::desk::Desk;
use crate::support::folder::Folder;
use pulse::http::Method;
use pulse::model::{Guest, Lent, Node, Storage, Usage};
use pulse::poll::{Kind, Live, Report, Said, Slow, Statistics};
use pulse::proxmox::List;
use pulse::proxmox::pve::Resource;
use std::sync::Arc;

/// A connection `home` as PVE tells it and as Pulse sees it.
fn desk(folder: &Folder) -> Desk {
    let mut desk = Desk::open(folder, &[]);
    desk.core.connections.expect(&[(Kind::Pve, "home".to_owned())]);
    let resources: List<Resource> = serde_json::from_str(
        r#"[{"type":"node","id":"node/pve1","node":"pve1","status":"online","cpu":0.251234567,"maxcpu":4},
            {"type":"qemu","id":"qemu/100","vmid":100,"node":"pve1","name":"a\"b\\c\nd","status":"running","disk":0,
             "maxdisk":1000,"lock":"backup","hastate":"started","tags":"x;y","template":0,"netin":7,"diskread":8},
            {"type":"qemu","id":"qemu/900","vmid":900,"node":"pve1","name":"gold","status":"stopped","template":1},
            {"type":"storage","id":"storage/pve1/nas","storage":"nas","node":"pve1","status":"available","shared":1,
             "plugintype":"nfs","content":"iso,backup,images"},
            {"type":"storage","id":"storage/pve2/nas","storage":"nas","node":"pve2","status":"unknown","shared":1}]"#,
    )
    .unwrap();
    let said = Said { resources: Arc::new(resources.0), ..Said::default() };
    let now = desk.core.now;
    desk.core.report(Report {
        instance: "home".into(),
        kind: Kind::Pve,
        at: now,
        took: std::time::Duration::ZERO,
        reachable: true,
        offline: false,
        failure: None,
        live: Live { said: Arc::new(said), ..Live::default() },
        slow: Slow::default(),
        statistics: Statistics::default(),
        past: None,
        endpoints: None,
    });
    let state = &mut desk.core.state;
    state.nodes.push(Node { name: "pve1".into(), instance: "home".into(), status: "online".into(), ..Node::default() });
    state.vms.push(Lent::from(Guest {
        vmid: 100,
        name: "web".into(),
        node: "pve1".into(),
        instance: "home".into(),
        status: "running".into(),
        r#type: "qemu".into(),
        disk: Usage::of(1000, 400),
        ..Guest::default()
    }));
    state.storage.push(Storage {
        name: "nas".into(),
        node: "shared".into(),
        instance: "home".into(),
        shared: true,
        status: "available".into(),
        nodes: vec!["pve1".into(), "pve2".into()],
        ..Storage::default()
    });
    desk
}

fn text(desk: &mut Desk, target: &str, headers: &[(&str, &str)]) -> (String, String) {
    let answer = desk.answer(Method::Get, target, headers, Vec::new());
    assert_eq!(answer.status, 200, "{target}");
    let kind = answer.headers.iter().find(|(k, _)| *k == "Content-Type").unwrap().1.clone();
    (kind, String::from_utf8(answer.body.as_slice().to_vec()).unwrap())
}

#[test]
fn series_have_the_exporters_names_and_hostile_labels_stay_labels() {
    let folder = Folder::new("export-pve");
    let mut desk = desk(&folder);
    let (kind, page) = text(&mut desk, "/metrics/pve?target=home", &[]);
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    for line in [
        "pve_up{id=\"node/pve1\"} 1",
        "pve_up{id=\"qemu/100\"} 1",
        "pve_up{id=\"storage/pve2/nas\"} 0",
        "pve_up{id=\"qemu/900\"} 0",
        "pve_cpu_usage_ratio{id=\"node/pve1\"} 0.251234567",
        "pve_disk_usage_bytes{id=\"qemu/100\"} 0",
        "pulse_guest_disk_usage_bytes{id=\"qemu/100\"} 400",
        "pve_network_receive_bytes{id=\"qemu/100\"} 7",
        "pve_disk_read_bytes_total{id=\"qemu/100\"} 8",
        "pve_ha_state{id=\"qemu/100\",state=\"started\"} 1",
        "pve_ha_state{id=\"qemu/100\",state=\"error\"} 0",
        "pve_storage_info{id=\"storage/pve1/nas\",node=\"pve1\",storage=\"nas\",plugintype=\"nfs\",content=\"backup,images,iso\"} 1",
        "pve_lock_state{id=\"qemu/100\",state=\"backup\"} 1",
        "pve_lock_state{id=\"qemu/100\",state=\"clone\"} 0",
        r#"pve_guest_info{id="qemu/100",node="pve1",name="a\"b\\c\nd",type="qemu",template="0",tags="x;y"} 1"#,
    ] {
        assert!(page.lines().any(|l| l == line), "{line} is missing in\n{page}");
    }
    let moved = text(&mut desk, "/pve?target=home&module=default&cluster=1&node=1", &[]).1;
    assert_eq!(moved, page, "the exporter's own path gives the same");
    assert_eq!(desk.send(Method::Get, "/pve?target=other", &[], Vec::new()).0, 404);
}

#[test]
fn every_family_is_described_once_and_every_series_stands_once() {
    let folder = Folder::new("export-once");
    let mut desk = desk(&folder);
    for target in ["/metrics", "/metrics/pve?target=home"] {
        let page = text(&mut desk, target, &[]).1;
        let mut seen: Vec<&str> = Vec::new();
        for line in page.lines() {
            let name = if line.starts_with('#') { line } else { line.rsplit_once(' ').unwrap().0 };
            assert!(!seen.contains(&name), "{name} stands twice in {target}");
            seen.push(name);
        }
        assert!(seen.len() > 10);
    }
}

#[test]
fn openmetrics_comes_to_who_asks_for_it() {
    let folder = Folder::new("export-open");
    let mut desk = desk(&folder);
    let (kind, page) =
        text(&mut desk, "/metrics", &[("Accept", "application/openmetrics-text;version=1.0.0,*/*;q=0.1")]);
    assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"));
    assert!(
        page.ends_with("# EOF\n") && page.contains("# TYPE pulse_requests counter\npulse_requests_total"),
        "{page}"
    );
    let (kind, page) = text(&mut desk, "/metrics", &[("Accept", "application/openmetrics-text;q=0, text/plain")]);
    assert!(kind.starts_with("text/plain") && page.contains("# TYPE pulse_requests_total counter"));
}

#[test]
fn the_summary_is_flat_and_counts_right() {
    let folder = Folder::new("export-summary");
    let mut desk = desk(&folder);
    let summary = desk.get("/api/summary");
    let object = summary.as_object().unwrap();
    assert!(object.values().all(|v| v.is_number() || v.is_string()), "{summary}");
    assert_eq!((&summary["nodes_online"], &summary["guests_running"]), (&1.into(), &1.into()));
    assert_eq!(summary["worst_disk_percent"], 40.0);
    assert_eq!(summary["guests_without_backup"], 1);
    let empty = Desk::open(&Folder::new("export-empty"), &[]).get("/api/summary");
    assert_eq!(empty.as_object().unwrap().keys().count(), object.len(), "keys do not come and go");
}
