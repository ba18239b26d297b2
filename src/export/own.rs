//! Pulse itself as metrics: its connections, its alerts, its requests to the hosts.

use super::Page;
use crate::model::State;
use crate::order::Map;

/// How the way to one receiver goes.
pub struct Pushed {
    pub receiver: String,
    pub up: f64,
    pub delivered: f64,
    pub refused: f64,
    /// Batches there was no time for.
    pub skipped: f64,
    pub waiting_bytes: f64,
    pub given_up_bytes: f64,
}

type PushFigure = (&'static str, &'static str, &'static str, fn(&Pushed) -> f64);

const PUSHES: &[PushFigure] = &[
    ("pulse_push_up", "gauge", "Whether the last request to a receiver arrived", |p| p.up),
    ("pulse_push_requests_total", "counter", "Requests that a receiver took", |p| p.delivered),
    ("pulse_push_refused_total", "counter", "Requests that a receiver refused for good", |p| p.refused),
    ("pulse_push_skipped_total", "counter", "Batches for which a receiver was too slow", |p| p.skipped),
    ("pulse_push_waiting_bytes", "gauge", "Bytes on disk that wait for a receiver", |p| p.waiting_bytes),
    ("pulse_push_given_up_bytes_total", "counter", "Bytes for which there was no room on disk", |p| p.given_up_bytes),
];

/// Writes what Pulse knows of itself; `version` is the product's.
pub fn write(page: &mut Page, state: &State, version: &str, uptime_secs: f64, pushed: &[Pushed]) {
    page.family("pulse_build_info", "gauge", "The version that runs");
    page.sample(&[("version", version)], 1.0);
    page.family("pulse_uptime_seconds", "gauge", "Time since Pulse started");
    page.sample(&[], uptime_secs);
    let asked = &state.performance;
    page.family("pulse_requests_total", "counter", "Requests to Proxmox hosts");
    page.sample(&[], asked.total_api_calls as f64);
    page.family("pulse_requests_failed_total", "counter", "Requests to Proxmox hosts that failed");
    page.sample(&[], asked.failed_api_calls as f64);
    page.family("pulse_connection_up", "gauge", "Whether a connection answers");
    for (name, up) in &state.connection_health {
        page.sample(&[("connection", name)], f64::from(u8::from(*up)));
    }
    page.family("pulse_monitor_poll_duration_seconds", "gauge", "Time the last cycle of a connection took");
    for (name, secs) in asked.api_call_duration.iter().flatten() {
        page.sample(&[("connection", name)], *secs);
    }
    for (name, kind, help, figure) in PUSHES {
        page.family(name, kind, help);
        for receiver in pushed {
            page.sample(&[("receiver", &receiver.receiver)], figure(receiver));
        }
    }
    let mut alerts: Map<(&str, &str), f64> = Map::new();
    for alert in &state.active_alerts {
        *alerts.entry((&alert.level, &alert.r#type)).or_default() += 1.0;
    }
    page.family("pulse_alerts_active", "gauge", "Alerts that are active");
    for ((level, kind), count) in alerts {
        page.sample(&[("level", level), ("type", kind)], count);
    }
}
