//! "Why is this (not) alerting?": what counts for a resource, what was found, and what stands in between, in words.

use super::check::Check;
use super::engine::Engine;
use super::finding::Finding;
use super::inspect::{self, Look, View};
use super::round::{down_nodes, others};
use super::settings::{Origin, Settings};
use super::subject::Subject;
use super::transition::Why;
use super::watch::{Phase, Watch};
use crate::model::{Now, State};
use serde::Serialize;

/// The answer about one resource.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    pub resource_id: String,
    pub resource_name: String,
    pub resource_type: &'static str,
    pub node: String,
    pub instance: String,
    /// Alerts are on at all.
    pub enabled: bool,
    /// Everything is off for this resource, because of this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub off: Option<String>,
    /// Alerts are shown but nobody is told (`pulse-monitor-only`).
    pub monitor_only: bool,
    pub checks: Vec<CheckReport>,
}

/// One check of the resource.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckReport {
    pub r#type: &'static str,
    pub watched: bool,
    /// Where the setting comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clear: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub critical: Option<f64>,
    pub delay_seconds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// `alerting`, `pending`, `cleared`, `damped` or `quiet`.
    pub state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert_id: Option<String>,
    /// One sentence.
    pub because: String,
}

/// Explains a resource by its id, or a guest by `<instance>:<vmid>`. `None`: there is no such resource.
pub fn explain(engine: &Engine, state: &State, id: &str, now: Now) -> Option<Explanation> {
    let subject = find(state, id)?;
    let parts = engine.parts();
    let source = (subject.is_pbs(), subject.instance());
    let number = if source.0 { parts.instances.pbs(source.1) } else { parts.instances.pve(source.1) }?;
    let instance = parts.instances.get(number)?;
    let watch = engine.watch(number, subject)?;
    let view = View {
        state,
        now: now.wall,
        instances: parts.instances,
        backups: parts.backups,
        down: &down_nodes(state, parts.instances),
        all_pbs_known: parts.instances.all_pbs_backups_known(),
    };
    let mut checks = Vec::new();
    let mut sink = |check: Check, finding: Finding| checks.push(report(engine, watch, check, finding, now));
    let look = Look { number, instance, lock_counts: watch.lock_counts(now.mono_ms) };
    inspect::look(subject, &watch.settings, &view, look, &mut sink);
    Some(Explanation {
        resource_id: subject.resource_id().into_owned(),
        resource_name: subject.name().into_owned(),
        resource_type: subject.kind().resource_type(),
        node: subject.node().to_owned(),
        instance: subject.instance().to_owned(),
        enabled: engine.config().enabled,
        off: watch.settings.off.map(|origin| origin_name(engine, origin)),
        monitor_only: watch.settings.silent,
        checks,
    })
}

fn find<'a>(state: &'a State, id: &str) -> Option<Subject<'a>> {
    if let Some(guest) = state.guests().find(|g| g.id == id || g.stable_key() == id) {
        return Some(Subject::Guest(guest));
    }
    let mut found = None;
    others(state, |subject| {
        if found.is_none() && subject.resource_id() == id {
            found = Some(subject);
        }
    });
    found
}

fn report(engine: &Engine, watch: &Watch, check: Check, finding: Finding, now: Now) -> CheckReport {
    let settings = &*watch.settings;
    let (line, condition) = (settings.line(check), settings.condition(check));
    let phase = watch.phase(check);
    let origin = line.map(|l| l.origin).or(condition.map(|c| c.origin)).filter(|_| settings.off.is_none());
    CheckReport {
        r#type: check.name(),
        watched: settings.watches(check),
        origin: origin.map(|o| origin_name(engine, o)),
        trigger: line.map(|l| l.trigger).or(condition.and_then(|c| c.warning)),
        clear: line.map(|l| l.clear),
        critical: line.map(|l| l.critical).or(condition.and_then(|c| c.critical)),
        delay_seconds: settings.delay_ms(check) / 1_000,
        value: value_of(check, finding),
        state: match phase {
            Some(Phase::Active { .. }) => "alerting",
            Some(Phase::Pending { .. }) => "pending",
            Some(Phase::Cleared(_)) => "cleared",
            Some(Phase::Damped { .. }) => "damped",
            None => "quiet",
        },
        alert_id: match phase {
            Some(Phase::Active { id }) => Some(id.clone()),
            _ => None,
        },
        because: because(engine, settings, check, finding, phase, now),
    }
}

/// The figure found; conditions without figures have none.
fn value_of(check: Check, finding: Finding) -> Option<f64> {
    let value = match finding {
        Finding::Clear(value) | Finding::Between(value) => value,
        Finding::Met(met) => met.value,
        Finding::Unknown(_) | Finding::Moot(_) => return None,
    };
    (check.unit() != super::outgoing::Unit::None).then_some(value)
}

fn because(
    engine: &Engine,
    settings: &Settings,
    check: Check,
    finding: Finding,
    phase: Option<&Phase>,
    now: Now,
) -> String {
    match phase {
        Some(Phase::Active { id }) => return because_active(engine, id, finding),
        Some(Phase::Cleared(_)) => {
            return "it was cleared by hand and alerts again once it was fine in between".to_owned();
        }
        Some(Phase::Damped { until_ms }) => {
            let secs = until_ms.saturating_sub(now.mono_ms) / 1_000;
            return format!("it came back almost unchanged and is not repeated for another {secs} seconds");
        }
        Some(Phase::Pending { lasted_ms, .. }) => {
            let (lasted, delay) = (lasted_ms / 1_000, settings.delay_ms(check) / 1_000);
            return format!("it is true for {lasted} seconds and must last {delay}, and be seen often enough");
        }
        None => {}
    }
    match finding {
        Finding::Moot(Why::Stopped) => "the guest does not run".to_owned(),
        Finding::Moot(_) => match settings.off {
            Some(origin) => format!("everything is off for this resource by {}", origin_name(engine, origin)),
            None => "it is not watched".to_owned(),
        },
        Finding::Unknown(doubt) => doubt.as_str().to_owned(),
        Finding::Clear(_) => "it is fine".to_owned(),
        Finding::Between(_) => "it is below its trigger".to_owned(),
        Finding::Met(_) if !engine.config().enabled => "alerts are switched off".to_owned(),
        Finding::Met(_) => "it is true and is judged at the next poll".to_owned(),
    }
}

fn because_active(engine: &Engine, id: &str, finding: Finding) -> String {
    let Some((alert, telling)) = engine.telling(id) else { return "it is true".to_owned() };
    let mut text = match finding {
        Finding::Between(_) => "it is below its trigger and not yet below its clear threshold".to_owned(),
        Finding::Unknown(doubt) => format!("it was true, and now {}", doubt.as_str()),
        _ => alert.message.clone(),
    };
    if alert.acknowledged {
        text.push_str(&format!("; acknowledged by {}", alert.ack_user));
    }
    match (telling.owed.is_some(), telling.held) {
        (true, Some(hold)) => text.push_str(&format!("; the message waits for {}", hold.as_str())),
        (true, None) => text.push_str("; the message is being gathered"),
        (false, _) if telling.told => text.push_str("; a message was sent"),
        (false, _) => {}
    }
    text
}

fn origin_name(engine: &Engine, origin: Origin) -> String {
    match origin {
        Origin::Default => "the defaults".to_owned(),
        Origin::Override => "an override".to_owned(),
        Origin::Tag => "a tag".to_owned(),
        Origin::Rule(n) => {
            let rule = engine.config().custom_rules.as_deref().and_then(|rules| rules.get(n));
            format!("the rule '{}'", rule.map_or("", |r| r.name.as_str()))
        }
    }
}
