//! Wiring: reads the configuration, starts the threads, joins them by channels, and runs the owner until it ends.
//! No decision is taken here.

#[cfg(feature = "demo")]
pub mod demo;
mod logging;
mod systemd;

use crate::auth;
use crate::config::transfer;
use crate::config::{DataDir, Environment, Live, Nodes, Opened, Settings, Writer, data_dir};
use crate::model::Now;
use crate::owner::{Core, Event, Jobs, NOTIFY_QUEUE, check_documents, run};
use crate::web::{door, router};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Events that may wait for the owner; a flood beyond it makes the senders wait.
const EVENTS_WAITING: usize = 4096;
/// How often files are looked at for changes from outside.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// Runs the server with what the environment and the data directory say.
pub fn serve() -> ExitCode {
    let started = Instant::now();
    let env = Environment::of_process();
    logging::start(env.word("LOG_LEVEL").unwrap_or("info"));
    let path = data_dir(&env);
    match start(env, &path, started, None) {
        Ok(server) => server.run(started),
        Err(e) => {
            log::error!("{e}");
            ExitCode::FAILURE
        }
    }
}

/// Everything that runs beside the owner; dropping it closes the door.
struct Server {
    core: Core,
    events: Receiver<Event>,
    door: door::Door,
}

/// `nodes`: connections instead of the configured ones.
fn start(env: Environment, path: &Path, started: Instant, nodes: Option<Nodes>) -> Result<Server, String> {
    let mut dir = DataDir::open(path)?;
    for note in dir.notes() {
        log::warn!("{note}");
    }
    match transfer::first_import(&mut dir, &env, check_documents) {
        Some(Ok(())) => log::info!("the initial configuration was imported"),
        Some(Err(e)) => log::error!("{e}"),
        None => {}
    }
    let in_memory = env.word("PULSE_HISTORY") == Some("memory");
    let mut opened = Opened::read(&mut dir, env)?;
    if let Some(nodes) = nodes {
        opened.nodes = nodes;
    }
    for remark in &opened.remarks {
        log::warn!("{remark}");
    }
    for (file, problem) in &opened.problems {
        log::error!("{file}: {problem}");
    }
    log::set_max_level(opened.settings.log_level);
    let kept = auth::Files::read(&dir)?;
    let queue = dir.read(NOTIFY_QUEUE).unwrap_or_else(|e| {
        log::error!("{e}");
        None
    });
    let audit = auth::audit::Log::start(path)?;
    let (sender, events) = bounded(EVENTS_WAITING);
    let outside = sender.clone();
    let writer = Writer::start(dir, LOOK_EVERY, move |change| {
        let tell: crate::owner::Continue = Box::new(move |core: &mut Core| {
            core.changed_outside(change);
            crate::http::Response::error(204, "").into()
        });
        let _ = outside.send(Event::Done(tell, None));
    })?;
    let alerts = opened.alerts.clone();
    let (email, webhooks) = (opened.email.take(), opened.webhooks.take());
    let metrics = opened.metrics.take();
    let config = Live::new(opened, writer);
    let settings = config.settings.clone();
    let mut core = Core::new(Now::read(started), Jobs::start(sender.clone()));
    core.pollers.zero(started);
    core.config = config;
    core.open_doors(&kept, audit)?;
    core.open_alerts(alerts.as_deref(), path);
    core.open_notifications(email.as_deref(), webhooks.as_deref(), queue.as_deref());
    core.open_exports(metrics.as_deref(), path);
    if !in_memory {
        core.open_history(path);
    }
    signals(&sender)?;
    let door = door::open(door_config(&settings, path), sender)?;
    core.nodes_changed();
    core.open_discovery();
    Ok(Server { core, events, door })
}

fn door_config(settings: &Settings, data_dir: &Path) -> door::Config {
    door::Config {
        bind: settings.bind,
        port: settings.port,
        tls: settings.https.as_ref().map(|h| (h.certificate.clone(), h.key.clone())),
        run_dir: run_dir(data_dir),
        limits: door::Limits::default(),
    }
}

/// Where the private socket lies: systemd's runtime folder, the system's for temporary files, or the data directory.
fn run_dir(data_dir: &Path) -> PathBuf {
    let given = std::env::var_os("RUNTIME_DIRECTORY").map(PathBuf::from);
    given.into_iter().chain([std::env::temp_dir()]).find(|d| d.is_dir()).unwrap_or_else(|| data_dir.to_owned())
}

/// Signals become events; a second SIGINT or SIGTERM ends the process at once.
fn signals(events: &Sender<Event>) -> Result<(), String> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT, SIGHUP])
        .map_err(|e| format!("failed to listen for signals: {e}"))?;
    let events = events.clone();
    std::thread::Builder::new()
        .name("signals".into())
        .stack_size(64 * 1024)
        .spawn(move || {
            let mut ending = false;
            for signal in signals.forever() {
                if signal != SIGHUP && std::mem::replace(&mut ending, true) {
                    std::process::exit(130);
                }
                if events.send(Event::Signal(signal)).is_err() {
                    return;
                }
            }
        })
        .map(drop)
        .map_err(|e| format!("failed to start the signal thread: {e}"))
}

impl Server {
    fn run(mut self, started: Instant) -> ExitCode {
        let notifier = systemd::Notifier::from_env();
        let address = self.door.address();
        tell_port(address.port());
        log::info!("Pulse v{} listens on {address}", crate::update::VERSION);
        notifier.send("READY=1\nSTATUS=polling");
        let every_ms = notifier.watchdog_every.map(|d| d.as_millis() as u64);
        let mut fed_ms = 0;
        run(&mut self.core, &self.events, started, router::handle, |now| {
            // Fed from the owner's own loop: a stuck owner is seen by systemd.
            if every_ms.is_some_and(|every| now.mono_ms >= fed_ms + every.min(10_000)) {
                fed_ms = now.mono_ms;
                notifier.send("WATCHDOG=1");
            }
        });
        notifier.send("STOPPING=1");
        self.core.save_queue_finally();
        self.core.alerts.finish();
        self.core.keep_history_finally();
        log::info!("Pulse ends");
        ExitCode::SUCCESS
    }
}

/// Writes the port to the file named in `PULSE_PORT_FILE`, for whoever started the process with `PORT=0`.
fn tell_port(port: u16) {
    if let Some(path) = std::env::var_os("PULSE_PORT_FILE") {
        let path = PathBuf::from(path);
        let part = path.with_extension("part");
        let written = std::fs::write(&part, port.to_string()).and_then(|()| std::fs::rename(&part, &path));
        if let Err(e) = written {
            log::error!("failed to write the port to {}: {e}", path.display());
        }
    }
}
