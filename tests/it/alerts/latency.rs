//! From a threshold that is crossed in Proxmox to the alert on a page: within one cycle and the configured delay.

use crate::support::host::{self, Asked, Reply};
use crate::support::program::Program;
use serde_json::{Value, json};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tungstenite::{Message, client};

const CYCLE: Duration = Duration::from_secs(5);

fn answer(asked: &Asked, busy: bool) -> Reply {
    Reply::data(&match asked.path() {
        "cluster/status" => json!([{"type": "node", "name": "alpha", "local": 1, "online": 1, "ip": "127.0.0.1"}]).to_string(),
        "nodes" => json!([{"node": "alpha", "status": "online", "cpu": 0.1, "maxcpu": 4, "mem": 1, "maxmem": 8, "disk": 1, "maxdisk": 9, "uptime": 99}]).to_string(),
        "nodes/alpha/lxc" => json!([{
            "vmid": 200, "name": "dns", "status": "running", "cpu": if busy { 0.99 } else { 0.02 }, "cpus": 1,
            "mem": 100, "maxmem": 1000, "disk": 100, "maxdisk": 1000, "uptime": 5000,
        }]).to_string(),
        "nodes/alpha/status" => json!({"cpu": 0.1, "uptime": 99, "memory": {"total": 8, "used": 1, "free": 7}}).to_string(),
        _ => "[]".to_owned(),
    })
}

#[test]
fn an_alert_reaches_a_page_within_one_cycle_and_its_delay() {
    for delay_secs in [0, 4] {
        let busy = Arc::new(AtomicBool::new(false));
        let state = busy.clone();
        let host = host::https(move |asked| answer(asked, state.load(Ordering::SeqCst)));
        let program = Program::open();
        let thresholds = json!({ "guestDefaults": {"cpu": {"trigger": 80, "clear": 75, "delay": delay_secs}} });
        assert_eq!(program.send("PUT", "/api/alerts/config", &thresholds).0, 200);
        assert_eq!(program.send("PUT", "/api/config/system", &json!({ "pollingInterval": 5 })).0, 200);
        let pin: Vec<String> = host.fingerprint.unwrap().iter().map(|b| format!("{b:02X}")).collect();
        let body = json!({
            "type": "pve", "name": "lab", "host": host.url, "verifySSL": true, "fingerprint": pin.join(":"),
            "tokenName": "pulse@pam!watch", "tokenValue": "0f9c64a4-2f3c-4e0e-9d0a-6f9b6d6f4c11",
            "monitorVMs": true, "monitorContainers": true, "monitorStorage": false, "monitorBackups": false,
        });
        assert_eq!(program.send("POST", "/api/config/nodes", &body).0, 201);
        program.until("the guest at rest", || {
            (program.get("/api/state")["containers"][0]["cpu"] == json!(0.02)).then_some(())
        });
        let stream = TcpStream::connect(("127.0.0.1", program.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let (mut page, _) = client(format!("ws://127.0.0.1:{}/ws", program.port), stream).unwrap();
        busy.store(true, Ordering::SeqCst);
        let crossed = Instant::now();
        let alert = loop {
            let Message::Text(text) = page.read().unwrap() else { continue };
            let message: Value = serde_json::from_str(text.as_str()).unwrap();
            if message["type"] == "alert" {
                break message["data"].clone();
            }
        };
        let took = crossed.elapsed();
        assert_eq!((&alert["resourceName"], &alert["type"]), (&json!("dns"), &json!("cpu")), "{alert}");
        let delay = Duration::from_secs(delay_secs);
        println!("delay {delay_secs} s: on the page after {:.1} s", took.as_secs_f64());
        // A second for polling itself, and for a machine that is busy with other tests.
        assert!(took >= delay && took <= CYCLE + delay + Duration::from_secs(2), "{took:?} with a delay of {delay:?}");
    }
}
