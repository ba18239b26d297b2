//! Hosts that register themselves: codes, scripts run for real against stand-ins of the host's tools, registration.

use crate::support::desk::Desk;
use crate::support::folder::{Folder, data};
use pulse::config::{DataDir, NODES, Nodes};
use pulse::http::Method::{Get, Post};
use serde_json::{Value, json};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const TOKEN: &str = "a-token-for-tests";
const AUTH: (&str, &str) = ("X-API-Token", TOKEN);
const LOCAL: (&str, &str) = ("Host", "pulse.lan:7655");
/// Nothing listens there, so looking for a cluster fails at once.
const DEAD: &str = "http://127.0.0.1:1";

fn desk() -> (Folder, Desk) {
    let folder = Folder::new("setup");
    let desk = Desk::open(&folder, &[("API_TOKEN", TOKEN), ("CONNECTION_TIMEOUT", "2")]);
    (folder, desk)
}

fn post(desk: &mut Desk, target: &str, headers: &[(&str, &str)], body: &Value) -> (u16, Value) {
    desk.send(Post, target, headers, body.to_string().into_bytes())
}

fn code_for(desk: &mut Desk, kind: &str, host: &str) -> String {
    let (status, body) = post(
        desk,
        "/api/setup-script-url",
        &[AUTH, LOCAL],
        &json!({ "type": kind, "host": host, "backupPerms": true }),
    );
    assert_eq!(status, 200, "{body}");
    body["setupCode"].as_str().unwrap().to_owned()
}

fn registration(kind: &str, host: &str, code: &str) -> Value {
    json!({
        "type": kind, "host": host, "serverName": "one", "tokenId": "pulse-monitor@pam!pulse",
        "tokenValue": "12345678-9abc-4def-8123-000000000001", "setupCode": code,
    })
}

fn register(desk: &mut Desk, body: &Value) -> (u16, Value) {
    post(desk, "/api/auto-register", &[], body)
}

fn stored(folder: &Folder) -> Nodes {
    let bytes = DataDir::open_beside(folder.path()).unwrap().read(NODES).unwrap();
    bytes.map(|b| Nodes::parse(&b).unwrap()).unwrap_or_default()
}

#[test]
fn a_link_holds_no_secret_and_the_code_is_told_beside_it() {
    let (_folder, mut desk) = desk();
    let body = json!({ "type": "pve", "host": "192.168.1.100", "backupPerms": true });
    let (status, link) = post(&mut desk, "/api/setup-script-url", &[AUTH, LOCAL], &body);
    assert_eq!(status, 200);
    let url = "http://pulse.lan:7655/api/setup-script?type=pve&host=https%3A%2F%2F192.168.1.100%3A8006\
               &pulse_url=http%3A%2F%2Fpulse.lan%3A7655&backup_perms=true";
    assert_eq!(link["url"], url);
    assert_eq!(link["command"], format!("curl -sSL \"{url}\" | bash"));
    assert_eq!(link["expires"].as_i64().unwrap(), desk.core.now.unix_secs() + 300);
    let code = link["setupCode"].as_str().unwrap();
    assert!(code.len() == 6 && !url.contains(code));
    for bad in [json!({}), json!({ "type": "pmg", "host": "a" }), json!({ "type": "pve", "host": "a;id" })] {
        assert_eq!(post(&mut desk, "/api/setup-script-url", &[AUTH, LOCAL], &bad).0, 400, "{bad}");
    }
    assert_eq!(post(&mut desk, "/api/setup-script-url", &[LOCAL], &body).0, 401, "codes are for administrators");
}

#[test]
fn a_code_registers_one_host_durably() {
    let (folder, mut desk) = desk();
    let code = code_for(&mut desk, "pve", DEAD);
    let (status, body) = register(&mut desk, &registration("pve", DEAD, &code.to_lowercase()));
    let message = format!("Node {DEAD} auto-registered successfully");
    assert_eq!((status, body), (200, json!({ "status": "success", "message": message, "nodeId": DEAD })));
    let nodes = stored(&folder);
    let [node] = nodes.pve.as_slice() else { panic!("{nodes:?}") };
    assert_eq!((node.name.as_str(), node.token_name.as_str()), ("one", "pulse-monitor@pam!pulse"));
    assert!(node.monitor.vms && node.monitor.containers && node.monitor.storage && node.monitor.backups);
    assert!(!node.verify_ssl && node.uses_token());
    let (status, body) = register(&mut desk, &registration("pve", DEAD, &code));
    assert_eq!((status, body), (401, json!({ "error": "Invalid or expired setup code" })), "used");
}

#[test]
fn a_code_counts_for_its_product_its_host_and_five_minutes() {
    let (folder, mut desk) = desk();
    let code = code_for(&mut desk, "pve", DEAD);
    for (kind, host, given) in [
        ("pbs", DEAD, code.as_str()),
        ("pve", "https://127.0.0.2:8006", &code),
        ("pve", DEAD, "WRONG2"),
        ("pve", DEAD, ""),
    ] {
        let (status, body) = register(&mut desk, &registration(kind, host, given));
        assert_eq!(status, 401, "{kind} {host} {given}");
        let words = body["error"].as_str().unwrap();
        let expected = if given.is_empty() { "Pulse requires authentication" } else { "Invalid or expired setup code" };
        assert!(words == expected && !body.to_string().contains("success"), "{body}");
    }
    let mut half = registration("pve", DEAD, &code);
    half["tokenValue"] = json!("");
    assert_eq!(register(&mut desk, &half), (400, json!({ "error": "Missing required fields" })), "not used up by that");
    let (status, body) = desk.send(Post, "/api/auto-register", &[], b"{} trailing".to_vec());
    assert_eq!((status, body), (400, json!({ "error": "Invalid request format" })));
    desk.core.now = desk.core.now.plus(Duration::from_secs(301));
    assert_eq!(register(&mut desk, &registration("pve", DEAD, &code)).0, 401, "too old");
    assert!(stored(&folder).pve.is_empty());
}

#[test]
fn a_token_registers_too_and_a_known_host_gets_the_new_secret() {
    let (folder, mut desk) = desk();
    let mut body = registration("pbs", DEAD, "");
    body["tokenId"] = json!("pulse-monitor@pbs!first");
    assert_eq!(post(&mut desk, "/api/auto-register", &[AUTH], &body).0, 200, "in the header");
    body["tokenId"] = json!("pulse-monitor@pbs!second");
    body["authToken"] = json!(TOKEN);
    assert_eq!(register(&mut desk, &body).0, 200, "in the body");
    body["host"] = json!("http://127.0.0.1:2");
    assert_eq!(register(&mut desk, &body).0, 200, "another host of the same name");
    let nodes = stored(&folder);
    let told: Vec<_> = nodes.pbs.iter().map(|n| (n.name.as_str(), n.token_name.as_str())).collect();
    let second = "pulse-monitor@pbs!second";
    assert_eq!(told, [("one", second), ("one (127.0.0.1)", second)]);
}

#[test]
fn an_instance_without_credentials_asks_for_a_code_all_the_same() {
    let folder = Folder::new("setup-open");
    let mut desk = Desk::open(&folder, &[("CONNECTION_TIMEOUT", "2")]);
    assert_eq!(register(&mut desk, &registration("pve", DEAD, "")).0, 401);
    let (status, link) = post(&mut desk, "/api/setup-script-url", &[LOCAL], &json!({ "type": "pve", "host": DEAD }));
    assert_eq!(status, 200);
    let code = link["setupCode"].as_str().unwrap();
    assert_eq!(register(&mut desk, &registration("pve", DEAD, code)).0, 200);
}

#[test]
fn hostile_text_never_becomes_a_script() {
    let (_folder, mut desk) = desk();
    for query in [
        "",
        "type=",
        "type=pmg",
        "type=pve%0Aid",
        "type=pve&host=%24%28id%29",
        "type=pve&host=a%27%3Bid%3B%27",
        "type=pbs&host=a%0Aid",
        "type=pve&pulse_url=http%3A%2F%2Fa%27%3Bid%3B%27",
        "type=pve&pulse_url=http%3A%2F%2Fa%60id%60",
        "type=pve&pulse_url=javascript%3Aid",
        "type=pve&auth_token=%27%3Bid%23",
    ] {
        let answer = desk.answer(Get, &format!("/api/setup-script?{query}"), &[LOCAL], Vec::new());
        assert_eq!(answer.status, 400, "{query}");
    }
    let answer = desk.answer(Get, "/api/setup-script?type=pve", &[("Host", "a$(id)")], Vec::new());
    assert_eq!(answer.status, 400, "a Host header is a stranger's text too");
}

/// A host with stand-ins for its tools.
struct Host {
    folder: Folder,
    version: &'static str,
}

impl Host {
    fn new(kind: &str, version: &'static str) -> Host {
        let folder = Folder::new("setup-host");
        let bin = folder.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::fs::copy(data("setup/stub.sh"), bin.join("stub")).unwrap();
        std::fs::set_permissions(bin.join("stub"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let own: &[&str] = if kind == "pve" { &["pveum", "pveversion"] } else { &["proxmox-backup-manager"] };
        for tool in ["id", "hostname", "date", "curl"].iter().chain(own) {
            symlink("stub", bin.join(tool)).unwrap();
        }
        Host { folder, version }
    }
    fn run(&self, script: &str, arguments: &[&str], vars: &[(&str, &str)]) -> Output {
        let path = format!("{}/bin:{}", self.folder.path().display(), std::env::var("PATH").unwrap());
        // A session of its own has no terminal to ask at.
        let mut child = Command::new("setsid")
            .args(["-w", "bash", "-s", "--"])
            .args(arguments)
            .env_clear()
            .env("PATH", path)
            .env("HOST_STATE", self.folder.path())
            .env("HOST_VERSION", self.version)
            .envs(vars.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }
    /// A line of the host's state for each user, token, role or permission.
    fn state(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
    fn sent(&self) -> Vec<Value> {
        self.state("bodies").iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn script(desk: &mut Desk, query: &str) -> String {
    let answer = desk.answer(Get, &format!("/api/setup-script?{query}"), &[LOCAL], Vec::new());
    assert_eq!(answer.status, 200);
    assert!(answer.headers.contains(&("Content-Type", "text/plain; charset=utf-8".to_owned())));
    String::from_utf8(answer.body.as_slice().to_vec()).unwrap()
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_pve_of_any_version_gets_a_user_that_may_only_look() {
    let (_folder, mut desk) = desk();
    let text = script(&mut desk, "type=pve&host=pve.lan&pulse_url=http%3A%2F%2Fpulse.lan%3A7655");
    for (version, privileges) in [
        ("7", "Sys.Audit,VM.Monitor"),
        ("8", "Sys.Audit,VM.Monitor"),
        ("9", "Sys.Audit,VM.GuestAgent.Audit,VM.GuestAgent.FileRead"),
    ] {
        let host = Host::new("pve", version);
        for round in ["first", "second"] {
            let out = host.run(&text, &[], &[("PULSE_SETUP_CODE", "A7K9P2")]);
            assert!(out.status.success(), "{round} {version}: {}", words(&out));
            assert_eq!(host.state("users"), ["pulse-monitor@pam"]);
            assert_eq!(host.state("tokens").len(), 1, "{round}: the token of an earlier run goes");
            assert_eq!(host.state("roles"), [format!("PulseMonitor {privileges}")]);
        }
        let acl = ["/ pulse-monitor@pam PVEAuditor", "/ pulse-monitor@pam PulseMonitor"];
        assert_eq!(host.state("acl")[..2], acl);
        let token = &host.state("tokens")[0];
        assert!(token.starts_with("pulse-pulse-lan-pve-one-17"), "{token}");
        let sent = host.sent();
        let expected = json!({
            "type": "pve", "host": "https://pve.lan:8006", "serverName": "pve-one", "setupCode": "A7K9P2",
            "tokenId": format!("pulse-monitor@pam!{token}"), "tokenValue": "12345678-9abc-4def-8123-000000000002",
        });
        assert_eq!(sent.last(), Some(&expected));
        let calls = host.state("calls");
        assert!(
            !calls.iter().any(|c| c.contains("12345678") || c.contains("A7K9P2")),
            "secrets in a list of processes"
        );
        let at = |what: &str| calls.iter().position(|c| c.starts_with(what)).unwrap();
        assert!(at("pveum aclmod") < at("curl"), "rights first: the first poll comes at once");
        let out = host.run(&text, &["--uninstall"], &[]);
        assert!(out.status.success(), "{}", words(&out));
        assert!(["users", "tokens", "acl", "roles"].iter().all(|s| host.state(s).is_empty()));
    }
}

#[test]
fn backup_permissions_are_given_only_when_asked_for() {
    let (_folder, mut desk) = desk();
    let admin = "/storage pulse-monitor@pam PVEDatastoreAdmin".to_owned();
    for (query, wanted) in [("type=pve&host=a", false), ("type=pve&host=a&backup_perms=true", true)] {
        let host = Host::new("pve", "8");
        host.run(&script(&mut desk, query), &[], &[("PULSE_SETUP_CODE", "A7K9P2")]);
        assert_eq!(host.state("acl").contains(&admin), wanted);
    }
}

#[test]
fn a_backup_server_gets_its_user_and_both_get_the_role() {
    let (_folder, mut desk) = desk();
    let text = script(&mut desk, "type=pbs&pulse_url=https%3A%2F%2F%5Bfd00%3A%3A5%5D%3A7655&auth_token=A7K9P2");
    for version in ["3", "4"] {
        let host = Host::new("pbs", version);
        for _ in 0..2 {
            let out = host.run(&text, &[], &[]);
            assert!(out.status.success(), "{}", words(&out));
        }
        assert_eq!(host.state("users"), ["pulse-monitor@pbs"]);
        let tokens = host.state("tokens");
        let [token] = tokens.as_slice() else { panic!("{tokens:?}") };
        let acl = host.state("acl");
        for who in ["pulse-monitor@pbs".to_owned(), format!("pulse-monitor@pbs!{token}")] {
            assert!(acl.contains(&format!("/ {who} Audit")), "{acl:?}");
        }
        let sent = host.sent();
        let last = sent.last().unwrap();
        assert_eq!((&last["host"], &last["setupCode"]), (&json!("https://pve-one:8007"), &json!("A7K9P2")));
        let out = host.run(&text, &["--uninstall"], &[]);
        assert!(out.status.success(), "{}", words(&out));
        assert!(["users", "tokens", "acl"].iter().all(|s| host.state(s).is_empty()), "{:?}", host.state("acl"));
    }
}

#[test]
fn a_host_that_is_refused_keeps_its_earlier_token_and_tells_what_to_type() {
    let (_folder, mut desk) = desk();
    let text = script(&mut desk, "type=pve&host=pve.lan");
    let host = Host::new("pve", "8");
    assert!(host.run(&text, &[], &[("PULSE_SETUP_CODE", "A7K9P2")]).status.success());
    let refused = [("PULSE_SETUP_CODE", "A7K9P2"), ("CURL_STATUS", "401"), ("CURL_ANSWER", "Invalid or expired")];
    let unreached = [("PULSE_SETUP_CODE", "A7K9P2"), ("CURL_EXIT", "7")];
    for (vars, says) in [(&refused[..], "Invalid or expired"), (&unreached[..], "was not reached"), (&[], "by hand")] {
        let out = host.run(&text, &[], vars);
        let said = words(&out);
        assert!(said.contains(says) || vars.is_empty(), "{said}");
        assert!(said.contains("Token secret: 12345678-9abc-4def-8123-"), "{said}");
    }
    assert_eq!(host.state("tokens").len(), 4);
    assert_eq!(host.sent().len(), 3, "without a code and a terminal nothing is sent");
    let other = Host::new("pbs", "3");
    let out = other.run(&text, &[], &[]);
    assert!(!out.status.success() && words(&out).contains("Proxmox VE host"), "{}", words(&out));
}

// The version of the host is found out when the script runs, so each text is the script of every version.
#[test]
fn the_scripts_pass_the_shell_linter_whatever_is_asked_of_them() {
    let (_folder, mut desk) = desk();
    let hosts = ["", "&host=a", "&host=https%3A%2F%2F%5Bfd00%3A%3A5%5D%3A8006", "&host=%24%28id%29%27%22%0A%60id%60"];
    let pulses = ["", "&pulse_url=https%3A%2F%2Fpulse.lan", "&pulse_url=http%3A%2F%2Fx%27%3Bid%3B%27%0A%24%28id%29"];
    let rest = ["", "&backup_perms=true", "&auth_token=A7K9P2", "&backup_perms=true&auth_token=%27%3Bid%20%24%28id%29"];
    let mut texts = std::collections::BTreeSet::new();
    for kind in ["pve", "pbs"] {
        for host in hosts {
            for pulse in pulses {
                for more in rest {
                    let query = format!("/api/setup-script?type={kind}{host}{pulse}{more}");
                    let answer = desk.answer(Get, &query, &[LOCAL], Vec::new());
                    let text = String::from_utf8(answer.body.as_slice().to_vec()).unwrap();
                    // What cannot be a host, an address or a code never gets as far as a script.
                    let status = if query.contains("%24") { 400 } else { 200 };
                    assert_eq!(answer.status, status, "{query}: {text}");
                    if status == 200 {
                        texts.insert(text);
                    }
                }
            }
        }
    }
    assert!(texts.len() >= 16, "only {} texts", texts.len());
    let folder = Folder::new("linter");
    let names: Vec<String> = (0..texts.len()).map(|n| format!("{n}.sh")).collect();
    for (name, text) in names.iter().zip(&texts) {
        folder.write(name, text);
    }
    let mut linter = Command::new("shellcheck");
    let out =
        linter.args(&names).current_dir(folder.path()).output().expect("shellcheck is needed: tests/run installs it");
    assert!(out.status.success(), "{}", words(&out));
}
