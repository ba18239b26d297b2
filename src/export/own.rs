//! Pulse itself as metrics: its connections, its alerts, its requests to the hosts.

use super::Page;
use crate::model::State;
use std::collections::BTreeMap;

/// Writes what Pulse knows of itself; `version` is the product's.
pub fn write(page: &mut Page, state: &State, version: &str, uptime_secs: f64) {
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
    let mut alerts: BTreeMap<(&str, &str), f64> = BTreeMap::new();
    for alert in &state.active_alerts {
        *alerts.entry((&alert.level, &alert.r#type)).or_default() += 1.0;
    }
    page.family("pulse_alerts_active", "gauge", "Alerts that are active");
    for ((level, kind), count) in alerts {
        page.sample(&[("level", level), ("type", kind)], count);
    }
}
