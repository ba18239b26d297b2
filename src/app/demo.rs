//! `pulse demo`: the real program against simulated hosts. Not in the packaged binary, which has no use for a
//! simulator (feature `demo`).

use super::{Server, logging, start};
use crate::config::{Environment, Monitor, Node, Nodes, Secret};
use crate::demo as simulation;
use crate::proxmox::Kind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// What is simulated by `pulse demo`.
#[derive(Debug, Clone)]
pub struct Demo {
    pub nodes: usize,
    pub guests: usize,
    pub seed: u64,
    /// `None`: 7655, or any free one when that is taken.
    pub port: Option<u16>,
}

impl Default for Demo {
    fn default() -> Demo {
        Demo { nodes: 3, guests: 50, seed: 1, port: None }
    }
}

/// Runs the server against simulated hosts, in a folder that is removed at the end.
pub fn run(demo: &Demo) -> ExitCode {
    let started = Instant::now();
    logging::start("info");
    let folder = Folder(std::env::temp_dir().join(format!("pulse-demo-{}", std::process::id())));
    match start_demo(demo, &folder.0, started) {
        Ok((server, simulator)) => {
            println!(
                "Pulse shows {} simulated nodes and {} guests: http://{}",
                demo.nodes,
                demo.guests,
                shown(&server)
            );
            println!("Nothing is kept. Stop it with Ctrl-C.");
            let code = server.run(started);
            drop(simulator);
            code
        }
        Err(e) => {
            log::error!("{e}");
            ExitCode::FAILURE
        }
    }
}

/// Removed when the demonstration ends, however it ends.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn shown(server: &Server) -> std::net::SocketAddr {
    let address = server.door.address();
    if address.ip().is_unspecified() { (std::net::Ipv4Addr::LOCALHOST, address.port()).into() } else { address }
}

/// The real program on loopback, with one connection for each simulated host and nothing else configured.
fn start_demo(demo: &Demo, folder: &Path, started: Instant) -> Result<(Server, simulation::Simulator), String> {
    let simulator = simulation::start(simulation::Spec::small(demo.nodes, demo.guests, demo.seed))?;
    let mut nodes = Nodes::default();
    for host in simulator.connections() {
        let kind = if host.backup_server { Kind::Pbs } else { Kind::Pve };
        let mut node = Node::new(kind, &host.name, &host.url);
        node.token_name = host.access.token_id.clone();
        node.token_value = Secret::new(host.access.token_secret.clone());
        node.monitor = Monitor {
            vms: true,
            containers: true,
            storage: true,
            backups: true,
            datastores: true,
            sync_jobs: true,
            verify_jobs: true,
            prune_jobs: true,
            garbage_jobs: true,
        };
        nodes.of_mut(kind).push(node);
    }
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let port = demo.port.or(Some(crate::config::DEFAULT_PORT).filter(free));
    let mut env = Environment::default();
    for (name, value) in [
        ("PULSE_DATA_DIR", folder.to_string_lossy().into_owned()),
        ("BIND_ADDRESS", "127.0.0.1".to_owned()),
        ("PORT", port.unwrap_or(0).to_string()),
        ("PULSE_PORT_FILE", std::env::var("PULSE_PORT_FILE").unwrap_or_else(|_| "/dev/null".to_owned())),
        ("DISCOVERY_ENABLED", "false".to_owned()),
        ("DISABLE_AUTH", "true".to_owned()),
    ] {
        env.process.insert(name.to_owned(), value);
    }
    let server = start(env, folder, started, Some(nodes))?;
    Ok((server, simulator))
}

/// Only the simulated hosts: prints how to connect to each, one JSON object a line, and waits for the end of its input.
pub fn hosts(demo: &Demo) -> ExitCode {
    let simulator = match simulation::start(simulation::Spec::small(demo.nodes, demo.guests, demo.seed)) {
        Ok(simulator) => simulator,
        Err(e) => {
            eprintln!("{e}");
            return ExitCode::FAILURE;
        }
    };
    for host in simulator.connections() {
        let line = crate::json::json!({
            "type": if host.backup_server { "pbs" } else { "pve" },
            "name": host.name,
            "host": host.url,
            "tokenName": host.access.token_id,
            "tokenValue": host.access.token_secret,
            "fingerprint": host.fingerprint,
        });
        println!("{line}");
    }
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    ExitCode::SUCCESS
}
