//! The simulated Proxmox hosts: everything that other tests believe of them is specified here.

use crate::support::simulated::{Client, start};
use pulse::demo::{PveSpec, Spec, Version};
use serde_json::Value;

/// A quiet afternoon on which nothing is being backed up.
const AFTERNOON: i64 = 1_755_180_000;

fn rows(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

#[test]
fn a_cluster_shows_its_members_and_everything_in_it() {
    let sim = start(Spec::small(3, 50, 7).frozen(AFTERNOON));
    let client = Client::of(&sim, 0);
    assert_eq!(client.data("/version")["release"], "8.4");
    let status = client.data("/cluster/status");
    assert_eq!(rows(&status).iter().filter(|r| r["type"] == "node").count(), 3);
    assert!(rows(&status).iter().any(|r| r["type"] == "cluster" && r["name"] == "homelab" && r["quorate"] == 1));
    let vms = client.data("/cluster/resources?type=vm");
    assert_eq!(rows(&vms).len(), 50);
    assert_eq!(sim.truth().guests.len(), 50);
    assert_eq!(sim.violations(), Vec::<String>::new());
}

#[test]
fn the_same_seed_gives_the_same_installation_and_another_seed_another() {
    let resources = |seed| {
        let sim = start(Spec::new(seed).with_pve(PveSpec::new("lab", 1, 20)).frozen(AFTERNOON));
        Client::of(&sim, 0).get("/cluster/resources").unwrap().1
    };
    assert_eq!(resources(1), resources(1));
    assert_ne!(resources(1), resources(2));
}

#[test]
fn every_path_answers_for_every_version() {
    for version in [Version::Pve7, Version::Pve8, Version::Pve9] {
        let pve = PveSpec::new("lab", 3, 30).version(version).ceph();
        let spec = Spec::new(3).with_pve(pve).with_pbs(pulse::demo::PbsSpec::new("pbs")).frozen(AFTERNOON);
        let sim = start(spec);
        for host in 0..2 {
            let client = Client::of(&sim, host);
            for (method, path, takes) in pulse::demo::known_paths(host == 1) {
                if method != "GET" {
                    continue;
                }
                let required = takes.iter().filter(|t| t.contains('!')).map(|t| match t.split_once('!') {
                    Some(("file", _)) => "file=/proc/meminfo".to_owned(),
                    Some(("disk", _)) => "disk=/dev/sda".to_owned(),
                    Some((name, rule)) => format!("{name}={}", rule.trim_start_matches('=').split('|').next().unwrap()),
                    None => String::new(),
                });
                let query: Vec<String> = required.collect();
                let path = fill(&client, path);
                let url = format!("{path}?{}", query.join("&"));
                let (status, body) = client.get(url.trim_end_matches('?')).unwrap();
                let right = sim.access(host).unwrap();
                let wanted = if path.ends_with("/apt/update") && host == 0
                    || path.ends_with("/certificates/info") && host == 1
                {
                    403
                } else {
                    200
                };
                assert_eq!(status, wanted, "{version:?} {url} for {}: {body}", right.user);
                assert!(serde_json::from_str::<Value>(&body).is_ok() || host == 1, "{url}: {body}");
            }
        }
        assert_eq!(sim.violations(), Vec::<String>::new());
    }
}

/// Puts things that exist into a path's variable parts.
fn fill(client: &Client, path: &str) -> String {
    let vmid = if path.contains("lxc") { "101" } else { "100" };
    let node = if path.contains("lxc") { "pve2" } else { "pve1" };
    let node = if path.contains("disks") { "pve2" } else { node };
    let mut path = path
        .replace("{node}", node)
        .replace("{vmid}", vmid)
        .replace("{storage}", "local")
        .replace("{store}", "main")
        .replace("{name}", "tank");
    if path.contains("{upid}") {
        let tasks = client.data("/nodes/pve1/tasks?typefilter=vzdump");
        path = path.replace("{upid}", rows(&tasks)[0]["upid"].as_str().unwrap());
    }
    path
}
