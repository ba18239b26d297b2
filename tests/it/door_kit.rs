//! A house behind a door: the door with a small owner that answers, in a process of its own, and tools of raw sockets.

use pulse::http::{Body, Response, Shared};
use pulse::owner::Event;
use pulse::web::door::{self, Limits};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// A process of its own, so that memory, threads and descriptors are the house's and nobody else's.
pub struct House {
    child: Child,
    address: SocketAddr,
    dir: PathBuf,
}

/// Limits short enough for tests.
fn limits() -> Limits {
    Limits {
        head_time: Duration::from_millis(1500),
        body_time: Duration::from_millis(800),
        idle_time: Duration::from_millis(2500),
        write_time: Duration::from_secs(2),
        ..Limits::default()
    }
}

/// How a house is built; travels to its process in variables.
#[derive(Default)]
pub struct Plan {
    pub tls: bool,
    pub connections_per_address: Option<usize>,
    /// The house waits this long for stalled bodies and readers.
    pub patience_secs: Option<u64>,
    /// Descriptors the process may have.
    pub descriptors: Option<u64>,
    /// What all bodies, and all answers, may hold together.
    pub memory_kb: Option<u64>,
}

impl House {
    pub fn open() -> House {
        House::build(Plan::default())
    }

    pub fn build(plan: Plan) -> House {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let n = NEXT.fetch_add(1, Ordering::SeqCst);
        let dir = std::env::temp_dir().join(format!("pulse-door-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        if plan.tls {
            write_certificate(&dir);
        }
        let log = std::fs::File::create(dir.join("log")).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "door_kit::a_house_in_its_own_process", "--ignored", "--nocapture"])
            .env("PULSE_TEST_HOUSE", &dir)
            .env("PULSE_TEST_PER_ADDRESS", plan.connections_per_address.unwrap_or(0).to_string())
            .env("PULSE_TEST_PATIENCE", plan.patience_secs.unwrap_or(0).to_string())
            .env("PULSE_TEST_MEMORY_KB", plan.memory_kb.unwrap_or(0).to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log);
        if let Some(most) = plan.descriptors {
            // SAFETY: setrlimit is async-signal-safe and takes a pointer to a value that lives here.
            unsafe {
                command.pre_exec(move || {
                    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
                    libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
                    Ok(())
                })
            };
        }
        let child = command.spawn().unwrap();
        let port = dir.join("port");
        let until = Instant::now() + Duration::from_secs(20);
        let address = loop {
            if let Some(found) = std::fs::read_to_string(&port).ok().and_then(|t| t.parse().ok()) {
                break found;
            }
            assert!(Instant::now() < until, "the house did not open");
            std::thread::sleep(Duration::from_millis(10));
        };
        House { child, address, dir }
    }

    /// Another certificate where the house has its own.
    pub fn renew_certificate(&self) {
        write_certificate(&self.dir);
    }
    pub fn break_certificate(&self) {
        std::fs::write(self.dir.join("cert.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n").unwrap();
    }
    /// The certificate the house shows.
    pub fn certificate(&self) -> Vec<u8> {
        let tls = self.connect_tls();
        tls.conn.peer_certificates().unwrap().first().unwrap().to_vec()
    }
    /// What lies in its folder.
    pub fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.dir).unwrap().flatten();
        let mut names: Vec<_> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn status(&self, name: &str) -> usize {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the house lives");
        let line = text.lines().find(|l| l.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
    /// Resident memory of the house.
    pub fn rss_kb(&self) -> usize {
        self.status("VmRSS:")
    }
    pub fn threads(&self) -> usize {
        self.status("Threads:")
    }
    /// Processor time it used so far, its own and the kernel's for it.
    pub fn cpu_ms(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("the house lives");
        let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks = |n: usize| fields[n].parse::<u64>().unwrap();
        // Fields 14 and 15 of proc(5), in hundredths of a second.
        (ticks(11) + ticks(12)) * 10
    }
    /// What it wrote to stderr.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    pub fn connect(&self) -> TcpStream {
        self.try_connect().expect("the door is open")
    }
    pub fn try_connect(&self) -> Option<TcpStream> {
        let c = TcpStream::connect_timeout(&self.address, Duration::from_secs(5)).ok()?;
        c.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
        Some(c)
    }

    /// One answer by its Content-Length, head and body.
    pub fn read_answer(&self, c: &mut TcpStream) -> String {
        let mut bytes = Vec::new();
        let mut one = [0u8; 1];
        while !bytes.ends_with(b"\r\n\r\n") {
            match c.read(&mut one) {
                Ok(1) => bytes.push(one[0]),
                _ => return String::from_utf8_lossy(&bytes).into_owned(),
            }
        }
        let head = String::from_utf8_lossy(&bytes).into_owned();
        let length = head.lines().find_map(|l| l.strip_prefix("Content-Length: ")).map_or(0, |n| n.parse().unwrap());
        let mut body = vec![0u8; length];
        c.read_exact(&mut body).unwrap();
        head + &String::from_utf8_lossy(&body)
    }

    /// Everything until the door closes; a reset counts as the end.
    pub fn read_to_end(&self, c: &mut TcpStream) -> String {
        let mut bytes = Vec::new();
        let _ = c.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A raw connection under TLS, its handshake done; whatever certificate is shown is taken.
    pub fn connect_tls(&self) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
        super::support::tls::client(self.connect())
    }

    pub fn get_tls(&self, path: &str) -> String {
        let tls = ureq::tls::TlsConfig::builder()
            .disable_verification(true)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let agent: ureq::Agent = ureq::Agent::config_builder().tls_config(tls).build().into();
        let url = format!("https://{}{path}", self.address);
        agent.get(&url).call().unwrap().body_mut().read_to_string().unwrap()
    }

    /// Others are served, now.
    pub fn assert_serves(&self) {
        let mut c = self.connect();
        c.write_all(b"GET /api/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let answer = self.read_to_end(&mut c);
        assert!(answer.starts_with("HTTP/1.1 200 "), "no service: {answer:?}");
    }

    /// Closes with a reset instead of a goodbye.
    pub fn reset(&self, c: TcpStream) {
        let linger = libc::linger { l_onoff: 1, l_linger: 0 };
        let size = std::mem::size_of::<libc::linger>() as libc::socklen_t;
        unsafe { libc::setsockopt(c.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, (&raw const linger).cast(), size) };
    }

    pub fn wait_until(&self, what: &str, mut done: impl FnMut() -> bool) {
        let until = Instant::now() + Duration::from_secs(20);
        while !done() {
            assert!(Instant::now() < until, "waited in vain for {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn write_certificate(dir: &std::path::Path) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(dir.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
}

/// Not a test of its own: what [`House::build`] runs in another process. It ends when its standard input does.
#[test]
#[ignore = "started by the tests of the door"]
fn a_house_in_its_own_process() {
    let Some(dir) = std::env::var_os("PULSE_TEST_HOUSE").map(PathBuf::from) else { return };
    let mut limits = limits();
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok()).filter(|n| *n > 0);
    if let Some(n) = number("PULSE_TEST_PER_ADDRESS") {
        limits.connections_per_address = n as usize;
    }
    if let Some(secs) = number("PULSE_TEST_PATIENCE") {
        limits.body_time = Duration::from_secs(secs);
        limits.write_time = Duration::from_secs(secs);
    }
    if let Some(kb) = number("PULSE_TEST_MEMORY_KB") {
        limits.bodies_bytes = kb as usize * 1024;
        limits.answers_bytes = kb as usize * 1024;
    }
    let (certificate, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    let tls = certificate.exists().then_some((certificate, key));
    let (events, inbox) = crossbeam_channel::unbounded();
    let config = door::Config { bind: [127, 0, 0, 1].into(), port: 0, tls, run_dir: dir.clone(), limits };
    let door = door::open(config, events).unwrap();
    std::fs::write(dir.join("port.part"), door.address().to_string()).unwrap();
    std::fs::rename(dir.join("port.part"), dir.join("port")).unwrap();
    log::set_logger(&Log).unwrap();
    log::set_max_level(log::LevelFilter::Info);
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let mut sockets = Vec::new();
    for event in inbox.iter() {
        match event {
            Event::Request(call, reply) => drop(reply.send(answer(&call))),
            Event::Socket(event) => sockets.push(event),
            _ => {}
        }
    }
}

/// The house's log is its stderr.
struct Log;

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata) -> bool {
        true
    }
    fn log(&self, record: &log::Record) {
        eprintln!("{} {}", record.level(), record.args());
    }
    fn flush(&self) {}
}

/// What the small owner says: the method and path, and what the test asks to see.
fn answer(call: &pulse::http::Call) -> Response {
    let odd = call.header("x-odd").unwrap_or_default();
    let said = match call.path.as_str() {
        "/ws" => {
            return Response::new(101, "text/plain", Body::Static(b"")).with("X-Pulse-Session", "session:secret");
        }
        "/nothing" => return Response::error(204, "said all the same"),
        // Shared, as large answers are: what the house holds beside it is the door's.
        "/large" => {
            static LARGE: LazyLock<Arc<Shared>> = LazyLock::new(|| Arc::new(Shared::new(vec![b'x'; 8_000_000])));
            return Response::new(200, "text/plain", Body::Shared(LARGE.clone()));
        }
        "/cacheable" => {
            let document = Arc::new(Shared::new("{\"a\":1}".repeat(1000).into_bytes()));
            return Response::shared_json(document);
        }
        "/peer" => format!("{} {odd}", call.peer),
        _ => String::from_utf8_lossy(&call.body).into_owned(),
    };
    Response::text(200, &format!("{} {} {said}", call.method.as_str(), call.path))
}

pub fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
