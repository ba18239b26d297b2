//! What the service manager sees of the program: readiness, the watchdog, the end, and the priorities of log lines.
//! `tests/packaging/run` tells of installing and updating.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Stands in for systemd: a notification socket, and the program started as a unit would be.
struct Unit {
    child: Child,
    socket: UnixDatagram,
    dir: PathBuf,
}

impl Unit {
    /// `abstract_name`: the socket has no path, as systemd's own in a container. `watchdog` as `WatchdogSec`.
    fn start(abstract_name: bool, watchdog: Option<Duration>) -> Unit {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("pulse-unit-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst));
        let dir = std::env::temp_dir().join(&name);
        std::fs::create_dir_all(&dir).unwrap();
        let (socket, notify) = if abstract_name {
            (UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap(), format!("@{name}"))
        } else {
            let path = dir.join("notify");
            (UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap().to_owned())
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_pulse"));
        command
            .arg("serve")
            .env("NOTIFY_SOCKET", notify)
            .env("PULSE_DATA_DIR", dir.join("data"))
            .env("PULSE_PORT_FILE", dir.join("port"))
            .env("PORT", "0")
            .env("BIND_ADDRESS", "127.0.0.1")
            .env("DISCOVERY_ENABLED", "false")
            .env("PULSE_UPDATE_SERVER", "http://127.0.0.1:9")
            .env_remove("WATCHDOG_USEC")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some(watchdog) = watchdog {
            command.env("WATCHDOG_USEC", watchdog.as_micros().to_string());
        }
        Unit { child: command.spawn().unwrap(), socket, dir }
    }

    /// The next message within `patience`.
    fn hears(&self, patience: Duration) -> Option<String> {
        let mut buffer = [0; 512];
        self.socket.set_read_timeout(Some(patience)).unwrap();
        let length = self.socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8(buffer[..length].to_vec()).unwrap())
    }

    fn port(&self) -> u16 {
        std::fs::read_to_string(self.dir.join("port")).unwrap().parse().unwrap()
    }

    fn pid(&self) -> i32 {
        self.child.id().try_into().unwrap()
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn has_line(message: &str, line: &str) -> bool {
    message.lines().any(|l| l == line)
}

#[test]
fn it_is_ready_when_it_listens_and_says_when_it_ends() {
    for abstract_name in [false, true] {
        let mut unit = Unit::start(abstract_name, None);
        let ready = unit.hears(Duration::from_secs(30)).expect("a message");
        assert!(has_line(&ready, "READY=1"), "{ready}");
        std::net::TcpStream::connect(("127.0.0.1", unit.port())).expect("it listens once it is ready");
        assert_eq!(unit.hears(Duration::from_millis(2_500)), None, "nothing is fed without a watchdog");
        // SAFETY: kill takes two integers.
        unsafe { libc::kill(unit.pid(), libc::SIGTERM) };
        assert!(has_line(&unit.hears(Duration::from_secs(10)).expect("a last message"), "STOPPING=1"));
        assert!(unit.child.wait().unwrap().success());
    }
}

#[test]
fn the_watchdog_is_fed_at_half_its_time() {
    let unit = Unit::start(false, Some(Duration::from_secs(4)));
    assert!(has_line(&unit.hears(Duration::from_secs(30)).unwrap(), "READY=1"));
    let began = Instant::now();
    for _ in 0..3 {
        let message = unit.hears(Duration::from_secs(4)).expect("fed within the watchdog's time");
        assert!(has_line(&message, "WATCHDOG=1"), "{message}");
    }
    assert!(began.elapsed() > Duration::from_secs(3), "not fed more often than needed");
}

/// Only the thread that owns the state is stopped; all the others run on, and that must not look alive.
#[test]
fn a_stuck_owner_no_longer_feeds_the_watchdog() {
    let unit = Unit::start(true, Some(Duration::from_secs(2)));
    assert!(has_line(&unit.hears(Duration::from_secs(30)).unwrap(), "READY=1"));
    assert!(has_line(&unit.hears(Duration::from_secs(4)).unwrap(), "WATCHDOG=1"));
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: ptrace of a child of this process, whose first thread alone is seized and interrupted.
    unsafe {
        assert_eq!(libc::ptrace(libc::PTRACE_SEIZE, unit.pid(), none, none), 0);
        assert_eq!(libc::ptrace(libc::PTRACE_INTERRUPT, unit.pid(), none, none), 0);
    }
    // At most the one that was already on its way.
    let _ = unit.hears(Duration::from_millis(300));
    std::net::TcpStream::connect(("127.0.0.1", unit.port())).expect("the door's threads still run");
    assert_eq!(unit.hears(Duration::from_secs(5)), None, "fed by a thread that is not the owner");
}

/// The first line that the program logs to stderr; `named`: whether `JOURNAL_STREAM` names that stderr or another file.
fn first_line(named: bool) -> String {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let theirs = OwnedFd::from(theirs);
    let of = std::fs::File::from(theirs.try_clone().unwrap()).metadata().unwrap();
    let inode = if named { of.ino() } else { of.ino() + 1 };
    let out = Command::new(env!("CARGO_BIN_EXE_pulse"))
        .arg("serve")
        .env("PULSE_DATA_DIR", "/proc/no-folder-can-be-made-here")
        .env("JOURNAL_STREAM", format!("{}:{inode}", of.dev()))
        .stdin(Stdio::null())
        .stderr(theirs)
        .status()
        .unwrap();
    assert!(!out.success());
    let mut text = String::new();
    ours.read_to_string(&mut text).unwrap();
    text.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn the_journal_gets_priorities_and_nobody_else_does() {
    let line = first_line(true);
    assert!(line.starts_with("<3>failed to "), "{line}");
    let line = first_line(false);
    assert!(line.contains("ERROR") && !line.starts_with('<'), "{line}");
}
