//! Thresholds of the configuration: one limit, the limits of a resource, and the settings of conditions that are no
//! metrics. Reads what 4.9 and its predecessors wrote; keeps what it does not know.

use super::check::{Check, METRICS};
use super::level::Level;
use crate::config::fields::{Fields, kind};
use crate::order::{self, Pairs};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// Delays beyond a week are mistakes.
const DELAY_MAX_SECS: i64 = 7 * 86_400;

/// When a metric alerts and when it is over. `trigger` ≤ 0: not checked. Percent, or MB/s (2^20) for I/O.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Limit {
    #[serde(serialize_with = "number")]
    pub trigger: f64,
    #[serde(serialize_with = "number")]
    pub clear: f64,
    /// Where it becomes critical; absent: 10 above the trigger.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "opt_number")]
    pub critical: Option<f64>,
    /// Seconds it must last; absent: the resource's or the global `timeThreshold`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<i64>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A condition that is no metric: `checks.<type>` of the configuration, of an override or of a rule.
/// Absent keys leave what the wider setting says.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckSetting {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Days, percent or counts, as the check has it.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "opt_number")]
    pub warning: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "opt_number")]
    pub critical: Option<f64>,
    /// Below this level it is no alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_level: Option<Level>,
    /// The level it always has, whatever the figures say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// Seconds it must last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<i64>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

pub type Checks = order::Map<String, CheckSetting>;

/// 4.9's ThresholdConfig: `guestDefaults`, `nodeDefaults`, an override, the thresholds of a rule.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Thresholds {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub disable_connectivity: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Limit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Limit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<Limit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_read: Option<Limit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_write: Option<Limit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_in: Option<Limit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_out: Option<Limit>,
    /// Of a storage or datastore (contract state.md 8.4, row 60).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Limit>,
    /// Seconds, for every metric of the resource that names none itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_threshold: Option<i64>,
    #[serde(skip_serializing_if = "order::Map::is_empty")]
    pub checks: Checks,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Limit {
    pub fn of(trigger: f64, clear: f64) -> Limit {
        Limit { trigger, clear, ..Limit::default() }
    }
    pub fn lasting(mut self, secs: i64) -> Limit {
        self.delay = Some(secs);
        self
    }
    /// A plain number of old times is the trigger; it clears `margin` below.
    fn legacy(trigger: f64, margin: f64) -> Limit {
        Limit::of(trigger, (trigger - margin).max(0.0))
    }
    /// `place` names the value in errors.
    pub fn read(value: Value, place: &str, margin: f64) -> Result<Limit, String> {
        if let Some(trigger) = value.as_f64() {
            return Ok(Limit::legacy(trigger, margin));
        }
        let mut f = Fields::of(value, place)?;
        Ok(Limit {
            trigger: float(&mut f, "trigger")?.unwrap_or(0.0),
            clear: float(&mut f, "clear")?.unwrap_or(0.0),
            critical: float(&mut f, "critical")?,
            delay: seconds(&mut f, "delay")?,
            extra: f.rest(),
        })
    }
    /// The metric is watched.
    pub fn is_on(&self) -> bool {
        self.trigger > 0.0
    }
}

impl CheckSetting {
    pub fn read(value: Value, place: &str) -> Result<CheckSetting, String> {
        if let Value::Bool(enabled) = value {
            return Ok(CheckSetting { enabled: Some(enabled), ..CheckSetting::default() });
        }
        let mut f = Fields::of(value, place)?;
        Ok(CheckSetting {
            enabled: f.flag("enabled")?,
            warning: float(&mut f, "warning")?,
            critical: float(&mut f, "critical")?,
            min_level: level(&mut f, "minLevel")?,
            level: level(&mut f, "level")?,
            delay: seconds(&mut f, "delay")?,
            extra: f.rest(),
        })
    }
    /// What this setting says, over what `wider` says.
    pub fn over(&self, wider: &CheckSetting) -> CheckSetting {
        CheckSetting {
            enabled: self.enabled.or(wider.enabled),
            warning: self.warning.or(wider.warning),
            critical: self.critical.or(wider.critical),
            min_level: self.min_level.or(wider.min_level),
            level: self.level.or(wider.level),
            delay: self.delay.or(wider.delay),
            extra: Map::new(),
        }
    }
}

/// Reads `checks`: an object by type.
pub fn read_checks(value: Option<Value>, place: &str) -> Result<Checks, String> {
    let map = match value {
        None => return Ok(Checks::new()),
        Some(Value::Object(map)) => map,
        Some(other) => return Err(format!("{place}.checks: an object expected, {} found", kind(&other))),
    };
    map.into_iter()
        .filter(|(_, v)| !v.is_null())
        .map(|(name, v)| {
            let setting = CheckSetting::read(v, &format!("{place}.checks.{name}"))?;
            Ok((name, setting))
        })
        .try_mapped()
}

const NAMES: [(&str, &str, Check); METRICS] = [
    ("cpu", "cpuLegacy", Check::Cpu),
    ("memory", "memoryLegacy", Check::Memory),
    ("disk", "diskLegacy", Check::Disk),
    ("diskRead", "diskReadLegacy", Check::DiskRead),
    ("diskWrite", "diskWriteLegacy", Check::DiskWrite),
    ("networkIn", "networkInLegacy", Check::NetworkIn),
    ("networkOut", "networkOutLegacy", Check::NetworkOut),
    ("usage", "usageLegacy", Check::Usage),
];

impl Thresholds {
    /// `legacy`: also honour the `…Legacy` numbers (in overrides and rules only, as 4.9 does).
    pub fn read(value: Value, place: &str, margin: f64, legacy: bool) -> Result<Thresholds, String> {
        let mut f = Fields::of(value, place)?;
        let mut read = Thresholds {
            disabled: f.flag("disabled")?.unwrap_or(false),
            disable_connectivity: f.flag("disableConnectivity")?.unwrap_or(false),
            time_threshold: seconds(&mut f, "timeThreshold")?,
            checks: read_checks(f.take("checks"), place)?,
            ..Thresholds::default()
        };
        for (name, old_name, check) in NAMES {
            let limit = f.take(name).map(|v| Limit::read(v, &format!("{place}.{name}"), margin)).transpose()?;
            *read.slot(check) = match limit {
                None if legacy => float(&mut f, old_name)?.map(|trigger| Limit::legacy(trigger, margin)),
                limit => limit,
            };
        }
        read.extra = f.rest();
        Ok(read)
    }

    /// Where a metric's limit stands. Only metrics have one; all other checks share the place of `usage`.
    pub fn slot(&mut self, check: Check) -> &mut Option<Limit> {
        match check {
            Check::Cpu => &mut self.cpu,
            Check::Memory => &mut self.memory,
            Check::Disk => &mut self.disk,
            Check::DiskRead => &mut self.disk_read,
            Check::DiskWrite => &mut self.disk_write,
            Check::NetworkIn => &mut self.network_in,
            Check::NetworkOut => &mut self.network_out,
            _ => &mut self.usage,
        }
    }

    pub fn limit(&self, check: Check) -> Option<&Limit> {
        match check {
            Check::Cpu => self.cpu.as_ref(),
            Check::Memory => self.memory.as_ref(),
            Check::Disk => self.disk.as_ref(),
            Check::DiskRead => self.disk_read.as_ref(),
            Check::DiskWrite => self.disk_write.as_ref(),
            Check::NetworkIn => self.network_in.as_ref(),
            Check::NetworkOut => self.network_out.as_ref(),
            Check::Usage => self.usage.as_ref(),
            _ => None,
        }
    }
}

/// A number that is one. Go's decoder accepts nothing else either.
pub fn float(f: &mut Fields, name: &str) -> Result<Option<f64>, String> {
    match f.take(name) {
        None => Ok(None),
        Some(v) => match v.as_f64().filter(|n| n.is_finite()) {
            Some(n) => Ok(Some(n)),
            None => Err(format!("{}.{name}: a number expected, {} found", f.place(), kind(&v))),
        },
    }
}

/// Seconds from 0 to a week; what lies outside is brought in.
pub fn seconds(f: &mut Fields, name: &str) -> Result<Option<i64>, String> {
    Ok(f.int(name)?.map(|secs| secs.clamp(0, DELAY_MAX_SECS)))
}

fn level(f: &mut Fields, name: &str) -> Result<Option<Level>, String> {
    match f.text(name)? {
        None => Ok(None),
        Some(text) => match Level::parse(&text) {
            Some(level) => Ok(Some(level)),
            None => Err(format!("{}.{name}: \"warning\" or \"critical\" expected", f.place())),
        },
    }
}

/// Whole numbers are written without a fraction, as 4.9 writes them.
pub fn number<S: Serializer>(n: &f64, s: S) -> Result<S::Ok, S::Error> {
    if n.fract() == 0.0 && n.abs() < 9e15 { s.serialize_i64(*n as i64) } else { s.serialize_f64(*n) }
}

fn opt_number<S: Serializer>(n: &Option<f64>, s: S) -> Result<S::Ok, S::Error> {
    match n {
        Some(n) => number(n, s),
        None => s.serialize_none(),
    }
}
