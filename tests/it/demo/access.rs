//! Logins, tickets, tokens and privileges, refused in Proxmox's own words.

use super::{AFTERNOON, rows};
use crate::support::simulated::{Client, start};
use pulse::demo::{AUDITOR, Change, PbsSpec, PveSpec, Spec, TICKET_SECS, Version, monitor_privileges};
use serde_json::Value;

fn ticket(client: &Client, user: &str, password: &str) -> Option<String> {
    let (status, body) = client.post("/access/ticket", &[("username", user), ("password", password)]).unwrap();
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    (status == 200).then(|| body["data"]["ticket"].as_str().unwrap().to_owned())
}

#[test]
fn nobody_is_let_in_without_a_ticket_or_token() {
    let sim = start(Spec::small(1, 5, 1).frozen(AFTERNOON));
    for host in 0..2 {
        let nobody = Client::anonymous(sim.url(host));
        assert_eq!(nobody.status("/version"), 401);
        let mut wrong = Client::of(&sim, host);
        wrong.authorization = wrong.authorization.map(|a| a + "0");
        assert_eq!(wrong.status("/version"), 401);
        assert_eq!(Client::of(&sim, host).status("/version"), 200);
    }
}

#[test]
fn a_password_buys_a_ticket_that_lasts_two_hours() {
    let sim = start(Spec::small(1, 5, 1).frozen(AFTERNOON));
    for (host, cookie) in [(0, "PVEAuthCookie"), (1, "PBSAuthCookie")] {
        sim.set_time(AFTERNOON);
        let (user, password) = sim.login(host);
        let mut client = Client::anonymous(sim.url(host));
        assert_eq!(ticket(&client, &user, "guess"), None);
        let bought = ticket(&client, &user, &password).unwrap();
        client.cookie = Some(format!("{cookie}={bought}"));
        assert_eq!(client.status("/version"), 200);
        sim.set_time(AFTERNOON + TICKET_SECS - 5);
        let renewed = ticket(&client, &user, &bought).unwrap();
        sim.set_time(AFTERNOON + TICKET_SECS + 5);
        assert_eq!(client.status("/version"), 401);
        client.cookie = Some(format!("{cookie}={renewed}"));
        assert_eq!(client.status("/version"), 200);
        sim.expire_tickets(host);
        assert_eq!(client.status("/version"), 401);
    }
}

#[test]
fn a_missing_privilege_is_named() {
    let plain = PveSpec::new("lab", 1, 12).privileges(&AUDITOR);
    let sim = start(Spec::new(1).with_pve(plain).frozen(AFTERNOON));
    let client = Client::of(&sim, 0);
    let (status, body) = client.get("/nodes/pve1/qemu/100/agent/get-fsinfo").unwrap();
    assert_eq!(status, 403);
    assert!(body.contains("Permission check failed (/vms/100, VM.Monitor)"), "{body}");
    assert_eq!(client.status("/nodes/pve1/status"), 200);
    sim.change(Change::Privileges { host: 0, privileges: monitor_privileges(Version::Pve8) }).unwrap();
    assert_eq!(client.status("/nodes/pve1/qemu/100/agent/get-fsinfo"), 200);
}

#[test]
fn version_9_wants_other_privileges_for_the_agent() {
    let mut wanted = AUDITOR.to_vec();
    wanted.push("VM.Monitor");
    let spec = |version| PveSpec::new("lab", 1, 3).version(version).privileges(&wanted);
    let sim = start(Spec::new(1).with_pve(spec(Version::Pve8)).with_pve(spec(Version::Pve9)).frozen(AFTERNOON));
    let path = "/nodes/pve1/qemu/100/agent/get-fsinfo";
    assert_eq!(Client::of(&sim, 0).status(path), 200);
    let (status, body) = Client::of(&sim, 1).get(path).unwrap();
    assert_eq!(status, 403);
    assert!(body.contains("VM.GuestAgent.Audit"), "{body}");
}

#[test]
fn what_may_not_be_seen_is_missing_from_lists_without_a_word() {
    let sim = start(Spec::new(1).with_pve(PveSpec::new("lab", 1, 30)).with_pbs(PbsSpec::new("pbs")).frozen(AFTERNOON));
    let client = Client::of(&sim, 0);
    let backups = || client.data("/nodes/pve1/storage/nas/content?content=backup");
    assert!(!rows(&backups()).is_empty());
    let allowed = ["Sys.Audit", "Datastore.Audit"].map(str::to_owned).to_vec();
    sim.change(Change::Privileges { host: 0, privileges: allowed }).unwrap();
    assert_eq!(rows(&backups()).len(), 0);
    assert_eq!(rows(&client.data("/cluster/resources?type=vm")).len(), 0);
    assert_eq!(rows(&client.data("/nodes/pve1/qemu")).len(), 0);
    sim.change(Change::Privileges { host: 1, privileges: Vec::new() }).unwrap();
    let pbs = Client::of(&sim, 1);
    assert_eq!(rows(&pbs.data("/admin/datastore")).len(), 0);
    assert_eq!(pbs.status("/nodes/localhost/status"), 403);
}

#[test]
fn no_secret_is_remembered_or_shown() {
    let sim = start(Spec::small(1, 2, 1).frozen(AFTERNOON));
    let (user, password) = sim.login(0);
    ticket(&Client::anonymous(sim.url(0)), &user, &password).unwrap();
    let remembered = format!("{:?} {:?}", sim.calls(), sim.access(0));
    assert!(remembered.contains(&user));
    assert!(!remembered.contains(&password) && !remembered.contains(&sim.token(0).1));
}

#[test]
fn each_host_says_how_to_connect_to_it() {
    let sim = start(Spec::small(2, 3, 1).frozen(AFTERNOON));
    let connections = sim.connections();
    let told: Vec<_> = connections.iter().map(|c| (c.backup_server, c.name.as_str(), c.url.clone())).collect();
    assert_eq!(told, [(false, "homelab", sim.url(0)), (true, "pbs", sim.url(1))]);
    assert_eq!(connections[1].fingerprint, sim.fingerprint(1));
    assert_eq!(connections[0].access.user, "pulse-monitor@pam");
    assert_eq!(connections[1].access.token_id, "pulse-monitor@pbs!pulse");
}
