//! `pulse demo`: its options and its part of the help.

use super::{options, usage};
use crate::app::demo::{self, Demo};
use std::process::ExitCode;

/// Shown below the other commands.
pub const HELP: &str = "
Built from the source, it can show itself:

  demo [--nodes N] [--guests N] [--seed N] [--port N]
                              run it against simulated hosts; keeps nothing
  demo --hosts [--nodes N] [--guests N] [--seed N]
                              only the hosts: prints how to connect to them
";

/// Runs the demonstration, or only its hosts with `--hosts`.
pub fn run(words: &[&str]) -> ExitCode {
    let mut wanted = Demo::default();
    let hosts_only = words.contains(&"--hosts");
    let rest: Vec<&str> = words.iter().copied().filter(|w| *w != "--hosts").collect();
    let given = match options(&rest, &["--nodes", "--guests", "--seed", "--port"]) {
        Ok(given) => given,
        Err(problem) => return usage(&problem),
    };
    for (name, value) in given {
        let Ok(number) = value.parse::<u32>() else {
            return usage(&format!("{name} needs a number, not '{value}'"));
        };
        match name.as_str() {
            "--nodes" if (1..=100).contains(&number) => wanted.nodes = number as usize,
            "--guests" if number <= 10_000 => wanted.guests = number as usize,
            "--seed" => wanted.seed = u64::from(number),
            "--port" if number <= 65_535 => wanted.port = Some(number as u16),
            _ => return usage(&format!("{name} {number} is out of range")),
        }
    }
    if hosts_only { demo::hosts(&wanted) } else { demo::run(&wanted) }
}
