//! What 4.9 got wrong (contract state.md 8), row by row: where each row is specified, and the specifications that no
//! other area has. A test that is named after a row (`row_58_…`) says so by itself, as all about alerts (8.4) do.

use crate::support::desk::Desk;
use crate::support::folder::Folder;
use crossbeam_channel::{Receiver, unbounded};
use pulse::demo::{self, Change, Connection, PveSpec, Simulator, Spec};
use pulse::http::Method::{Delete, Post, Put};
use pulse::owner::Event;
use pulse::poll::{self, Handle, Kind, Monitor, Report, Target};
use pulse::proxmox::{Access, Auth, Fingerprint, Tls};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const AFTERNOON: i64 = 1_755_180_000;

/// Row of the contract to tests that fail on what 4.9 did. Row 35 is about a page that is not ours.
const ROWS: &[(u32, &[&str])] = &[
    (
        1,
        &[
            "a_host_that_dies_is_offline_after_three_polls_and_back_with_the_next_answer",
            "a_dead_host_goes_offline_alone_and_comes_back",
        ],
    ),
    (2, &["another_member_takes_over_only_when_the_way_is_broken", "one_hanging_agent_costs_only_its_own_guest"]),
    (3, &["row_3_the_api_shows_connections_as_they_are_now"]),
    (
        4,
        &[
            "a_local_storage_is_enabled_unless_disabled_and_active_when_the_node_says_so",
            "nodes_and_storages_are_shown_as_they_are",
        ],
    ),
    (5, &["the_recorded_server_shows_percent"]),
    (6, &["every_metric_of_every_kind_has_its_id_and_words"]),
    (
        7,
        &[
            "lists_that_nobody_can_refresh_go_after_a_day_and_not_before",
            "whatever_part_of_a_pbs_fails_nothing_is_lost_or_doubled_or_different",
        ],
    ),
    (
        8,
        &[
            "row_8_a_password_connection_that_is_down_at_the_start_comes_up",
            "a_password_logs_in_once_renews_after_a_hundred_minutes_and_again_after_a_401",
        ],
    ),
    (9, &["five_refusals_in_a_row_and_only_in_a_row_raise_the_placeholder"]),
    (
        10,
        &[
            "row_10_refused_credentials_raise_one_alert_and_leave_none_of_what_was_there",
            "refused_credentials_end_in_a_placeholder_and_tickets_are_renewed",
        ],
    ),
    (
        11,
        &[
            "row_11_guests_of_clusters_and_single_hosts_are_alike",
            "each_recorded_case_shows_its_exact_values_and_where_they_come_from",
        ],
    ),
    (
        12,
        &[
            "only_own_writable_disks_count_and_each_once",
            "each_recorded_case_shows_its_exact_values_and_where_they_come_from",
        ],
    ),
    (13, &["impossible_figures_do_not_overflow", "a_vm_s_memory_follows_the_order_of_trust"]),
    (
        14,
        &[
            "one_unchanged_poll_repeats_and_a_quiet_guest_falls_to_zero",
            "guests_that_are_gone_are_forgotten_and_extremes_do_not_overflow",
        ],
    ),
    (15, &["row_15_each_connection_is_asked_about_its_own_guests_only"]),
    (16, &["a_client_written_for_4_9_reads_all_of_it"]),
    (17, &["the_recorded_snapshots_are_told_without_the_pseudo_one"]),
    (18, &["every_figure_of_a_thousand_guests_is_the_truth", "the_last_backup_is_the_newest_of_all_kinds"]),
    (19, &["row_19_backup_tasks_are_all_there_however_busy_the_node", "tasks_say_whether_they_run_worked_or_failed"]),
    (20, &["row_20_only_backups_are_listed_of_active_storages_and_shared_ones_once"]),
    (21, &["a_file_on_a_pbs_storage_carries_verification_and_the_storage_as_node", "a_backup_s_id_and_encryption"]),
    (22, &["the_sort_of_a_file_is_never_guessed_from_the_storage_s_name"]),
    (23, &["a_backup_server_is_asked_six_times_a_minute"]),
    (
        24,
        &[
            "requests_stay_within_the_budget_and_no_figure_changes_its_source_for_that",
            "a_thousand_guests_behind_a_slow_api_fit_into_a_cycle",
        ],
    ),
    (25, &["row_25_the_next_cycle_begins_when_the_settings_say"]),
    (26, &["a_backup_server_is_shown_as_it_is", "the_recorded_jobs_tell_success_warnings_failure_and_never"]),
    (27, &["odd_scalars_are_read_bad_items_skipped_and_a_list_that_is_none_is_an_error"]),
    (
        28,
        &[
            "row_28_the_last_guest_leaves_and_failed_nodes_keep_theirs",
            "a_lost_node_is_offline_at_once_its_guests_unknown_and_its_templates_stay_hidden",
        ],
    ),
    (29, &["row_29_equal_names_and_numbers_keep_their_order"]),
    (30, &["row_30_no_two_connections_have_one_name", "ids_have_the_forms_of_the_contract"]),
    (
        31,
        &[
            "an_entry_survives_migration",
            "an_override_follows_its_guest_through_migration",
            "a_guest_keeps_its_charts_when_it_moves_to_another_node",
        ],
    ),
    (32, &["each_recorded_case_shows_its_exact_values_and_where_they_come_from"]),
    (33, &["tags_switch_off_silence_or_relax"]),
    (34, &["a_shared_storage_is_there_once_with_the_figures_of_a_node_where_it_is_active"]),
    (36, &["row_36_calls_and_cycles_are_counted"]),
    (
        37,
        &[
            "row_37_members_are_asked_at_their_port_and_known_by_their_own_certificate",
            "another_host_keeps_scheme_and_port",
        ],
    ),
    (38, &["a_datastore_that_cannot_be_read_says_so", "a_backup_server_is_shown_as_it_is"]),
    (39, &["row_39_a_dead_host_is_not_called_connected"]),
];

/// All the code, in which tests are looked for.
pub fn sources() -> String {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    let mut folders = vec![root.join("src"), root.join("tests/it")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            match entry.extension().and_then(|e| e.to_str()) {
                _ if entry.is_dir() => folders.push(entry),
                Some("rs") => text += &std::fs::read_to_string(entry).unwrap(),
                _ => {}
            }
        }
    }
    text
}

/// Whether a test of this name is in it.
pub fn has_test(text: &str, name: &str) -> bool {
    text.contains(&format!("#[test]\nfn {name}()")) || text.contains(&format!("#[test]\n    fn {name}()"))
}

#[test]
fn every_row_has_its_tests() {
    let text = sources();
    let rows: BTreeSet<u32> = ROWS.iter().map(|(row, _)| *row).collect();
    assert_eq!(rows, (1..=39).filter(|row| *row != 35).collect());
    for (row, tests) in ROWS {
        for test in *tests {
            assert!(has_test(&text, test), "row {row}: no {test}");
        }
    }
}

#[test]
fn every_row_about_alerts_has_a_test_of_its_name() {
    let text = sources();
    let named = |row: u32| ["", "    "].iter().any(|indent| text.contains(&format!("#[test]\n{indent}fn row_{row}_")));
    let missing: Vec<u32> = (58..=79).filter(|row| !named(*row)).collect();
    assert!(missing.is_empty(), "no test is named after rows {missing:?}");
}

fn simulate(spec: Spec) -> Simulator {
    demo::start(spec.frozen(AFTERNOON)).unwrap()
}

fn desk() -> (Folder, Desk) {
    let folder = Folder::new("rows");
    let desk = Desk::open(&folder, &[("CONNECTION_TIMEOUT", "3")]);
    (folder, desk)
}

fn body(host: &Connection, name: &str) -> Value {
    json!({
        "type": if host.backup_server { "pbs" } else { "pve" }, "name": name, "host": host.url,
        "tokenName": host.access.token_id, "tokenValue": host.access.token_secret, "fingerprint": host.fingerprint,
        "verifySSL": true, "monitorVMs": true, "monitorContainers": true, "monitorStorage": true, "monitorBackups": true,
    })
}

fn add(desk: &mut Desk, host: &Connection, name: &str) {
    let (status, said) = desk.call(Post, "/api/config/nodes", &body(host, name));
    assert_eq!(status, 201, "{said}");
}

fn names(state: &Value, key: &str) -> Vec<String> {
    state[key].as_array().unwrap().iter().map(|i| i["id"].as_str().unwrap().to_owned()).collect()
}

fn target(sim: &Simulator, host: usize) -> Target {
    let (id, secret) = sim.token(host);
    Target {
        instance: "lab".into(),
        kind: Kind::Pve,
        access: Access {
            base_url: sim.url(host),
            auth: Auth::Token { user: String::new(), name: id, secret },
            tls: Tls::Off,
            timeout: Duration::from_secs(3),
        },
        endpoints: vec![],
        monitor: Monitor::all(),
        past: usize::MAX,
        interval: Duration::from_secs(3600),
    }
}

struct Watch {
    handle: Handle,
    reports: Receiver<Event>,
}

impl Watch {
    fn start(target: Target) -> Watch {
        let (out, reports) = unbounded();
        Watch { handle: poll::start(target, Instant::now(), out), reports }
    }
    fn report(&self) -> Report {
        match self.reports.recv_timeout(Duration::from_secs(20)) {
            Ok(Event::Report(report)) => *report,
            _ => panic!("no report came"),
        }
    }
    fn next(&self) -> Report {
        self.handle.poll_now();
        self.report()
    }
    /// Everything that is asked beside the cycle, too.
    fn settled(&self) -> Vec<Report> {
        let mut all = vec![self.report()];
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(150));
            all.push(self.next());
        }
        all
    }
}

#[test]
fn row_3_the_api_shows_connections_as_they_are_now() {
    let sim =
        simulate(Spec::new(7).with_pve(PveSpec::new("a", 1, 4)).with_pve(PveSpec::new("b", 1, 6).prefix("other")));
    let hosts = sim.connections();
    let (_folder, mut desk) = desk();
    add(&mut desk, &hosts[0], "lab");
    desk.until("the first", |core| core.state.nodes.iter().any(|n| n.name == "pve1"));
    desk.call(Put, "/api/config/nodes/pve-0", &body(&hosts[1], "lab"));
    desk.until("the other", |core| core.state.nodes.iter().any(|n| n.name == "other1"));
    assert_eq!(names(&desk.get("/api/state"), "nodes"), ["lab-other1"]);
    assert!(desk.get("/api/charts")["nodeData"].as_object().unwrap().contains_key("lab-other1"));
    desk.call(Delete, "/api/config/nodes/pve-0", &Value::Null);
    let state = desk.get("/api/state");
    for key in ["nodes", "vms", "containers", "storage"] {
        assert_eq!(state[key], json!([]), "{key}");
    }
    assert_eq!(state["connectionHealth"], json!({}));
}

#[test]
fn row_8_a_password_connection_that_is_down_at_the_start_comes_up() {
    let sim = simulate(Spec::new(7).with_pve(PveSpec::new("lab", 1, 4)));
    let (user, secret) = sim.login(0);
    let mut with_password = target(&sim, 0);
    with_password.access.auth = Auth::Password { user, secret };
    sim.kill(0);
    let watch = Watch::start(with_password);
    assert!(!watch.report().reachable && !watch.next().reachable);
    sim.revive(0).unwrap();
    let report = watch.next();
    assert!(report.reachable && report.live.nodes.len() == 1, "{:?}", report.failure);
    assert_eq!(sim.requests_to(0, "POST /access/ticket"), 1);
}

#[test]
fn row_10_refused_credentials_raise_one_alert_and_leave_none_of_what_was_there() {
    let sim = simulate(Spec::new(7).with_pve(PveSpec::new("lab", 2, 8)));
    let (_folder, mut desk) = desk();
    sim.change(Change::Load { host: 0, vmid: 100, cpu: Some(0.99), memory: Some(0.97), disk: None }).unwrap();
    add(&mut desk, &sim.connections()[0], "lab");
    desk.until("the cluster", |core| core.state.nodes.len() == 2);
    sim.fault(demo::Scope::host(0), demo::Fault::Status { code: 401, message: "authentication failure".into() });
    desk.until("the placeholder", |core| {
        core.pollers.poll_now(Kind::Pve, "lab");
        core.state.nodes.iter().any(|n| n.id == "lab-failed")
    });
    desk.until("one alert instead of many", |core| {
        core.pollers.poll_now(Kind::Pve, "lab");
        core.state.active_alerts.len() == 1
    });
    let state = desk.get("/api/state");
    assert_eq!(names(&state, "nodes"), ["lab-failed"]);
    assert_eq!((&state["vms"], &state["containers"]), (&json!([]), &json!([])));
    let active = desk.get("/api/alerts/active");
    assert_eq!(names(&json!({ "a": active }), "a"), ["node-offline-lab-failed"]);
    assert!(active[0]["message"].as_str().unwrap().contains("401"), "{active}");
    sim.clear_all();
    desk.until("its return", |core| {
        core.pollers.poll_now(Kind::Pve, "lab");
        core.state.nodes.len() == 2 && core.state.active_alerts.iter().all(|a| a.id != "node-offline-lab-failed")
    });
}

#[test]
fn row_11_guests_of_clusters_and_single_hosts_are_alike() {
    let sim = simulate(Spec::new(7).with_pve(PveSpec::new("lab", 2, 20)).with_pve(PveSpec::new("solo", 1, 20)));
    for host in [0, 1] {
        sim.change(Change::Lock { host, vmid: 100, lock: Some("backup".into()) }).unwrap();
        sim.change(Change::Stop { host, vmid: 102 }).unwrap();
    }
    let (_folder, mut desk) = desk();
    for (host, name) in sim.connections().iter().zip(["lab", "solo"]) {
        add(&mut desk, host, name);
    }
    let inside = |core: &pulse::owner::Core, instance: &str| {
        let of = core.state.guests().filter(|g| g.instance == instance && g.disk_source.as_deref() == Some("agent"));
        of.count()
    };
    desk.until("disks", |core| {
        for name in ["lab", "solo"] {
            core.pollers.poll_now(Kind::Pve, name);
        }
        inside(core, "lab") > 3 && inside(core, "lab") == inside(core, "solo")
    });
    let state = desk.get("/api/state");
    let of = |instance: &str, vmid: u32| {
        let found = state["vms"].as_array().unwrap().iter().find(|g| g["instance"] == instance && g["vmid"] == vmid);
        found.unwrap().clone()
    };
    let charts = desk.get("/api/charts")["data"].clone();
    for instance in ["lab", "solo"] {
        assert_eq!(of(instance, 100)["lock"], "backup");
        let stopped = of(instance, 102);
        assert_eq!(
            (&stopped["status"], &stopped["cpu"], &stopped["memory"]["used"]),
            (&json!("stopped"), &json!(0.0), &json!(0))
        );
        let id = of(instance, 100)["id"].as_str().unwrap().to_owned();
        let series = charts[&id]["cpu"].as_array().unwrap();
        assert!(!series.is_empty() && series[0]["value"].as_f64() > Some(0.0), "{id}");
    }
}

#[test]
fn row_15_each_connection_is_asked_about_its_own_guests_only() {
    let sim = simulate(Spec::new(7).with_pve(PveSpec::new("big", 2, 20)).with_pve(PveSpec::new("small", 1, 4)));
    let (_folder, mut desk) = desk();
    for (host, name) in sim.connections().iter().zip(["big", "small"]) {
        add(&mut desk, host, name);
    }
    desk.until("snapshots of both", |core| {
        let of = |name: &str| core.state.pve_backups.guest_snapshots.iter().any(|s| s.instance == name);
        of("big") && of("small")
    });
    let truth = sim.truth();
    let calls = sim.calls();
    let about: Vec<_> = calls.iter().filter(|c| c.path.ends_with("/snapshot")).collect();
    assert!(about.iter().any(|c| c.host == 1));
    for call in about {
        let parts: Vec<&str> = call.path.split('/').collect();
        let guest = truth.guest(call.host, parts[4].parse().unwrap());
        assert!(guest.is_some_and(|g| g.node == parts[2] && !g.template), "{}", call.path);
    }
}

#[test]
fn row_19_backup_tasks_are_all_there_however_busy_the_node() {
    let sim = simulate(Spec::new(7).with_pve(PveSpec::new("lab", 1, 60)));
    let watch = Watch::start(target(&sim, 0));
    let shown: BTreeSet<String> = {
        let lists = watch.settled().into_iter().filter_map(|r| r.slow.backup_tasks).next_back().unwrap();
        lists.into_iter().map(|t| t.id.trim_start_matches("lab-").to_owned()).collect()
    };
    let client = crate::support::simulated::Client::of(&sim, 0);
    let tasks = |query: &str| -> BTreeSet<String> {
        let all = client.data(&format!("/nodes/pve1/tasks{query}"));
        let of_backup = all.as_array().unwrap().iter().filter(|t| t["type"] == "vzdump").cloned();
        of_backup.map(|t| t["upid"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(shown, tasks("?typefilter=vzdump&limit=5000"));
    assert!(shown.len() > tasks("").len() + 20, "{} tasks are no busy node", shown.len());
}

#[test]
fn row_20_only_backups_are_listed_of_active_storages_and_shared_ones_once() {
    let sim = simulate(Spec::new(7).with_pve(PveSpec::new("lab", 3, 9).storages(2)));
    sim.change(Change::StorageInactive { host: 0, storage: "nas2".into(), node: "pve1".into(), inactive: true })
        .unwrap();
    sim.change(Change::StorageInactive { host: 0, storage: "local".into(), node: "pve3".into(), inactive: true })
        .unwrap();
    Watch::start(target(&sim, 0)).settled();
    let calls = sim.calls();
    let contents = || calls.iter().filter(|c| c.path.ends_with("/content"));
    // Beside backups, only the memory kept in snapshots is looked for.
    assert!(contents().all(|c| c.query.contains("content=backup") || c.query.contains("content=images")));
    let listed = contents().filter(|c| c.query.contains("content=backup")).map(|c| c.path.as_str());
    let mut wanted: Vec<String> = [("pve1", "local"), ("pve2", "local"), ("pve1", "nas"), ("pve2", "nas2")]
        .map(|(n, s)| format!("/nodes/{n}/storage/{s}/content"))
        .to_vec();
    wanted.sort();
    let mut listed: Vec<String> = listed.map(str::to_owned).collect();
    listed.sort();
    assert_eq!(listed, wanted);
}

#[test]
fn row_28_the_last_guest_leaves_and_failed_nodes_keep_theirs() {
    let sim = simulate(Spec::new(7).with_pve(PveSpec::new("lab", 2, 3)));
    let watch = Watch::start(target(&sim, 0));
    let first = watch.report();
    assert!(first.live.vms.len() + first.live.containers.len() == 3);
    let fault = demo::Fault::Status { code: 500, message: "no".into() };
    let set = [
        sim.fault(demo::Scope::host(0).path("/cluster/resources"), fault.clone()),
        sim.fault(demo::Scope::host(0).path("/nodes/pve2/qemu"), fault.clone()),
        sim.fault(demo::Scope::host(0).path("/nodes/pve2/lxc"), fault),
    ];
    let report = watch.next();
    assert!(report.live.vms.len() + report.live.containers.len() == 3);
    set.into_iter().for_each(|fault| sim.clear(fault));
    for guest in sim.truth().guests {
        sim.change(Change::Remove { host: 0, vmid: guest.vmid }).unwrap();
    }
    let report = watch.next();
    assert!(report.reachable && report.live.vms.is_empty() && report.live.containers.is_empty());
}

#[test]
fn row_29_equal_names_and_numbers_keep_their_order() {
    let sim = simulate(Spec::new(7).with_pve(PveSpec::new("x", 2, 8)).with_pve(PveSpec::new("y", 2, 8)));
    let (_folder, mut desk) = desk();
    for (host, name) in sim.connections().iter().zip(["b", "a"]) {
        add(&mut desk, host, name);
    }
    let mut orders = BTreeSet::new();
    for round in 0..6 {
        let name = ["a", "b"][round % 2];
        desk.until("a cycle", |core| {
            let fresh = core.connections.get(Kind::Pve, name).is_some_and(|c| c.statistics.cycles > round as u64 / 2);
            core.pollers.poll_now(Kind::Pve, name);
            fresh && core.state.nodes.len() == 4
        });
        let state = desk.get("/api/state");
        orders.insert(["nodes", "vms", "containers", "storage"].map(|key| names(&state, key)));
    }
    assert_eq!(orders.len(), 1);
    let [nodes, vms, ..] = orders.pop_first().unwrap();
    assert_eq!(nodes, ["a-pve1", "b-pve1", "a-pve2", "b-pve2"]);
    assert_eq!(vms[..2], ["a-pve1-100", "b-pve1-100"]);
}

#[test]
fn row_30_no_two_connections_have_one_name() {
    let sim = simulate(Spec::new(7).with_pve(PveSpec::new("x", 1, 2)).with_pve(PveSpec::new("y", 1, 2)));
    let hosts = sim.connections();
    let (_folder, mut desk) = desk();
    add(&mut desk, &hosts[0], "lab");
    let (status, _) = desk.call(Post, "/api/config/nodes", &body(&hosts[1], "lab"));
    assert!((400..500).contains(&status), "{status}");
    assert_eq!(desk.core.connections.iter().count(), 1);
}

#[test]
fn row_36_calls_and_cycles_are_counted() {
    let sim = simulate(Spec::new(7).with_pve(PveSpec::new("lab", 1, 4)));
    let (_folder, mut desk) = desk();
    add(&mut desk, &sim.connections()[0], "lab");
    sim.fault(
        demo::Scope::host(0).path("/nodes/pve1/services"),
        demo::Fault::Status { code: 500, message: "no".into() },
    );
    desk.until("a failed call", |core| core.connections.requests().1 > 0);
    let performance = desk.get("/api/state")["performance"].clone();
    assert!(performance["apiCallDuration"]["lab"].as_f64() > Some(0.0), "{performance}");
    assert!(performance["totalApiCalls"].as_u64() > performance["failedApiCalls"].as_u64(), "{performance}");
    assert!(performance["failedApiCalls"].as_u64() > Some(0) && performance["lastPollDuration"].as_f64() > Some(0.0));
}

#[test]
fn row_37_members_are_asked_at_their_port_and_known_by_their_own_certificate() {
    let sim = simulate(Spec::new(7).with_pve(PveSpec::new("lab", 3, 6)));
    let pin = |node| Fingerprint::parse(&sim.node_fingerprint(0, node)).unwrap().0;
    assert_ne!(pin(0), pin(1));
    let mut pinned = target(&sim, 0);
    pinned.access.tls = Tls::Pin(pin(0));
    let watch = Watch::start(pinned);
    let members = watch.settled().into_iter().filter_map(|r| r.endpoints).next_back().unwrap();
    assert_eq!(members.len(), 3);
    for (node, member) in members.iter().enumerate() {
        assert_eq!((member.url.as_str(), member.fingerprint), (&*sim.node_url(0, node), Some(pin(node))), "{member:?}");
    }
    sim.kill_node(0, 0);
    let report = watch.next();
    assert!(report.reachable, "{:?}", report.failure);
    let current = report.statistics.endpoints.iter().find(|e| e.current).unwrap();
    assert_eq!(current.url, sim.node_url(0, 1));
}

#[test]
fn row_39_a_dead_host_is_not_called_connected() {
    let sim = simulate(Spec::new(7).with_pve(PveSpec::new("lab", 1, 2)));
    let (_folder, mut desk) = desk();
    add(&mut desk, &sim.connections()[0], "lab");
    let status = |desk: &mut Desk| desk.get("/api/config/nodes")[0]["status"].as_str().unwrap().to_owned();
    desk.until("the host", |core| !core.state.nodes.is_empty());
    assert_eq!(status(&mut desk), "connected");
    sim.kill(0);
    desk.until("its death", |core| {
        core.pollers.poll_now(Kind::Pve, "lab");
        core.connections.get(Kind::Pve, "lab").is_some_and(|c| !c.reachable)
    });
    assert_ne!(status(&mut desk), "connected");
}
