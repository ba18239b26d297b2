//! `alerts.json` and `/api/alerts/config`: one document, read leniently, written as 4.9 writes it plus our own keys.

use super::check::Check;
use super::level::Level;
use super::limit::{CheckSetting, Checks, Limit, Thresholds, number, read_checks, seconds};
use super::rule::Rule;
use super::schedule::{Schedule, positive, was_never_set};
use crate::config::fields::{Fields, kind};
use crate::order::{self, Pairs};
use serde::Serialize;
use serde_json::{Map, Value};

const OVERRIDES_MAX: usize = 20_000;
/// What 4.9 reads as "never set" in guest I/O limits of old files.
const OLD_NOISY_DISK: f64 = 150.0;
const OLD_NOISY_NETWORK: f64 = 200.0;

/// The alert configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// False: nothing is evaluated, active alerts stay.
    pub enabled: bool,
    pub guest_defaults: Thresholds,
    pub node_defaults: Thresholds,
    pub storage_default: Limit,
    /// By resource id; guests also by `<instance>:<vmid>`, PBS also by `pbs-<id>`.
    pub overrides: order::Map<String, Thresholds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_rules: Option<Vec<Rule>>,
    pub schedule: Schedule,
    /// Points a figure must differ to alert again within `suppressionWindow`.
    #[serde(serialize_with = "number")]
    pub minimum_delta: f64,
    /// Minutes.
    #[serde(serialize_with = "number")]
    pub suppression_window: f64,
    /// Points below the trigger where a limit given as a plain number clears.
    #[serde(serialize_with = "number")]
    pub hysteresis_margin: f64,
    /// Seconds a metric must last, where nothing nearer says otherwise.
    pub time_threshold: i64,
    /// Conditions that are no metrics, by type.
    pub checks: Checks,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Config {
    /// What a fresh installation has. CPU and memory must last a while; the delay is part of each limit, so that a
    /// client that saves 4.9's limits gets 4.9's timing. `timezone`: the server's IANA name.
    pub fn fresh(timezone: &str) -> Config {
        let usual = || Thresholds {
            cpu: Some(Limit::of(80.0, 75.0).lasting(120)),
            memory: Some(Limit::of(85.0, 80.0).lasting(60)),
            disk: Some(Limit::of(90.0, 85.0)),
            ..Thresholds::default()
        };
        Config {
            enabled: true,
            guest_defaults: usual(),
            node_defaults: usual(),
            storage_default: Limit::of(85.0, 80.0),
            overrides: order::Map::new(),
            custom_rules: None,
            schedule: Schedule::fresh(timezone),
            minimum_delta: 2.0,
            suppression_window: 5.0,
            hysteresis_margin: 5.0,
            time_threshold: 0,
            checks: default_checks(),
            extra: Map::new(),
        }
    }

    /// Reads the file. Absent parts are as in a fresh installation; what older versions wrote is brought up to date.
    pub fn from_file(bytes: &[u8], timezone: &str) -> Result<Config, String> {
        let mut value: Value = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        if let Some(map) = value.as_object_mut()
            && map.get("schedule").is_some_and(was_never_set)
        {
            map.remove("schedule");
        }
        let mut config = Config::fresh(timezone).merged(value)?;
        let guest = &mut config.guest_defaults;
        for (check, noisy) in [
            (Check::DiskRead, OLD_NOISY_DISK),
            (Check::DiskWrite, OLD_NOISY_DISK),
            (Check::NetworkIn, OLD_NOISY_NETWORK),
            (Check::NetworkOut, OLD_NOISY_NETWORK),
        ] {
            if let Some(limit) = guest.slot(check)
                && limit.trigger == noisy
            {
                *limit = Limit::of(0.0, 0.0);
            }
        }
        Ok(config)
    }

    /// The configuration after a request: keys the body does not have keep their value, `null` empties them
    /// (contract state.md 8.4, row 65). `schedule` is merged the same way, since 4.9's page knows only part of it.
    pub fn after_put(&self, body: &[u8]) -> Result<Config, String> {
        let value: Value = serde_json::from_slice(body).map_err(|e| e.to_string())?;
        self.merged(value)
    }

    fn merged(&self, value: Value) -> Result<Config, String> {
        let Value::Object(mut body) = value else {
            return Err(format!("an object expected, {} found", kind(&value)));
        };
        let Ok(Value::Object(kept)) = serde_json::to_value(self) else {
            return Err("failed to write the present configuration".to_owned());
        };
        let kept_schedule = kept.get("schedule").cloned();
        keep_absent(&mut body, kept);
        let schedule = body.iter_mut().find(|(k, _)| k.eq_ignore_ascii_case("schedule"));
        if let (Some((_, Value::Object(schedule))), Some(Value::Object(kept))) = (schedule, kept_schedule) {
            keep_absent(schedule, kept);
        }
        Config::read(body)
    }

    fn read(body: Map<String, Value>) -> Result<Config, String> {
        let mut f = Fields::of(Value::Object(body), "body")?;
        let margin = positive(&mut f, "hysteresisMargin", 5.0)?;
        let mut section = |name: &str| {
            let value = f.take(name).unwrap_or(Value::Null);
            Thresholds::read(value, name, margin, false)
        };
        let (guest_defaults, node_defaults) = (section("guestDefaults")?, section("nodeDefaults")?);
        let storage = f.take("storageDefault").map(|v| Limit::read(v, "storageDefault", margin)).transpose()?;
        let rules = f.list("customRules")?;
        Ok(Config {
            enabled: f.flag("enabled")?.unwrap_or(false),
            guest_defaults,
            node_defaults,
            storage_default: storage.filter(Limit::is_on).unwrap_or_else(|| Limit::of(85.0, 80.0)),
            overrides: read_overrides(&mut f, margin)?,
            custom_rules: rules.map(|items| Rule::read_list(items, margin)).transpose()?,
            schedule: Schedule::read(f.take("schedule").unwrap_or(Value::Null))?,
            minimum_delta: positive(&mut f, "minimumDelta", 2.0)?,
            suppression_window: positive(&mut f, "suppressionWindow", 5.0)?,
            hysteresis_margin: margin,
            time_threshold: seconds(&mut f, "timeThreshold")?.unwrap_or(0),
            checks: read_checks(f.take("checks"), "body")?,
            extra: f.rest(),
        })
    }

    /// `alerts.json` as it is written.
    pub fn to_file(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Whether any guest's disk or network rates are watched.
    pub fn watches_rates(&self) -> bool {
        let rates = [Check::DiskRead, Check::DiskWrite, Check::NetworkIn, Check::NetworkOut];
        let rules = self.custom_rules.iter().flatten().map(|r| &r.thresholds);
        let mut layers = rules.chain(self.overrides.values()).chain([&self.guest_defaults]);
        layers.any(|l| rates.iter().any(|c| l.limit(*c).is_some_and(Limit::is_on)))
    }

    /// What the configuration says of a check, over the built-in values.
    pub fn check(&self, check: Check) -> CheckSetting {
        let built_in = built_in(check);
        self.checks.get(check.name()).map_or(built_in.clone(), |own| own.over(&built_in))
    }
}

/// Puts what `body` does not have (in any case of letters) into it.
fn keep_absent(body: &mut Map<String, Value>, kept: Map<String, Value>) {
    for (name, value) in kept {
        if !body.keys().any(|k| k.eq_ignore_ascii_case(&name)) {
            body.insert(name, value);
        }
    }
}

fn read_overrides(f: &mut Fields, margin: f64) -> Result<order::Map<String, Thresholds>, String> {
    let map = match f.take("overrides") {
        None => return Ok(order::Map::new()),
        Some(Value::Object(map)) => map,
        Some(other) => return Err(format!("overrides: an object expected, {} found", kind(&other))),
    };
    if map.len() > OVERRIDES_MAX {
        return Err(format!("overrides: at most {OVERRIDES_MAX}"));
    }
    map.into_iter()
        .map(|(id, v)| Ok((id.clone(), Thresholds::read(v, &format!("overrides.{id}"), margin, true)?)))
        .try_mapped()
}

/// Every check that is no metric, so that pages and scripts see what there is to switch.
fn default_checks() -> Checks {
    let switchable = |c: &Check| !c.is_metric();
    Check::ALL.into_iter().filter(switchable).map(|c| (c.name().to_owned(), built_in(c))).mapped()
}

/// On by default: what 4.9 has, and what announces the loss of data. The rest is for who asks for it.
fn built_in(check: Check) -> CheckSetting {
    let off = CheckSetting { enabled: Some(false), ..CheckSetting::default() };
    let on = CheckSetting { enabled: Some(true), ..CheckSetting::default() };
    let graded = |warning: f64, critical: f64| CheckSetting {
        enabled: Some(false),
        warning: Some(warning),
        critical: Some(critical),
        ..CheckSetting::default()
    };
    match check {
        Check::BackupFailed | Check::VerifyFailed | Check::Zfs | Check::Smart | Check::Quorum => on,
        Check::Connectivity | Check::Offline => on,
        Check::Ceph => CheckSetting { min_level: Some(Level::Critical), ..on },
        Check::Replication => CheckSetting { warning: Some(1.0), critical: Some(3.0), ..on },
        Check::BackupAge => graded(3.0, 7.0),
        Check::BackupUnverified => graded(7.0, 30.0),
        Check::SnapshotAge => graded(7.0, 30.0),
        Check::Wearout => graded(10.0, 5.0),
        Check::Certificate => graded(14.0, 3.0),
        Check::Updates => CheckSetting { warning: Some(1.0), ..off },
        _ => off,
    }
}
