//! Measures what Pulse costs as the operating system counts it: `cargo bench --bench budgets [SCENE …]`.
//! Scenes: start, empty, scrape (of 1,000 guests), small (3 nodes, 50 guests), middle (100 guests, a page that takes deltas), large (10 nodes,
//! 1,000 guests, 20 WebSocket clients), alone (the same hosts, no clients). The hosts are simulated in this process, Pulse is a process of its own.
//! `PULSE_BINARY` names another binary than the one just built, `BENCH_SECS` how long each scene is watched (180).
//! Prints figures beside their budgets; asserts nothing.

use pulse::demo::{self, Connection, Simulator, Spec};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

fn binary() -> PathBuf {
    std::env::var_os("PULSE_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_pulse").into(), PathBuf::from)
}

fn watched() -> Duration {
    Duration::from_secs(std::env::var("BENCH_SECS").ok().and_then(|s| s.parse().ok()).unwrap_or(180))
}

/// What the kernel counted for a process so far.
#[derive(Clone, Copy)]
struct Used {
    cpu_secs: f64,
    written_bytes: u64,
    rss_kb: u64,
    threads: u64,
}

struct Pulse {
    child: Child,
    port: u16,
    dir: PathBuf,
}

impl Drop for Pulse {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Pulse {
    /// Starts it in a new folder and waits for the first answer; says how long that took.
    fn start(name: &str, vars: &[(&str, &str)]) -> (Pulse, Duration) {
        let dir = std::env::temp_dir().join(format!("pulse-budgets-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("a folder");
        // A port that was free a moment ago: the start is timed to the first answer, not to a file that names the port.
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
        let began = Instant::now();
        let child = Command::new(binary())
            .arg("serve")
            .env("PULSE_DATA_DIR", dir.join("data"))
            .env("PORT", port.to_string())
            .env("BIND_ADDRESS", "127.0.0.1")
            // Steady days are measured; what Proxmox recorded is fetched once in a connection's life.
            .env("PULSE_BACKFILL", "false")
            .env("DISCOVERY_ENABLED", "false")
            .env("PULSE_UPDATE_SERVER", "http://127.0.0.1:9")
            .envs(vars.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary");
        let pulse = Pulse { child, port, dir };
        while pulse.ask("GET", "/api/health", "") != Some(200) {
            assert!(began.elapsed() < Duration::from_secs(20), "no answer");
            thread::sleep(Duration::from_micros(200));
        }
        (pulse, began.elapsed())
    }

    /// The status of an answer.
    fn ask(&self, method: &str, path: &str, body: &str) -> Option<u16> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: l\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()
    }

    fn add(&self, host: &Connection) {
        let body = serde_json::json!({
            "type": if host.backup_server { "pbs" } else { "pve" }, "name": host.name, "host": host.url,
            "tokenName": host.access.token_id, "tokenValue": host.access.token_secret, "fingerprint": host.fingerprint,
            "verifySSL": true, "monitorVMs": true, "monitorContainers": true, "monitorStorage": true,
            "monitorBackups": true, "monitorDatastores": true,
        });
        assert_eq!(self.ask("POST", "/api/config/nodes", &body.to_string()), Some(201), "{} is added", host.name);
    }

    fn used(&self) -> Used {
        let proc = Path::new("/proc").join(self.child.id().to_string());
        let read = |name: &str| std::fs::read_to_string(proc.join(name)).unwrap_or_default();
        let field = |text: &str, key: &str| {
            let line = text.lines().find_map(|l| l.strip_prefix(key)).unwrap_or("0");
            line.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0)
        };
        let stat = read("stat");
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks: u64 = after_name.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
        let status = read("status");
        Used {
            cpu_secs: ticks as f64 / 100.0,
            written_bytes: field(&read("io"), "write_bytes:"),
            rss_kb: field(&status, "VmRSS:"),
            threads: field(&status, "Threads:"),
        }
    }
}

/// A page: takes whatever comes, and counts it.
struct Page {
    bytes: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Page {
    fn open(port: u16, deltas: bool) -> Page {
        let (bytes, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, ended) = (bytes.clone(), stop.clone());
        let thread = thread::spawn(move || {
            let stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
            let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
            let (mut socket, _) =
                tungstenite::client(format!("ws://127.0.0.1:{port}/ws"), stream).expect("a handshake");
            if deltas {
                let wish = r#"{"type":"subscribe","data":{"deltas":true}}"#;
                let _ = socket.send(tungstenite::Message::text(wish));
            }
            while !ended.load(Ordering::SeqCst) {
                match socket.read() {
                    Ok(message) => counted.fetch_add(message.len() as u64 + 4, Ordering::SeqCst),
                    Err(tungstenite::Error::Io(_)) => continue,
                    Err(e) => panic!("the socket ended: {e}"),
                };
            }
        });
        Page { bytes, stop, thread: Some(thread) }
    }
    fn received(&self) -> u64 {
        self.bytes.load(Ordering::SeqCst)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn row(what: &str, found: String, budget: &str) {
    println!("  {what:<46} {found:>18}   budget {budget}");
}

fn mb(kb: u64) -> String {
    format!("{:.1} MB", kb as f64 / 1000.0 * 1.024)
}

/// Requests a minute to each host since the simulator began to count anew.
fn requests(simulator: &Simulator, over: Duration) {
    let counts = simulator.counts();
    for (index, host) in simulator.connections().iter().enumerate() {
        let of_host = counts.by_pattern.iter().filter(|((h, _), _)| *h == index);
        let mut rows: Vec<(u64, &str)> = of_host.map(|((_, p), n)| (*n, p.as_str())).collect();
        rows.sort_unstable_by(|a, b| b.cmp(a));
        let minutes = over.as_secs_f64() / 60.0;
        let total: u64 = rows.iter().map(|(n, _)| n).sum();
        let guests: u64 =
            rows.iter().filter(|(_, p)| p.contains("/agent/") || p.contains("{vmid}")).map(|(n, _)| n).sum();
        let kind = if host.backup_server { "6 a minute" } else { "40 a minute, beside 1 per running VM" };
        row(
            &format!("requests to {}", host.name),
            format!("{:.1} ({:.1} guests)", total as f64 / minutes, guests as f64 / minutes),
            kind,
        );
        for (n, path) in rows.iter().take(6) {
            println!("      {:>7.1} {path}", *n as f64 / minutes);
        }
    }
}

fn scene(name: &str, nodes: usize, guests: usize, pages: usize, budgets: [&str; 3]) {
    let simulator = demo::start(Spec::small(nodes, guests, 7)).expect("hosts");
    let (pulse, _) = Pulse::start(name, &[("DISABLE_AUTH", "true")]);
    for host in simulator.connections() {
        pulse.add(&host);
    }
    let clients: Vec<Page> = (0..pages).map(|_| Page::open(pulse.port, true)).collect();
    // The first minutes fetch what changes rarely, and the past of every chart.
    thread::sleep(Duration::from_secs(120));
    simulator.forget();
    let (before, began) = (pulse.used(), Instant::now());
    let heard: u64 = clients.iter().map(Page::received).sum();
    thread::sleep(watched());
    let (after, over) = (pulse.used(), began.elapsed());
    println!("{nodes} nodes, {guests} guests, {pages} pages, {:.0} s after two minutes:", over.as_secs_f64());
    row("RSS", mb(after.rss_kb), budgets[0]);
    row("threads", after.threads.to_string(), "");
    row(
        "CPU, share of a core",
        format!("{:.3} %", (after.cpu_secs - before.cpu_secs) / over.as_secs_f64() * 100.0),
        budgets[1],
    );
    let a_day = (after.written_bytes - before.written_bytes) as f64 / over.as_secs_f64() * 86_400.0 / 1e6;
    row("written, as if for a day", format!("{a_day:.1} MB"), budgets[2]);
    if pages > 0 {
        let each = (clients.iter().map(Page::received).sum::<u64>() - heard) as f64 / pages as f64 / over.as_secs_f64();
        row("WebSocket, a page", format!("{:.2} kB/s", each / 1e3), "1 kB/s at 100 guests");
    }
    requests(&simulator, over);
}

/// What a scrape costs; the hosts' own polls in the meantime are taken off.
fn scrape() {
    const SCRAPES: u32 = 200;
    let simulator = demo::start(Spec::small(10, 1_000, 7)).expect("hosts");
    let (pulse, _) = Pulse::start("scrape", &[("DISABLE_AUTH", "true")]);
    for host in simulator.connections() {
        pulse.add(&host);
    }
    thread::sleep(Duration::from_secs(60));
    let (before, began) = (pulse.used(), Instant::now());
    thread::sleep(Duration::from_secs(20));
    let idle = (pulse.used().cpu_secs - before.cpu_secs) / began.elapsed().as_secs_f64();
    let (before, began) = (pulse.used(), Instant::now());
    for _ in 0..SCRAPES {
        assert_eq!(pulse.ask("GET", "/metrics/pve", ""), Some(200));
    }
    let spent = pulse.used().cpu_secs - before.cpu_secs - idle * began.elapsed().as_secs_f64();
    println!("10 nodes, 1,000 guests, {SCRAPES} scrapes:");
    row("CPU, a scrape", format!("{:.2} ms", spent / f64::from(SCRAPES) * 1e3), "10 ms");
}

fn start() {
    let env = [("PULSE_AUTH_USER", "admin"), ("PULSE_AUTH_PASS", "a plain password")];
    let mut times: Vec<Duration> = (0..21).map(|n| Pulse::start(&format!("start-{n}"), &env).1).collect();
    times.sort_unstable();
    println!("start, 21 times:");
    row("binary", format!("{} B", std::fs::metadata(binary()).map_or(0, |m| m.len())), "5,000,000 B");
    row("until the first 200, median", format!("{:.1} ms", times[10].as_secs_f64() * 1e3), "20 ms");
}

fn empty() {
    let (pulse, _) = Pulse::start("empty", &[("DISABLE_AUTH", "true")]);
    thread::sleep(Duration::from_secs(30));
    let used = pulse.used();
    println!("no hosts, after 30 s:");
    row("RSS", mb(used.rss_kb), "6 MB");
    row("threads", used.threads.to_string(), "");
}

fn main() {
    let named: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let wanted = |name: &str| named.is_empty() || named.iter().any(|n| n == name);
    if wanted("start") {
        start();
    }
    if wanted("empty") {
        empty();
    }
    if wanted("scrape") {
        scrape();
    }
    if wanted("small") {
        scene("small", 3, 50, 0, ["10 MB", "0.13 %", ""]);
    }
    if wanted("middle") {
        scene("middle", 3, 100, 1, ["", "", "5 MB"]);
    }
    if wanted("large") {
        scene("large", 10, 1_000, 20, ["48 MB", "", ""]);
    }
    if wanted("alone") {
        scene("alone", 10, 1_000, 0, ["", "0.55 %", ""]);
    }
}
