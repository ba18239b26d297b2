//! The flat summary for dashboards and small displays: every key is always there and never changes its type.

use crate::model::{Guest, Lent, State, Time};
use serde::Serialize;

/// `GET /api/summary`. Percentages are 0..100; names are empty where there is nothing to name.
#[derive(Debug, Default, Serialize)]
pub struct Summary<'a> {
    pub status: &'static str,
    pub nodes: usize,
    pub nodes_online: usize,
    pub guests: usize,
    pub guests_running: usize,
    pub vms: usize,
    pub vms_running: usize,
    pub containers: usize,
    pub containers_running: usize,
    pub cpu_percent: f64,
    pub memory_percent: f64,
    pub memory_used_bytes: i64,
    pub memory_total_bytes: i64,
    pub storage_percent: f64,
    pub storage_used_bytes: i64,
    pub storage_total_bytes: i64,
    pub pbs: usize,
    pub pbs_online: usize,
    pub alerts: usize,
    pub alerts_critical: usize,
    pub alerts_warning: usize,
    pub alerts_unacknowledged: usize,
    pub worst_cpu_guest: &'a str,
    pub worst_cpu_percent: f64,
    pub worst_memory_guest: &'a str,
    pub worst_memory_percent: f64,
    pub worst_disk_guest: &'a str,
    pub worst_disk_percent: f64,
    pub guests_without_backup: usize,
    pub guests_without_backup_job: usize,
    pub last_backup_failure: &'a str,
    /// Seconds since 1970; 0 when no backup failed.
    pub last_backup_failure_time: i64,
    pub updated: i64,
}

/// The summary of a state.
pub fn of(state: &State) -> Summary<'_> {
    let running = |list: &[Lent<Guest>]| list.iter().filter(|g| g.is_running()).count();
    let online = state.nodes.iter().filter(|n| n.status == "online");
    let (mut cores, mut busy, mut memory) = (0.0, 0.0, (0i64, 0i64));
    for n in online.clone() {
        let own = n.cpu_info.cores.max(1) as f64;
        cores += own;
        busy += n.cpu * own;
        memory = (memory.0.saturating_add(n.memory.used), memory.1.saturating_add(n.memory.total));
    }
    let mut space = (0i64, 0i64);
    for s in state.storage.iter().filter(|s| s.status == "available") {
        space = (space.0.saturating_add(s.used), space.1.saturating_add(s.total));
    }
    let critical = state.active_alerts.iter().filter(|a| a.level == "critical").count();
    let nodes_online = online.count();
    let pbs_online = state.pbs.iter().filter(|p| p.status == "online").count();
    let down = nodes_online < state.nodes.len() || pbs_online < state.pbs.len();
    let (vms_running, containers_running) = (running(&state.vms), running(&state.containers));
    let cpu = worst(state, |g| g.cpu * 100.0);
    let ram = worst(state, |g| g.memory.usage);
    let disk = worst(state, |g| g.disk.usage);
    let failed = state.pve_backups.backup_tasks.iter().filter(|t| !t.error.is_empty()).max_by_key(|t| t.end_time);
    let bare = |g: &&Guest| !g.template && !g.last_backup.is_set();
    Summary {
        status: match (down || critical > 0, state.active_alerts.is_empty()) {
            (true, _) => "critical",
            (false, false) => "warning",
            (false, true) => "ok",
        },
        nodes: state.nodes.len(),
        nodes_online,
        guests: state.vms.len() + state.containers.len(),
        guests_running: vms_running + containers_running,
        vms: state.vms.len(),
        vms_running,
        containers: state.containers.len(),
        containers_running,
        cpu_percent: if cores > 0.0 { busy / cores * 100.0 } else { 0.0 },
        memory_percent: percent(memory),
        memory_used_bytes: memory.0,
        memory_total_bytes: memory.1,
        storage_percent: percent(space),
        storage_used_bytes: space.0,
        storage_total_bytes: space.1,
        pbs: state.pbs.len(),
        pbs_online,
        alerts: state.active_alerts.len(),
        alerts_critical: critical,
        alerts_warning: state.active_alerts.len() - critical,
        alerts_unacknowledged: state.active_alerts.iter().filter(|a| !a.acknowledged).count(),
        worst_cpu_guest: cpu.0,
        worst_cpu_percent: cpu.1,
        worst_memory_guest: ram.0,
        worst_memory_percent: ram.1,
        worst_disk_guest: disk.0,
        worst_disk_percent: disk.1,
        guests_without_backup: state.guests().filter(bare).count(),
        guests_without_backup_job: state.backup_coverage.iter().map(|c| c.uncovered.len()).sum(),
        last_backup_failure: failed.map_or("", |t| t.error.as_str()),
        last_backup_failure_time: failed.map_or(Time::from_unix(0), |t| t.end_time).unix_secs(),
        updated: state.last_update.unix_secs(),
    }
}

fn worst(state: &State, figure: fn(&Guest) -> f64) -> (&str, f64) {
    let mut worst = ("", 0.0);
    for g in state.guests().filter(|g| g.is_running()) {
        if figure(g) > worst.1 {
            worst = (g.name.as_str(), figure(g));
        }
    }
    worst
}

fn percent((used, total): (i64, i64)) -> f64 {
    if total > 0 { used as f64 / total as f64 * 100.0 } else { 0.0 }
}
