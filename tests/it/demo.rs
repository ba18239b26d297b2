//! The simulated Proxmox hosts: everything that other tests believe of them is specified here.

mod access;
mod changes;
mod described;
mod faults;
mod figures;
mod large;

use serde_json::Value;

/// A quiet afternoon on which nothing is being backed up (2025-08-14 14:00:00 UTC).
const AFTERNOON: i64 = 1_755_180_000;

fn rows(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// The row whose `key` is `wanted`.
fn row<'a>(value: &'a Value, key: &str, wanted: &str) -> &'a Value {
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    rows(value).iter().find(|r| text(&r[key]) == wanted).unwrap_or_else(|| panic!("no {key} {wanted} in {value}"))
}
