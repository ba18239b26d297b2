//! What counts for one resource: defaults, then the best custom rule, then the override, then tags, put together once
//! and reused until the configuration or the resource changes (contract state.md 6.3).

use super::check::{CHECKS, Check, Kind, METRICS};
use super::config::Config;
use super::level::Level;
use super::limit::{CheckSetting, Limit, Thresholds};
use super::rule;
use crate::model::Guest;

pub const TAG_OFF: &str = "pulse-no-alerts";
pub const TAG_SILENT: &str = "pulse-monitor-only";
pub const TAG_RELAXED: &str = "pulse-relaxed";
/// What `pulse-relaxed` raises lower limits of CPU, memory and disk to.
const RELAXED_TRIGGER: f64 = 95.0;
const RELAXED_CLEAR: f64 = 90.0;
/// Critical is this far above the trigger, and for percentages never beyond `PERCENT_CAP`.
const CRITICAL_ABOVE: f64 = 10.0;
const PERCENT_CAP: f64 = 98.0;
/// A rule or an override that names no clear value clears this far below its trigger.
const CLEAR_BELOW: f64 = 5.0;

/// Where a setting comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Default,
    /// The rule at this place of `customRules`.
    Rule(usize),
    Override,
    Tag,
}

/// A metric's limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    pub trigger: f64,
    pub clear: f64,
    pub critical: f64,
    pub delay_ms: u64,
    pub origin: Origin,
}

/// The setting of a check that is no metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Condition {
    pub warning: Option<f64>,
    pub critical: Option<f64>,
    pub min_level: Level,
    pub level: Option<Level>,
    pub delay_ms: u64,
    pub origin: Origin,
}

/// Everything the engine needs to judge one resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Nothing is watched, and because of what.
    pub off: Option<Origin>,
    /// Alerts are shown and kept, nobody is told.
    pub silent: bool,
    pub lines: [Option<Line>; METRICS],
    pub conditions: [Option<Condition>; CHECKS - METRICS],
}

impl Settings {
    pub fn line(&self, check: Check) -> Option<&Line> {
        self.lines.get(check.index()).and_then(Option::as_ref)
    }
    pub fn condition(&self, check: Check) -> Option<&Condition> {
        self.conditions.get(check.index().wrapping_sub(METRICS)).and_then(Option::as_ref)
    }
    /// Whether the check is watched at all.
    pub fn watches(&self, check: Check) -> bool {
        self.off.is_none() && (self.line(check).is_some() || self.condition(check).is_some())
    }
    /// How long the condition must last.
    pub fn delay_ms(&self, check: Check) -> u64 {
        match (self.line(check), self.condition(check)) {
            (Some(line), _) => line.delay_ms,
            (_, Some(condition)) => condition.delay_ms,
            _ => 0,
        }
    }
}

/// The layers that speak about one resource, the widest first.
struct Layers<'a> {
    kind: Kind,
    config: &'a Config,
    layers: Vec<(Origin, &'a Thresholds)>,
}

/// The settings of a guest. `nodes`: names of the nodes of its connection.
pub fn of_guest(config: &Config, guest: &Guest, kind: Kind, nodes: &[&str]) -> Settings {
    let mut layers = vec![(Origin::Default, &config.guest_defaults)];
    if let Some((n, rule)) = config.custom_rules.as_deref().and_then(|rules| rule::best(rules, guest)) {
        layers.push((Origin::Rule(n), &rule.thresholds));
    }
    if let Some(own) = guest_override(config, guest, nodes) {
        layers.push((Origin::Override, own));
    }
    let mut settings = Layers { kind, config, layers }.settle();
    apply_tags(&mut settings, &guest.tags);
    settings
}

/// By the exact id; else by the key that survives migration; else by the id it had on another node.
fn guest_override<'a>(config: &'a Config, guest: &Guest, nodes: &[&str]) -> Option<&'a Thresholds> {
    if config.overrides.is_empty() {
        return None;
    }
    let by_key = config.overrides.get(&guest.id).or_else(|| config.overrides.get(&guest.stable_key()));
    by_key.or_else(|| {
        let elsewhere = |node: &&str| config.overrides.get(&format!("{}-{node}-{}", guest.instance, guest.vmid));
        nodes.iter().find_map(elsewhere)
    })
}

/// The settings of anything but a guest. `names`: the keys overrides that speak about it stand under, the widest first.
pub fn of_other(config: &Config, kind: Kind, names: &[&str]) -> Settings {
    let mut layers = Vec::new();
    if matches!(kind, Kind::Node | Kind::Pbs) {
        layers.push((Origin::Default, &config.node_defaults));
    }
    layers.extend(names.iter().filter_map(|name| config.overrides.get(*name)).map(|own| (Origin::Override, own)));
    Layers { kind, config, layers }.settle()
}

impl Layers<'_> {
    fn settle(&self) -> Settings {
        let off = self.layers.iter().rev().find(|(_, l)| l.disabled).map(|(origin, _)| *origin);
        let mut settings =
            Settings { off, silent: false, lines: [None; METRICS], conditions: [None; CHECKS - METRICS] };
        for &check in self.kind.checks() {
            if check.is_metric() {
                if let Some(slot) = settings.lines.get_mut(check.index()) {
                    *slot = self.line(check);
                }
            } else if let Some(slot) = settings.conditions.get_mut(check.index() - METRICS) {
                *slot = self.condition(check);
            }
        }
        settings
    }

    fn line(&self, check: Check) -> Option<Line> {
        let (origin, limit) = self.limit(check)?;
        if !limit.is_on() {
            return None;
        }
        let clear = match (limit.clear > 0.0, origin) {
            (true, _) => limit.clear.min(limit.trigger),
            (false, Origin::Default) => limit.trigger,
            (false, _) => (limit.trigger - CLEAR_BELOW).max(0.0),
        };
        let delay = limit.delay.or_else(|| self.layers.iter().rev().find_map(|(_, l)| l.time_threshold));
        Some(Line {
            trigger: limit.trigger,
            clear,
            critical: critical_of(check, limit.trigger, limit.critical),
            delay_ms: millis(delay.unwrap_or(self.config.time_threshold)),
            origin,
        })
    }

    /// The nearest limit. Storages have one default of their own.
    fn limit(&self, check: Check) -> Option<(Origin, &Limit)> {
        let nearest = self.layers.iter().rev().find_map(|(origin, l)| l.limit(check).map(|limit| (*origin, limit)));
        match check {
            Check::Usage => nearest.or(Some((Origin::Default, &self.config.storage_default))),
            _ => nearest,
        }
    }

    fn condition(&self, check: Check) -> Option<Condition> {
        let mut setting = self.config.check(check);
        let mut origin = Origin::Default;
        for (from, layer) in &self.layers {
            if layer.disable_connectivity && is_connectivity(check) {
                setting.enabled = Some(false);
                origin = *from;
            }
            if let Some(own) = layer.checks.get(check.name()) {
                setting = own.over(&setting);
                origin = *from;
            }
        }
        let CheckSetting { enabled, warning, critical, min_level, level, delay, .. } = setting;
        (enabled == Some(true)).then(|| Condition {
            warning,
            critical,
            min_level: min_level.unwrap_or(Level::Warning),
            level,
            delay_ms: millis(delay.unwrap_or(0)),
            origin,
        })
    }
}

/// What `disableConnectivity` switches off.
fn is_connectivity(check: Check) -> bool {
    matches!(check, Check::Connectivity | Check::Offline | Check::PoweredOff)
}

fn critical_of(check: Check, trigger: f64, named: Option<f64>) -> f64 {
    let percent = !matches!(check, Check::DiskRead | Check::DiskWrite | Check::NetworkIn | Check::NetworkOut);
    let usual = trigger + CRITICAL_ABOVE;
    let usual = if percent { usual.min(PERCENT_CAP) } else { usual };
    named.unwrap_or(usual).max(trigger)
}

fn millis(secs: i64) -> u64 {
    u64::try_from(secs).unwrap_or(0).saturating_mul(1_000)
}

fn apply_tags(settings: &mut Settings, tags: &[String]) {
    if tags.is_empty() {
        return;
    }
    let has = |tag: &str| tags.iter().any(|t| t.eq_ignore_ascii_case(tag));
    if has(TAG_OFF) {
        settings.off = Some(Origin::Tag);
    }
    settings.silent = has(TAG_SILENT);
    if has(TAG_RELAXED) {
        for check in [Check::Cpu, Check::Memory, Check::Disk] {
            if let Some(Some(line)) = settings.lines.get_mut(check.index())
                && line.trigger < RELAXED_TRIGGER
            {
                line.trigger = RELAXED_TRIGGER;
                line.clear = RELAXED_CLEAR;
                line.critical = critical_of(check, RELAXED_TRIGGER, None);
                line.origin = Origin::Tag;
            }
        }
    }
}

impl Condition {
    /// The level of a figure that is bad when it is high.
    pub fn grade_high(&self, value: f64) -> Option<Level> {
        self.grade(|limit| value >= limit)
    }
    /// The level of a figure that is bad when it is low.
    pub fn grade_low(&self, value: f64) -> Option<Level> {
        self.grade(|limit| value <= limit)
    }
    fn grade(&self, reached: impl Fn(f64) -> bool) -> Option<Level> {
        if self.critical.is_some_and(&reached) {
            self.admit(Level::Critical)
        } else if self.warning.is_some_and(&reached) {
            self.admit(Level::Warning)
        } else {
            None
        }
    }
    /// The level that counts, if it counts: the fixed one, and none below the least.
    pub fn admit(&self, level: Level) -> Option<Level> {
        (level >= self.min_level).then(|| self.level.unwrap_or(level))
    }
}
