//! The data directory: 4.9's opens here and ours opens there; nothing is lost by crashes, bad files or failing disks;
//! what others change takes effect.

use crate::support::desk::Desk;
use crate::support::folder::{Folder, data};
use crate::support::weak_disk::WeakDisk;
use pulse::config::durable::{Storage, durable_write};
use pulse::config::{
    ALERTS, DataDir, EMAIL, ENV, Environment, GUEST_METADATA, GuestMetadata, KEY_FILE, NODES, Nodes, Opened, SYSTEM,
    System, Vars, WEBHOOKS, Writer, transfer,
};
use pulse::http::Method;
use pulse::model::Time;
use pulse::owner::check_documents;
use serde_json::{Value, json};
use std::process::Command;
use std::time::Duration;

const PASSPHRASE: &str = "correct horse battery staple";

fn environment(pairs: &[(&str, &str)]) -> Environment {
    let process: Vars = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Environment { process, ..Environment::default() }
}

/// Runs the independent reader; `None` where its Python package is missing. `PULSE_TEST_PYTHON` names an interpreter.
fn independent(words: &[&str]) -> Option<Value> {
    let python = std::env::var("PULSE_TEST_PYTHON").ok();
    let script = data("../python/data_of_4_9.py");
    let out = Command::new(python.as_deref().unwrap_or("python3")).arg(script).args(words).output();
    match out {
        Ok(out) if out.status.success() => Some(serde_json::from_slice(&out.stdout).unwrap()),
        Ok(out) if python.is_some() || !String::from_utf8_lossy(&out.stderr).contains("No module named") => {
            panic!("{}", String::from_utf8_lossy(&out.stderr))
        }
        _ => None,
    }
}

#[test]
fn the_directory_of_4_9_opens_with_everything_in_it() {
    let folder = Folder::with_data("v49");
    let mut dir = DataDir::open(folder.path()).unwrap();
    assert_eq!(dir.notes(), [] as [&str; 0]);
    let opened = Opened::read(&mut dir, environment(&[])).unwrap();
    assert!(opened.problems.is_empty(), "{:?}", opened.problems);
    let [first, second] = opened.nodes.pve.as_slice() else { panic!("two PVE connections expected") };
    assert_eq!((first.name.as_str(), first.host.as_str()), ("homelab", "https://10.0.0.5:8006"));
    assert_eq!(first.token_value.expose(), "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee");
    assert!(first.is_cluster && first.cluster_endpoints.len() == 2 && first.monitor.backups);
    assert_eq!(first.cluster_endpoints[0].last_seen, Time::parse("2025-08-27T08:15:20.123456789Z").unwrap());
    // Names in lower case and a bare host: 4.9 did not start with the latter.
    assert_eq!((second.name.as_str(), second.host.as_str()), ("edge", "https://edge.lan:8006"));
    assert_eq!(second.password.expose(), "päss \"word\"");
    // 4.9's repairs: a password wins over a left-over token, the host is completed.
    let pbs = &opened.nodes.pbs[0];
    assert_eq!((pbs.host.as_str(), pbs.token_name.as_str()), ("https://vault.lan:8007", ""));
    assert!(!pbs.monitor.garbage_jobs && pbs.monitor.prune_jobs);
    let s = &opened.settings;
    assert_eq!((s.pve_polling.as_secs(), s.pbs_polling.as_secs(), s.connection_timeout.as_secs()), (15, 30, 20));
    assert_eq!((s.theme.as_str(), s.update.channel.as_str(), s.discovery_enabled), ("dark", "rc", false));
    assert_eq!(s.auth.user, "admin");
    assert!(s.auth.password.expose().starts_with("$2a$12$") && s.auth.api_token.expose().len() == 64);
    let email: Value = serde_json::from_slice(opened.email.as_deref().unwrap()).unwrap();
    assert_eq!(email["password"], "mäil");
    let webhooks: Value = serde_json::from_slice(opened.webhooks.as_deref().unwrap()).unwrap();
    assert_eq!(webhooks[0]["headers"]["Authorization"], "Bearer t");
    assert!(opened.alerts.is_some());
    assert!(opened.guests.get("homelab-alpha-100", &[]).is_some());
}

#[test]
fn what_is_written_opens_elsewhere() {
    let folder = Folder::with_data("v49");
    let mut dir = DataDir::open(folder.path()).unwrap();
    let nodes = Nodes::parse(&dir.read(NODES).unwrap().unwrap()).unwrap();
    for file in [EMAIL, WEBHOOKS, ALERTS] {
        let content = dir.read(file).unwrap().unwrap();
        dir.write(file, Some(&content)).unwrap();
    }
    dir.write(NODES, Some(&nodes.to_bytes())).unwrap();
    dir.write(SYSTEM, Some(&System::parse(&dir.read(SYSTEM).unwrap().unwrap()).unwrap().to_bytes())).unwrap();
    let guests = GuestMetadata::parse(&dir.read(GUEST_METADATA).unwrap().unwrap()).unwrap();
    dir.write(GUEST_METADATA, Some(&guests.to_bytes())).unwrap();
    let export = transfer::export_dir(&dir, "päss", Time::from_unix(1_756_289_720)).unwrap();
    folder.write("ours.txt", &export);
    assert_eq!(Nodes::parse(&dir.read(NODES).unwrap().unwrap()).unwrap(), nodes);

    let original = data("v49");
    let Some(before) = independent(&["read", original.to_str().unwrap()]) else { return };
    let after = independent(&["read", folder.path().to_str().unwrap()]).unwrap();
    for part in ["system", "alerts", "email", "webhooks", "guestMetadata"] {
        assert_eq!(after[part], before[part], "{part}");
    }
    let first = &after["nodes"]["pveInstances"][0];
    let was = &before["nodes"]["pveInstances"][0];
    for (key, value) in was.as_object().unwrap().iter().filter(|(key, _)| *key != "ClusterEndpoints") {
        assert_eq!(&first[key], value, "{key}");
    }
    assert_eq!(after["nodes"]["pveInstances"][1]["ClusterEndpoints"], Value::Null, "4.9's form of none");
    let exported = independent(&["open", folder.path().join("ours.txt").to_str().unwrap(), "päss"]).unwrap();
    assert_eq!(exported["version"], "4.0");
    for part in ["nodes", "system", "alerts", "email", "webhooks", "guestMetadata"] {
        assert_eq!(exported[part], after[part], "{part}");
    }
}

#[test]
fn an_export_of_4_9_is_imported_whole_in_every_form_people_have_it() {
    let text = std::fs::read_to_string(data("v49/export.txt")).unwrap();
    let forms = [
        text.clone(),
        format!("{}\r\n{}\n", &text[..76], &text[76..]),
        pulse::config::base64::encode(text.as_bytes()),
        json!({ "status": "success", "data": text }).to_string(),
    ];
    for form in &forms {
        let folder = Folder::new("import");
        let mut dir = DataDir::open(folder.path()).unwrap();
        transfer::import_dir(&mut dir, form, PASSPHRASE, check_documents).unwrap();
        let opened = Opened::read(&mut dir, environment(&[])).unwrap();
        assert_eq!((opened.nodes.pve.len(), opened.nodes.pbs.len()), (2, 1));
        assert_eq!(opened.settings.theme, "dark");
        assert!(opened.email.is_some() && opened.webhooks.is_some() && opened.alerts.is_some());
        assert!(!folder.has(".env"), "credentials are never part of an export");
    }
}

#[test]
fn a_bad_export_changes_nothing_and_says_why() {
    let folder = Folder::with_data("v49");
    let mut dir = DataDir::open(folder.path()).unwrap();
    let good = std::fs::read_to_string(data("v49/export.txt")).unwrap();
    let sealed = |document: Value| transfer::seal(&document, PASSPHRASE).unwrap();
    let cases = [
        ("not base64!".to_owned(), PASSPHRASE, "failed to decode import data: illegal base64 data at input byte 3"),
        ("AAAA".to_owned(), PASSPHRASE, "failed to decrypt import data: ciphertext too short"),
        (good.clone(), "wrong passphrase", "failed to decrypt import data: cipher: message authentication failed"),
        (
            good[..good.len() - 8].to_owned(),
            PASSPHRASE,
            "failed to decrypt import data: cipher: message authentication",
        ),
        (sealed(json!("text")), PASSPHRASE, "failed to unmarshal import data: export: an object expected"),
        (sealed(json!({})), PASSPHRASE, "failed to unmarshal import data: it holds no part"),
        (
            sealed(json!({ "alerts": {}, "nodes": { "pveInstances": [{ "Name": 7 }] } })),
            PASSPHRASE,
            "pveInstances[0].Name",
        ),
        (sealed(json!({ "system": { "pollingInterval": -5 } })), PASSPHRASE, "pvePollingInterval must be at least"),
        (sealed(json!({ "webhooks": {} })), PASSPHRASE, "export.webhooks: a list expected"),
        (sealed(json!({ "nodes": {}, "alerts": { "overrides": 7 } })), PASSPHRASE, "alerts.json: "),
        (sealed(json!({ "nodes": {}, "email": { "to": 7 } })), PASSPHRASE, "email.enc: "),
    ];
    let names = ["nodes.enc", "system.json", "alerts.json", "email.enc", "webhooks.enc", "guest_metadata.json"];
    let before: Vec<_> = names.iter().map(|name| folder.read(name)).collect();
    for (text, passphrase, expected) in cases {
        let error = transfer::import_dir(&mut dir, &text, passphrase, check_documents).unwrap_err();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains(passphrase));
    }
    assert!(names.iter().zip(before).all(|(name, bytes)| folder.read(name) == bytes));
}

#[test]
fn the_initial_import_happens_once_and_only_without_nodes() {
    let export = data("v49/export.txt");
    let file = ("PULSE_INIT_CONFIG_FILE", export.to_str().unwrap());
    let folder = Folder::new("first-import");
    let mut dir = DataDir::open(folder.path()).unwrap();
    assert!(transfer::first_import(&mut dir, &environment(&[]), check_documents).is_none());
    let error = transfer::first_import(&mut dir, &environment(&[file]), check_documents).unwrap().unwrap_err();
    assert!(error.contains("PULSE_INIT_CONFIG_PASSPHRASE"), "{error}");
    let env = environment(&[file, ("PULSE_INIT_CONFIG_PASSPHRASE", PASSPHRASE)]);
    assert_eq!(transfer::first_import(&mut dir, &env, check_documents), Some(Ok(())));
    assert_eq!(Opened::read(&mut dir, env.clone()).unwrap().nodes.pve.len(), 2);
    assert_eq!(transfer::first_import(&mut dir, &env, check_documents), None, "the nodes that are there stay");
}

#[test]
fn a_new_directory_gets_a_key_settings_and_safe_modes() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("new");
    let path = folder.path().join("pulse");
    let mut dir = DataDir::open(&path).unwrap();
    let opened = Opened::read(&mut dir, environment(&[])).unwrap();
    assert!(opened.problems.is_empty() && opened.settings.discovery_enabled);
    let mode = |p: &std::path::Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    for name in [KEY_FILE, "system.json"] {
        assert_eq!(mode(&path.join(name)), 0o600, "{name}");
    }
    assert_eq!(std::fs::read(path.join(KEY_FILE)).unwrap().len(), 44);
    let again = Opened::read(&mut DataDir::open(&path).unwrap(), environment(&[])).unwrap();
    assert!(again.settings.discovery_enabled, "the second start is like the first");
}

// 4.9 replaced a key it could not read by a new one and thereby lost every credential.
#[test]
fn a_key_is_never_replaced_and_sealed_files_survive_its_loss() {
    for bad in ["", "c2hvcnQ=", "not base64 at all, and longer than any key would ever be"] {
        let folder = Folder::with_data("v49");
        folder.write(KEY_FILE, bad);
        let nodes = folder.read("nodes.enc");
        let mut dir = DataDir::open(folder.path()).unwrap();
        assert!(dir.notes()[0].contains("failed to read .encryption.key"), "{:?}", dir.notes());
        let opened = Opened::read(&mut dir, environment(&[])).unwrap();
        assert!(opened.nodes.pve.is_empty() && opened.problems.contains_key(KEY_FILE));
        assert!(dir.write(NODES, Some(b"{}")).unwrap_err().contains("failed to write nodes.enc"));
        assert!(dir.write(SYSTEM, Some(b"{}")).is_ok(), "what needs no key can still be saved");
        assert_eq!(folder.read(KEY_FILE), bad.as_bytes());
        assert_eq!(folder.read("nodes.enc"), nodes);
    }
    let folder = Folder::with_data("v49");
    std::fs::remove_file(folder.path().join(KEY_FILE)).unwrap();
    let dir = DataDir::open(folder.path()).unwrap();
    assert!(dir.notes()[0].contains(".encryption.key is missing and nodes.enc needs it"));
    assert!(!folder.has(KEY_FILE), "a new key would only hide the loss");
}

#[test]
fn the_key_of_the_older_place_is_taken_only_when_it_fits() {
    let mut disk = WeakDisk::default();
    for name in ["nodes.enc", "email.enc"] {
        durable_write(&mut disk, name, &std::fs::read(data("v49").join(name)).unwrap()).unwrap();
    }
    let wrong = pulse::config::base64::encode(&[9; 32]).into_bytes();
    let dir = DataDir::over(Box::new(disk.clone()), Some(wrong)).unwrap();
    assert!(dir.locked().is_some() && disk.content(KEY_FILE).is_none());
    let right = std::fs::read(data("v49").join(KEY_FILE)).unwrap();
    let dir = DataDir::over(Box::new(disk.clone()), Some(right.clone())).unwrap();
    assert!(dir.locked().is_none() && dir.read(NODES).unwrap().is_some());
    assert_eq!(disk.content(KEY_FILE), Some(right));
}

#[test]
fn every_bad_file_opens_with_a_clear_error_and_is_not_lost() {
    let documents = [NODES, EMAIL, WEBHOOKS, SYSTEM, ALERTS, GUEST_METADATA];
    for file in documents {
        let whole = std::fs::read(data("v49").join(file.name)).unwrap();
        let half = whole[..whole.len() / 2].to_vec();
        for bad in [Vec::new(), half, vec![0; 300], vec![0xff; 40], b"[1, 2".to_vec()] {
            let folder = Folder::with_data("v49");
            folder.write(file.name, &bad);
            let mut dir = DataDir::open(folder.path()).unwrap();
            let opened = Opened::read(&mut dir, environment(&[])).unwrap();
            let problem = opened.problems.get(file.name).unwrap_or_else(|| panic!("{}: no problem named", file.name));
            assert!(problem.contains(file.name), "{problem}");
            assert_eq!(opened.problems.len(), 1, "the other files are fine: {:?}", opened.problems);
            let written = dir.write(file, Some(b"{}"));
            if file.sealed {
                assert!(written.unwrap_err().contains("does not open"), "{}", file.name);
                assert_eq!(folder.read(file.name), bad);
            } else {
                written.unwrap();
                assert_eq!(folder.read(&format!("{}.broken", file.name)), bad);
            }
        }
    }
}

#[test]
fn a_broken_document_falls_back_to_its_previous_version() {
    let folder = Folder::with_data("v49");
    let mut dir = DataDir::open(folder.path()).unwrap();
    let mut nodes = Nodes::parse(&dir.read(NODES).unwrap().unwrap()).unwrap();
    nodes.pve.truncate(1);
    dir.write(NODES, Some(&nodes.to_bytes())).unwrap();
    folder.write("nodes.enc", b"garbage that no key opens, longer than a nonce");
    let mut dir = DataDir::open(folder.path()).unwrap();
    let opened = Opened::read(&mut dir, environment(&[])).unwrap();
    assert_eq!(opened.nodes.pve.len(), 2, "the version before the last change");
    assert!(opened.problems["nodes.enc"].contains("nodes.enc.prev"));
    dir.write(NODES, Some(&opened.nodes.to_bytes())).unwrap();
    assert!(folder.has("nodes.enc.broken"));
    let deleted = Folder::with_data("v49");
    std::fs::remove_file(deleted.path().join("nodes.enc")).unwrap();
    deleted.write("nodes.enc.prev", folder.read("nodes.enc"));
    let opened = Opened::read(&mut DataDir::open(deleted.path()).unwrap(), environment(&[])).unwrap();
    assert!(opened.nodes.pve.is_empty(), "a file that was deleted on purpose does not come back");
}

#[test]
fn webhooks_in_clear_are_sealed_and_the_old_file_is_kept() {
    let folder = Folder::new("webhooks");
    folder.write("webhooks.json", br#"[{"id":"a","url":"https://x"}]"#);
    let dir = DataDir::open(folder.path()).unwrap();
    assert_eq!(dir.read(WEBHOOKS).unwrap().unwrap(), br#"[{"id":"a","url":"https://x"}]"#);
    assert!(folder.has("webhooks.json.backup") && !folder.has("webhooks.json"));
    assert!(!folder.read("webhooks.enc").starts_with(b"["));
    let clear = Folder::new("clear");
    clear.write("webhooks.enc", br#"[{"id":"b"}]"#);
    assert_eq!(DataDir::open(clear.path()).unwrap().read(WEBHOOKS).unwrap().unwrap(), br#"[{"id":"b"}]"#);
}

#[test]
fn a_power_cut_at_any_step_leaves_the_old_or_the_new_file() {
    let mut steps = 0;
    for cut in 0.. {
        let mut disk = WeakDisk::default();
        durable_write(&mut disk, "system.json", b"the old content").unwrap();
        disk.calm();
        disk.cut_power_at(cut);
        let acknowledged = durable_write(&mut disk, "system.json", b"the new and longer content").is_ok();
        for after in disk.survivors() {
            let content = after.content("system.json").expect("the file is gone");
            let new = content == b"the new and longer content";
            assert!(new || (content == b"the old content" && !acknowledged), "cut at {cut}: {content:?}");
        }
        if acknowledged {
            break;
        }
        steps = cut + 1;
    }
    assert!(steps >= 4, "create, sync, rename, sync of the folder: {steps}");
}

#[test]
fn a_power_cut_at_any_step_of_an_import_leaves_all_old_or_all_new() {
    let (mut finished, mut undone) = (0, 0);
    for cut in 0.. {
        let disk = WeakDisk::default();
        let mut dir = DataDir::over(Box::new(disk.clone()), None).unwrap();
        for file in [NODES, SYSTEM, ALERTS] {
            dir.write(file, Some(b"{\"is\":\"old\"}")).unwrap();
        }
        disk.calm();
        disk.cut_power_at(cut);
        let new = b"{\"is\":\"new\"}".to_vec();
        let acknowledged = dir.write_all(&[(NODES, new.clone()), (SYSTEM, new.clone()), (ALERTS, new.clone())]).is_ok();
        for after in disk.survivors() {
            let dir = DataDir::over(Box::new(after.clone()), None).unwrap();
            let all: Vec<bool> =
                [NODES, SYSTEM, ALERTS].iter().map(|f| dir.read(*f).unwrap().unwrap() == new).collect();
            assert!(all.iter().all(|is_new| *is_new == all[0]), "cut at {cut}: {all:?}");
            assert!(all[0] || !acknowledged, "cut at {cut}: an acknowledged import is gone");
            let left_over = after.names().unwrap().into_iter().find(|n| n.ends_with(".tmp") || n.ends_with(".staged"));
            assert_eq!(left_over, None);
            *(if all[0] { &mut finished } else { &mut undone }) += 1;
        }
        if acknowledged {
            break;
        }
    }
    assert!(finished > 10 && undone > 10, "both outcomes were seen: {finished} {undone}");
}

#[test]
fn a_disk_error_at_any_step_is_told_and_the_next_write_works() {
    for at in 0..30 {
        let disk = WeakDisk::default();
        let mut dir = DataDir::over(Box::new(disk.clone()), None).unwrap();
        for file in [NODES, SYSTEM] {
            dir.write(file, Some(b"{\"is\":\"old\"}")).unwrap();
        }
        disk.calm();
        disk.fail_at(at);
        let new = b"{\"is\":\"new\"}".to_vec();
        let first = dir.write_all(&[(NODES, new.clone()), (SYSTEM, new)]);
        let failed = disk.steps() > at;
        disk.calm();
        dir.write(SYSTEM, Some(b"{\"is\":\"newest\"}")).unwrap();
        // Whatever the failed import left must not come into force later.
        let dir = DataDir::over(Box::new(disk.copy()), None).unwrap();
        assert_eq!(dir.read(SYSTEM).unwrap().unwrap(), b"{\"is\":\"newest\"}", "error at {at}");
        assert_eq!(first.is_err(), failed, "error at {at} was swallowed");
    }
}

#[test]
fn a_mounted_file_is_written_in_place_and_a_link_stays_a_link() {
    let mut disk = WeakDisk::default();
    durable_write(&mut disk, ".env", b"old").unwrap();
    disk.mount(".env");
    durable_write(&mut disk, ".env", b"new").unwrap();
    assert_eq!(disk.content(".env").unwrap(), b"new");
    assert_eq!(disk.names().unwrap(), [".env"]);
    disk.mount("system.json");
    let mut dir = DataDir::over(Box::new(disk.clone()), None).unwrap();
    dir.write_all(&[(SYSTEM, b"{}".to_vec()), (ALERTS, b"{}".to_vec())]).unwrap();
    assert!([SYSTEM, ALERTS].iter().all(|file| dir.read(*file).unwrap().is_some()));

    let (folder, elsewhere) = (Folder::new("link"), Folder::new("elsewhere"));
    elsewhere.write("kept.json", "{}");
    std::os::unix::fs::symlink(elsewhere.path().join("kept.json"), folder.path().join("system.json")).unwrap();
    let mut dir = DataDir::open(folder.path()).unwrap();
    dir.write(SYSTEM, Some(b"{\"theme\":\"dark\"}")).unwrap();
    assert!(std::fs::symlink_metadata(folder.path().join("system.json")).unwrap().file_type().is_symlink());
    assert_eq!(elsewhere.read("kept.json"), b"{\"theme\":\"dark\"}");
}

#[test]
fn a_look_that_is_asked_for_sees_a_change_at_once() {
    let folder = Folder::with_data("v49");
    let (tell, told) = crossbeam_channel::unbounded();
    let dir = DataDir::open(folder.path()).unwrap();
    let writer = Writer::start(dir, Duration::from_secs(3600), move |outside| drop(tell.send(outside))).unwrap();
    folder.write("system.json", "{\"theme\":\"light\"}");
    writer.look();
    let outside = told.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!((outside.file, outside.after), (SYSTEM, 0));
    assert_eq!(outside.content.unwrap().unwrap(), b"{\"theme\":\"light\"}");
    writer.look();
    assert!(told.recv_timeout(Duration::from_millis(100)).is_err(), "told once");
}

#[test]
fn a_change_is_acknowledged_when_it_is_durable_and_many_changes_lose_nothing() {
    let folder = Folder::new("order");
    let mut desk = Desk::open(&folder, &[]);
    let body = |n: usize| json!({ "customUrl": format!("https://{n}") }).to_string().into_bytes();
    let waiting: Vec<_> =
        (0..50).map(|n| desk.start(Method::Put, &format!("/api/guests/metadata/lab-a-{n}"), &[], body(n))).collect();
    for (n, reply) in waiting.iter().enumerate() {
        assert_eq!(desk.wait(reply).status, 200);
        let on_disk: Value = serde_json::from_slice(&folder.read("guest_metadata.json")).unwrap();
        assert_eq!(on_disk[format!("lab-a-{n}")]["customUrl"], format!("https://{n}"));
    }
    assert_eq!(desk.get("/api/guests/metadata").as_object().unwrap().len(), 50);
}

#[test]
fn a_change_that_cannot_be_saved_never_was() {
    let folder = Folder::new("full");
    let disk = WeakDisk::default();
    let dir = DataDir::over(Box::new(disk.clone()), None).unwrap();
    let mut desk = Desk::over(dir, &folder, &[]).unwrap();
    let put = |desk: &mut Desk, id: &str| {
        desk.call(Method::Put, &format!("/api/guests/metadata/{id}"), &json!({ "description": id })).0
    };
    assert_eq!(put(&mut desk, "a-1"), 200);
    disk.calm();
    disk.fail_at(0);
    let first = desk.start(Method::Put, "/api/guests/metadata/a-2", &[], b"{\"description\":\"x\"}".to_vec());
    let second = desk.start(Method::Put, "/api/guests/metadata/a-3", &[], b"{\"description\":\"y\"}".to_vec());
    assert_eq!(desk.wait(&first).status, 500);
    assert_eq!(desk.wait(&second).status, 500, "it was built on the change that failed");
    assert_eq!(desk.get("/api/guests/metadata").as_object().unwrap().keys().collect::<Vec<_>>(), ["a-1"]);
    assert_eq!(put(&mut desk, "a-4"), 200);
    let on_disk: Value = serde_json::from_slice(&disk.content("guest_metadata.json").unwrap()).unwrap();
    assert_eq!(on_disk.as_object().unwrap().keys().collect::<Vec<_>>(), ["a-1", "a-4"]);
}

#[test]
fn what_others_change_takes_effect_and_what_cannot_be_read_changes_nothing() {
    let folder = Folder::with_data("v49");
    let mut desk = Desk::open(&folder, &[]);
    assert_eq!(desk.core.config.settings.theme, "dark");
    let text = String::from_utf8(folder.read("system.json")).unwrap();
    folder.write("system.json", text.replace("\"dark\"", "\"light\""));
    desk.until("the theme changes", |core| core.config.settings.theme == "light");
    folder.write("system.json", "{\"theme\":");
    desk.until("the broken file is named", |core| core.config.problems.contains_key("system.json"));
    assert_eq!(desk.core.config.settings.theme, "light");

    let mut other = DataDir::open_beside(folder.path()).unwrap();
    let mut nodes = Nodes::clone(desk.core.config.nodes.get());
    nodes.pve.remove(0);
    other.write(NODES, Some(&nodes.to_bytes())).unwrap();
    desk.until("the nodes change", |core| core.config.nodes.get().pve.len() == 1);
    folder.write("nodes.enc", b"not sealed at all, but long enough");
    desk.until("the broken file is named", |core| core.config.problems.contains_key("nodes.enc"));
    assert_eq!(desk.core.config.nodes.get().pve.len(), 1);
}

// 4.9 opened to everybody when .env was broken, emptied, or lacked a key that the process environment had.
#[test]
fn changes_of_the_env_file_never_take_the_credentials_away() {
    let folder = Folder::with_data("v49");
    let mut desk = Desk::open(&folder, &[]);
    folder.write(".env", "PULSE_AUTH_USER=boss\nPULSE_AUTH_PASS=new password\n");
    desk.until("the user changes", |core| core.config.settings.auth.user == "boss");
    assert_eq!(desk.core.config.settings.auth.password.expose(), "new password");
    for broken in ["", "PULSE_AUTH_PASS='open\n", "LOG_LEVEL=debug\n"] {
        folder.write(".env", broken);
        desk.until("the file is named", |core| core.config.problems.contains_key(".env"));
        assert_eq!(desk.core.config.settings.auth.user, "boss", "{broken:?}");
        folder.write(".env", "PULSE_AUTH_USER=boss\nPULSE_AUTH_PASS=new password\n#\n");
        desk.until("the file is fine again", |core| !core.config.problems.contains_key(".env"));
    }
    std::fs::remove_file(folder.path().join(".env")).unwrap();
    desk.until("the file is missed", |core| core.config.problems.contains_key(".env"));
    assert_eq!(desk.core.config.settings.auth.user, "boss");
}

#[test]
fn a_broken_env_file_stops_the_start_unless_something_else_protects() {
    let folder = Folder::new("env");
    folder.write(".env", "PULSE_AUTH_PASS='open\n");
    let error = Desk::try_open(&folder, &[]).err().unwrap();
    assert!(
        error.contains("line 1") && error.contains("without authentication") && !error.contains("open\n"),
        "{error}"
    );
    let desk = Desk::open(&folder, &[("API_TOKEN", "token")]);
    assert!(desk.core.config.problems.contains_key(".env"));
    folder.write(".env", "PULSE_AUTH_USER=a\n");
    assert!(Desk::try_open(&folder, &[("FRONTEND_PORT", "99999")]).err().unwrap().contains("FRONTEND_PORT"));
}

#[test]
fn a_file_that_the_server_wrote_itself_is_no_change_from_outside() {
    let folder = Folder::new("own");
    let mut desk = Desk::open(&folder, &[]);
    let (status, _) = desk.call(Method::Post, "/api/system/settings/update", &json!({ "theme": "dark" }));
    assert_eq!(status, 200);
    let answer = desk.core.save(ENV, Some(b"PULSE_AUTH_USER=x\nPULSE_AUTH_PASS=y\n".to_vec()), |_, outcome| {
        pulse::http::Response::json(&outcome.is_ok()).into()
    });
    let (reply, waiting) = crossbeam_channel::bounded(1);
    desk.core.finish(answer, Some(reply));
    assert_eq!(desk.wait(&waiting).status, 200);
    assert_eq!(desk.core.config.settings.auth.user, "x");
    desk.idle(Duration::from_millis(100));
    assert!(desk.core.config.problems.is_empty());
    assert_eq!(desk.core.config.settings.theme, "dark");
}

#[test]
fn secrets_never_show_in_debug_text() {
    let folder = Folder::with_data("v49");
    let mut dir = DataDir::open(folder.path()).unwrap();
    let opened = Opened::read(&mut dir, environment(&[])).unwrap();
    let shown = format!("{:?} {:?}", opened.nodes, opened.settings);
    for secret in ["aaaaaaaa-bbbb", "päss", "$2a$12$", "0123456789abcdef0123", "secret\""] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

/// Runs the real command; standard input is empty.
fn pulse(folder: &Folder, words: &[&str]) -> (bool, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_pulse"))
        .args(words)
        .env_clear()
        .env("PULSE_DATA_DIR", folder.path())
        .env("PULSE_PASSPHRASE", PASSPHRASE)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (out.status.success(), text(out.stdout), text(out.stderr))
}

#[test]
fn the_command_line_carries_a_configuration_from_one_directory_to_another() {
    use std::os::unix::fs::PermissionsExt;
    let (from, to) = (Folder::with_data("v49"), Folder::new("cli"));
    let file = to.path().join("saved.txt");
    let name = file.to_str().unwrap();
    let (fine, out, err) = pulse(&from, &["config", "export", "-o", name]);
    assert!(fine && out.is_empty(), "{err}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let (fine, _, err) = pulse(&to, &["config", "import", "-i", name]);
    assert!(!fine && err.contains("cancelled"), "without a yes nothing happens: {err}");
    assert!(!to.has("nodes.enc"));
    let (fine, _, err) = pulse(&to, &["config", "import", "-i", name, "--force"]);
    assert!(fine, "{err}");
    let (fine, info, _) = pulse(&to, &["config", "info"]);
    assert!(fine && info.contains("nodes.enc: 2 PVE and 1 PBS connections"), "{info}");
    assert!(info.contains("webhooks.enc: 1 webhooks") && info.contains("guest_metadata.json: 1 guests"), "{info}");
    let dir = DataDir::open_beside(to.path()).unwrap();
    let nodes = Nodes::parse(&dir.read(NODES).unwrap().unwrap()).unwrap();
    assert_eq!(nodes.pve[1].password.expose(), "päss \"word\"");
    let (fine, data, _) = pulse(&to, &["config", "export"]);
    assert!(fine && transfer::unseal(&data, PASSPHRASE).is_ok(), "to standard output");

    to.write("nodes.enc", b"garbage that no key opens at all");
    let (fine, _, err) = pulse(&to, &["config", "export"]);
    assert!(!fine && err.contains("failed to open nodes.enc"), "{err}");
    let missing = Folder::new("cli-missing");
    std::fs::remove_dir(missing.path()).unwrap();
    let (fine, _, err) = pulse(&missing, &["config", "info"]);
    assert!(!fine && err.contains("no such folder"), "{err}");
    assert!(!missing.path().exists(), "looking creates nothing");
}
