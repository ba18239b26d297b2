//! `pulse status`: a Nagios plugin over a running server's state.

use super::{client, options, usage};
use crate::json::json;
use serde_json::Value;
use std::process::ExitCode;

/// The plugin's four outcomes and their exit codes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Ok = 0,
    Warning = 1,
    Critical = 2,
    Unknown = 3,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Level::Ok => "OK",
            Level::Warning => "WARNING",
            Level::Critical => "CRITICAL",
            Level::Unknown => "UNKNOWN",
        }
    }
}

/// Asks the server and says how its hosts are. `--warn` and `--crit` are numbers of unacknowledged alerts from which the
/// outcome is a warning (default 1) or critical (default: any critical alert).
pub fn run(words: &[&str]) -> ExitCode {
    let as_json = words.contains(&"--json");
    let rest: Vec<&str> = words.iter().copied().filter(|w| *w != "--json").collect();
    let given = match options(&rest, &["--url", "--token", "--warn", "--crit"]) {
        Ok(given) => given,
        Err(problem) => return unknown(&problem),
    };
    let value = |name: &str| given.iter().rev().find(|(n, _)| n == name).map(|(_, v)| *v);
    let number = |name: &str| value(name).map(str::parse::<usize>).transpose();
    let (Ok(warn), Ok(crit)) = (number("--warn"), number("--crit")) else {
        return unknown("--warn and --crit need numbers");
    };
    let url = value("--url").map_or_else(client::local_url, str::to_owned);
    // A token on a command line is seen by every user of the machine; the environment is not.
    let token = value("--token").map(str::to_owned).or_else(|| std::env::var("PULSE_TOKEN").ok());
    let answer = client::ask(&format!("{}/api/state", url.trim_end_matches('/')), token.as_deref());
    let (level, text, figures) = match &answer {
        Ok(state) => judge(state, warn.unwrap_or(1), crit),
        Err(problem) => (Level::Unknown, format!("failed to ask {url}: {problem}"), json!({})),
    };
    if as_json {
        println!("{}", json!({ "status": level.word(), "message": text, "figures": figures }));
    } else {
        let performance: Vec<String> =
            figures.as_object().into_iter().flatten().map(|(k, v)| format!("{k}={v}")).collect();
        println!("PULSE {} - {text} | {}", level.word(), performance.join(" "));
    }
    ExitCode::from(level as u8)
}

/// To a plugin's caller code 2 would be a critical state of the hosts.
fn unknown(problem: &str) -> ExitCode {
    usage(problem);
    ExitCode::from(Level::Unknown as u8)
}

fn judge(state: &Value, warn: usize, crit: Option<usize>) -> (Level, String, Value) {
    let list = |key: &str| state.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let is = |v: &Value, key: &str, want: &str| v.get(key).and_then(Value::as_str) == Some(want);
    let nodes = list("nodes");
    let servers = list("pbs");
    let online = nodes.iter().filter(|n| is(n, "status", "online")).count();
    let guests: Vec<Value> = list("vms").into_iter().chain(list("containers")).collect();
    let running = guests.iter().filter(|g| is(g, "status", "running")).count();
    let open: Vec<Value> = list("activeAlerts")
        .into_iter()
        .filter(|a| a.get("acknowledged").and_then(Value::as_bool) != Some(true))
        .collect();
    let critical = open.iter().filter(|a| is(a, "level", "critical")).count();
    let servers_online = servers.iter().filter(|p| is(p, "status", "online")).count();
    let down = nodes.len() - online + servers.len() - servers_online;
    let level = if crit.map_or(critical > 0, |most| open.len() >= most) || down > 0 {
        Level::Critical
    } else if open.len() >= warn {
        Level::Warning
    } else {
        Level::Ok
    };
    let text = format!(
        "{online} of {} nodes online, {running} of {} guests running, {} open alerts ({critical} critical)",
        nodes.len(),
        guests.len(),
        open.len()
    );
    let figures = json!({
        "nodes": nodes.len(), "nodes_online": online, "guests": guests.len(), "guests_running": running,
        "alerts": open.len(), "alerts_critical": critical, "pbs": servers.len(), "pbs_online": servers_online,
    });
    (level, text, figures)
}
