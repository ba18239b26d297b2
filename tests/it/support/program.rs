//! The real program, started on a free port with a folder of its own, killed when the test lets go of it.

use super::trail;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub struct Program {
    child: Child,
    pub port: u16,
    pub dir: PathBuf,
    /// The folder is this test's to remove.
    own_dir: bool,
}

impl Program {
    /// `pulse serve` in a new folder, without authentication.
    pub fn open() -> Program {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let n = NEXT.fetch_add(1, Ordering::SeqCst);
        let dir = std::env::temp_dir().join(format!("pulse-program-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let mut program = Program::on(&dir);
        program.own_dir = true;
        program
    }

    /// The folder stays when this one is gone: another will be started on it.
    pub fn keeping_its_folder(mut self) -> Program {
        self.own_dir = false;
        self
    }

    /// `pulse serve` in a new folder with these variables; authentication is as they say.
    pub fn with(vars: &[(&str, &str)]) -> Program {
        let dir = super::folder::Folder::new("program").keep();
        let mut program = Program::start(&dir, vars);
        program.own_dir = true;
        program
    }

    /// `pulse serve` on a folder that is there, without authentication.
    pub fn on(dir: &Path) -> Program {
        Program::start(dir, &[("DISABLE_AUTH", "true")])
    }

    fn start(dir: &Path, vars: &[(&str, &str)]) -> Program {
        trail::started(vars);
        let port_file = dir.join("port");
        let _ = std::fs::remove_file(&port_file);
        let log = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_pulse"))
            .arg("serve")
            .env("PULSE_DATA_DIR", dir.join("data"))
            .env("PULSE_PORT_FILE", &port_file)
            .env("PORT", "0")
            .env("BIND_ADDRESS", "127.0.0.1")
            .env("DISCOVERY_ENABLED", "false")
            .env("PULSE_UPDATE_SERVER", "http://127.0.0.1:9")
            .env("LOG_LEVEL", if trail::is_on() { "debug" } else { "info" })
            .envs(vars.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut program = Program { child, port: 0, dir: dir.to_owned(), own_dir: false };
        program.port = program.until("the port", || std::fs::read_to_string(&port_file).ok()?.parse().ok());
        program
    }

    /// What `probe` finds, waited for.
    pub fn until<T>(&self, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(found) = probe() {
                return found;
            }
            assert!(Instant::now() < end, "waited in vain for {what}; log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// Resident memory.
    pub fn rss_kb(&self) -> usize {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the program lives");
        let line = text.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    fn agent() -> ureq::Agent {
        let config =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(30)));
        config.build().into()
    }

    /// Status and JSON of a request; `None` when the program does not answer.
    pub fn try_send(&self, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let request = ureq::http::Request::builder().method(method).uri(url).header("Content-Type", "application/json");
        let text = if method == "GET" { String::new() } else { body.to_string() };
        trail::asked([], text.as_bytes());
        let mut response = Program::agent().run(request.body(text).unwrap()).ok()?;
        let status = response.status().as_u16();
        let text = response.body_mut().with_config().limit(64 << 20).read_to_string().ok()?;
        let headers = response.headers().iter().map(|(k, v)| (k.as_str(), v.to_str().unwrap_or_default()));
        trail::answered(method, path, status, headers, text.as_bytes());
        Some((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }
    pub fn send(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.try_send(method, path, body)
            .unwrap_or_else(|| panic!("no answer to {method} {path}; log:\n{}", self.log()))
    }
    pub fn get(&self, path: &str) -> Value {
        let (status, value) = self.send("GET", path, &Value::Null);
        assert_eq!(status, 200, "{path}: {value}");
        value
    }

    /// kill -9.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
    /// SIGTERM, and whether it ended well within ten seconds.
    pub fn terminate(&mut self) -> bool {
        // SAFETY: kill takes two integers.
        unsafe { libc::kill(self.child.id() as i32, libc::SIGTERM) };
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status.success();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
        trail::logged(&self.dir.join("log"));
        if self.own_dir {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}
