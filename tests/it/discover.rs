//! The search for Proxmox hosts: what it finds, and above all what it leaves alone. The real program looks around in
//! networks made of namespaces, while a tap on its cable records every frame that it sends.

mod lab;

use crate::support::desk::Desk;
use crate::support::folder::Folder;
use crate::support::host::{self, Reply};
use crate::support::program::Program;
use lab::{Lab, Sent};
use pulse::demo::{PbsSpec, PveSpec, Spec, start};
use pulse::http::Method;
use serde_json::{Value, json};
use std::io::Write;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tungstenite::Message;

/// A small network, so that silent addresses do not take the test's time.
const PULSE: &str = "10.77.0.2/27";

/// A lab with Pulse's own host, or `None` where the machine allows no namespaces, which is said aloud.
fn lab() -> Option<Lab> {
    let made = Lab::new().and_then(|mut lab| {
        lab.host("pulse", PULSE)?;
        lab.host("router", "10.77.0.1/27")?;
        lab.route("pulse", "10.77.0.1")?;
        Ok(lab)
    });
    // The test harness keeps what `println!` says to itself.
    let said = |why: &String| writeln!(std::io::stderr(), "skipped: discovery in network namespaces: {why}");
    made.inspect_err(|why| said(why).unwrap()).ok()
}

fn discovering(vars: &[(&str, &str)]) -> Program {
    Program::with(&[&[("DISABLE_AUTH", "true"), ("DISCOVERY_ENABLED", "true")], vars].concat())
}

/// The messages about discovery until a scan is complete.
fn heard(program: &Program) -> Vec<Value> {
    let stream = TcpStream::connect(("127.0.0.1", program.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let (mut socket, _) = tungstenite::client(format!("ws://127.0.0.1:{}/ws", program.port), stream).unwrap();
    let mut heard: Vec<Value> = Vec::new();
    while heard.last().is_none_or(|m| m["type"] != "discovery_complete") {
        let Message::Text(text) = socket.read().expect("a message") else { continue };
        let message: Value = serde_json::from_str(text.as_str()).unwrap();
        if message["type"].as_str().is_some_and(|t| t.starts_with("discovery_")) {
            heard.push(message);
        }
    }
    heard
}

fn addresses(found: &Value) -> Vec<String> {
    let list = found["servers"].as_array().unwrap();
    list.iter()
        .map(|s| format!("{} {}:{}", s["type"].as_str().unwrap(), s["ip"].as_str().unwrap(), s["port"]))
        .collect()
}

/// Everything sent was a question to a Proxmox port of `10.77.0.1` to `10.77.0.30`, or the search for its cable.
fn stayed_at_home(sent: &Sent) {
    for what in sent.keys() {
        let (kind, to) = what.split_once(' ').unwrap();
        let (address, port) = to.split_once(':').unwrap_or((to, ""));
        let last: u8 = address.strip_prefix("10.77.0.").and_then(|n| n.parse().ok()).unwrap_or(0);
        let is_ours = (1..=30).contains(&last);
        let fine = is_ours && (kind == "arp" || kind == "tcp" && ["8006", "8007"].contains(&port));
        assert!(fine, "{what} was contacted: {sent:#?}");
    }
}

#[test]
fn it_finds_the_proxmox_hosts_of_its_network_and_contacts_nothing_else() {
    let Some(mut lab) = lab() else { return };
    for n in [5, 6, 7, 8] {
        lab.host(&format!("host{n}"), &format!("10.77.0.{n}/27")).unwrap();
    }
    // Beyond the router there is a Proxmox as well: it can be reached and must not be.
    lab.address("router", "10.88.0.9/24").unwrap();
    let spec = |name: &str| Spec::new(1).with_pve(PveSpec::new(name, 1, 3));
    let pve = lab.inside("host5", || start(spec("lab")).unwrap());
    lab.relay("host5", 8006, &pve.url(0));
    let pbs = lab.inside("host6", || start(Spec::new(1).with_pbs(PbsSpec::new("store"))).unwrap());
    lab.relay("host6", 8007, &pbs.url(0));
    let beyond = lab.inside("router", || start(spec("beyond")).unwrap());
    lab.relay("router", 8443, &beyond.url(0));
    // Open ports, TLS and a login wall do not make a Proxmox.
    let wall = |asked: &host::Asked| match asked.target.as_str() {
        "/" => Reply::status(200, "<title>Printer - Login</title>"),
        _ => Reply::status(401, "no"),
    };
    let other = lab.inside("host7", || host::https(wall));
    lab.relay("host7", 8006, &other.url);
    lab.relay("host7", 8007, &other.url);
    lab.silent("host8", 8006);

    let tap = lab.tap("pulse");
    lab.inside("pulse", || {
        let program = discovering(&[]);
        let began = Instant::now();
        let messages = heard(&program);
        let took = began.elapsed();
        assert!(took < Duration::from_secs(20), "{took:?}");
        let kinds: Vec<&str> = messages.iter().map(|m| m["type"].as_str().unwrap()).collect();
        assert!(kinds.contains(&"discovery_update"), "{kinds:?}");
        assert!(messages.iter().all(|m| m["timestamp"].is_string() && m["data"]["timestamp"].is_i64()), "{messages:?}");
        let update = messages.iter().rfind(|m| m["type"] == "discovery_update").unwrap();
        let found = program.get("/api/discover");
        let expected = ["pve 10.77.0.5:8006", "pbs 10.77.0.6:8007"];
        assert_eq!(addresses(&found), expected, "{}", program.log());
        assert_eq!(addresses(&update["data"]), expected);
        assert_eq!((&found["errors"], &found["cached"], &found["scanning"]), (&json!([]), &json!(true), &json!(false)));
        let server = &found["servers"][0];
        assert_eq!(
            (&server["hostname"], &server["name"], &server["host"]),
            (&json!("pve1"), &json!("pve1"), &server["ip"])
        );
        assert_eq!((&server["version"], &server["configured"]), (&json!("Unknown"), &json!(false)));
        assert!(found["age"].as_f64().unwrap() < 60.0 && found["updated"].as_i64().unwrap() > 1_700_000_000);

        // A second look at the network within five minutes is one at the result.
        let (status, again) = program.send("POST", "/api/discover", &json!({ "use_cache": true }));
        assert_eq!((status, &again["updated"], &again["scanning"]), (200, &found["updated"], &json!(false)));
        println!("a scan of 30 addresses took {took:?}");
    });
    let sent = tap.end();
    stayed_at_home(&sent);
    let asked: Vec<u8> = (1..=30).filter(|n| *n != 2).collect();
    let silent = |n: &&u8| !sent.contains_key(&format!("arp 10.77.0.{n}"));
    assert_eq!(asked.iter().filter(silent).count(), 0, "every address was looked for: {sent:#?}");
    assert!(sent.contains_key("tcp 10.77.0.5:8006") && sent.contains_key("tcp 10.77.0.7:8007"), "{sent:#?}");
}

#[test]
fn added_hosts_are_marked_and_clients_hear_of_it() {
    let Some(mut lab) = lab() else { return };
    lab.host("host5", "10.77.0.5/27").unwrap();
    let pve = lab.inside("host5", || start(Spec::new(1).with_pve(PveSpec::new("lab", 1, 3))).unwrap());
    lab.relay("host5", 8006, &pve.url(0));
    let (token, secret) = pve.token(0);
    lab.inside("pulse", || {
        let program = discovering(&[("DISCOVERY_SUBNET", "10.77.0.4/30")]);
        program
            .until("the host", || Some(program.get("/api/discover")).filter(|f| f["servers"][0]["ip"] == "10.77.0.5"));
        let node = json!({ "type": "pve", "name": "lab", "host": "https://10.77.0.5:8006", "verifySSL": false,
            "tokenName": token, "tokenValue": secret });
        assert_eq!(program.send("POST", "/api/config/nodes", &node).0, 201);
        assert_eq!(program.get("/api/discover")["servers"][0]["configured"], true);
        let stream = TcpStream::connect(("127.0.0.1", program.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let (mut socket, _) = tungstenite::client(format!("ws://127.0.0.1:{}/ws", program.port), stream).unwrap();
        // The message two seconds after adding may still be on its way: it is not the immediate one.
        assert_eq!(program.send("DELETE", "/api/config/nodes/pve-0", &Value::Null).0, 200);
        let update = loop {
            let Message::Text(text) = socket.read().expect("a message") else { continue };
            let message: Value = serde_json::from_str(text.as_str()).unwrap();
            if message["type"] == "discovery_update" && message["data"]["immediate"] == true {
                break message;
            }
        };
        assert_eq!(update["data"]["servers"][0]["configured"], false, "{update}");
    });
}

#[test]
fn it_stops_at_once_when_switched_off_or_told_to_end() {
    let Some(lab) = lab() else { return };
    lab.inside("pulse", || {
        let off = |program: &Program, on: bool| {
            let (status, said) =
                program.send("POST", "/api/system/settings/update", &json!({ "discoveryEnabled": on }));
            assert_eq!(status, 200, "{said}");
        };
        // Without the variable the switch is the setting.
        let mut program = Program::with(&[("DISABLE_AUTH", "true"), ("DISCOVERY_ENABLED", "")]);
        program
            .until("the end of the first scan", || program.get("/api/discover")["updated"].as_i64().filter(|u| *u > 0));
        let scanning = |wanted: bool| {
            program.until("the scan", || Some(()).filter(|()| program.get("/api/discover")["scanning"] == wanted))
        };
        // A thousand addresses, none of which answers: a scan of a minute.
        let (status, said) = program.send("POST", "/api/discover", &json!({ "subnet": "10.99.0.0/22" }));
        assert_eq!((status, &said["scanning"]), (200, &json!(true)));
        let tap = lab.tap("pulse");
        std::thread::sleep(Duration::from_secs(2));
        let began = tap.end();
        let count = |sent: &Sent| sent.keys().filter(|k| k.starts_with("tcp 10.99.")).count();
        // Threads and pace bound it, however large the range is.
        assert!((1..=200).contains(&count(&began)), "{began:#?}");
        off(&program, false);
        scanning(false);
        std::thread::sleep(Duration::from_millis(1_500));
        let tap = lab.tap("pulse");
        let (status, said) = program.send("POST", "/api/discover", &json!({ "subnet": "10.99.0.0/22" }));
        assert_eq!((status, &said["servers"], &said["scanning"]), (200, &json!([]), &json!(false)));
        let found = program.get("/api/discover");
        assert_eq!((&found["servers"], &found["errors"], &found["cached"]), (&json!([]), &json!([]), &json!(false)));
        std::thread::sleep(Duration::from_secs(3));
        let after = tap.end();
        assert!(after.keys().all(|k| k.starts_with("arp ")), "nothing is asked any more: {after:#?}");

        off(&program, true);
        let (_, said) = program.send("POST", "/api/discover", &json!({ "subnet": "10.99.0.0/22" }));
        assert_eq!(said["scanning"], true);
        scanning(true);
        std::thread::sleep(Duration::from_secs(1));
        let began = Instant::now();
        assert!(program.terminate());
        let took = began.elapsed();
        assert!(took < Duration::from_secs(2), "{took:?}");
        println!("it ended {took:?} after SIGTERM in the middle of a scan");
    });
}

#[test]
fn no_setting_and_no_request_leads_beyond_private_networks() {
    let Some(lab) = lab() else { return };
    let tap = lab.tap("pulse");
    lab.inside("pulse", || {
        let program = discovering(&[("DISCOVERY_SUBNET", "198.51.100.0/24")]);
        let found = program.until("the refusal", || Some(program.get("/api/discover")).filter(|f| f["updated"] != 0));
        assert!(found["errors"][0].as_str().unwrap().contains("not private"), "{found}");
        for subnet in
            ["8.8.8.0/24", "0.0.0.0/0", "10.0.0.0/7", "169.254.0.0/16", "fd00::/64", "10.0.0.0/24;id", "pve.lan"]
        {
            let (status, said) = program.send("POST", "/api/discover", &json!({ "subnet": subnet }));
            let said = said.as_str().map(str::to_owned).unwrap_or(said["error"].to_string());
            assert!(status == 400 && said.contains("Discovery failed: invalid subnet: "), "{subnet}: {status} {said}");
        }
        for body in [json!([]), json!({ "subnet": 5 }), json!({ "use_cache": "yes" })] {
            assert_eq!(program.send("POST", "/api/discover", &body).0, 400, "{body}");
        }
        std::thread::sleep(Duration::from_secs(2));
    });
    assert_eq!(tap.end(), Sent::new(), "not one frame left the machine");
}

#[test]
fn a_demonstration_looks_at_no_network() {
    let Some(lab) = lab() else { return };
    let folder = Folder::new("discover-demo");
    let port = folder.path().join("port");
    let tap = lab.tap("pulse");
    let code = lab.inside("pulse", || {
        let mut child = Command::new(env!("CARGO_BIN_EXE_pulse"))
            .args(["demo", "--nodes", "1", "--guests", "2", "--port", "0"])
            .env("DISCOVERY_ENABLED", "true")
            .env("PULSE_PORT_FILE", &port)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let end = Instant::now() + Duration::from_secs(30);
        while !port.exists() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(50));
        }
        // A scan begins within the first second.
        std::thread::sleep(Duration::from_secs(3));
        // SAFETY: kill takes two integers.
        unsafe { libc::kill(child.id() as i32, libc::SIGTERM) };
        child.wait().unwrap()
    });
    assert!(code.success() && port.exists(), "{code}");
    assert_eq!(tap.end(), Sent::new(), "not one frame left the machine");
}

#[test]
fn settings_take_only_what_may_be_asked() {
    let folder = Folder::new("discover");
    let mut desk = Desk::open(&folder, &[("DISCOVERY_ENABLED", "false")]);
    let mut put =
        |subnet: &str| desk.call(Method::Post, "/api/system/settings/update", &json!({ "discoverySubnet": subnet })).0;
    assert_eq!(put("192.168.1.0/24, 10.0.4.0/22"), 200);
    assert_eq!(put("auto"), 200);
    for subnet in ["8.8.8.0/24", "fd00::/64", "10.0.0.0/33", "everything"] {
        assert_eq!(put(subnet), 400, "{subnet}");
    }
    let report = desk.get("/api/diagnostics");
    assert_eq!((&report["discovery"]["enabled"], &report["discovery"]["scanning"]), (&json!(false), &json!(false)));
    assert_eq!(desk.call(Method::Put, "/api/discover", &Value::Null).0, 405);
}
