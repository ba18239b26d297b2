//! The command line: words in, one call into a room, an exit code out.

mod client;
mod config;
#[cfg(feature = "demo")]
mod demo;
mod password;
mod status;

use crate::{app, update};
use std::process::ExitCode;

const HELP: &str = "\
Pulse watches Proxmox VE and Proxmox Backup Server.

Usage: pulse [COMMAND]

  serve                       run the server (also without a command)
  health [--url URL]          is a server healthy? exit 0 or 1
  status [--url URL] [--token TOKEN] [--warn N] [--crit N] [--json]
                              Nagios plugin: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN
  config info                 what the data directory holds
  config export [-o FILE] [-p PASSPHRASE]
  config import -i FILE [-p PASSPHRASE] [-f]
  hash-password               reads a password, prints its bcrypt hash
  version

Settings come from the environment and from the files in PULSE_DATA_DIR
(default /etc/pulse). The address is http://<this host>:7655 by default.
";

/// Runs the command named by `args` (without the program's name).
pub fn run(args: &[String]) -> ExitCode {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] | ["serve"] => app::serve(),
        #[cfg(feature = "demo")]
        ["demo", options @ ..] => demo::run(options),
        #[cfg(not(feature = "demo"))]
        ["demo", ..] => {
            eprintln!(
                "pulse: the packaged program has no simulated hosts; in a clone of the source run: cargo run --release -- demo"
            );
            ExitCode::from(2)
        }
        ["config", words @ ..] => config::run(words),
        ["health", options @ ..] => client::health(options),
        ["status", options @ ..] => status::run(options),
        ["hash-password"] => password::run(),
        ["version" | "--version" | "-v" | "-V"] => {
            println!("Pulse v{}", update::VERSION);
            ExitCode::SUCCESS
        }
        ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            #[cfg(feature = "demo")]
            print!("{}", demo::HELP);
            ExitCode::SUCCESS
        }
        _ => usage(&format!("unknown command: {}", words.join(" "))),
    }
}

/// Says what is wrong and where the help is; exit code 2.
fn usage(problem: &str) -> ExitCode {
    eprintln!("pulse: {problem}\nTry 'pulse help'.");
    ExitCode::from(2)
}

/// The value after `--name`, and an error for anything unknown.
fn options<'a>(words: &[&'a str], known: &[&str]) -> Result<Vec<(String, &'a str)>, String> {
    let mut out = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let (name, inline) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (*word, None),
        };
        if !known.contains(&name) {
            return Err(format!("unknown option: {name}"));
        }
        let value = match inline {
            Some(value) => value,
            None => rest.next().copied().ok_or_else(|| format!("{name} needs a value"))?,
        };
        out.push((name.to_owned(), value));
    }
    Ok(out)
}
