//! What one look at a resource says about one condition.

use super::check::Check;
use super::level::Level;
use super::settings::Line;
use super::transition::Why;

/// 0.57 × 100 is a little less than 57: figures this close to a limit have reached it.
const NOISE: f64 = 1e-9;

/// The result of one look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Finding {
    /// Nothing is known: neither raises nor ends anything.
    Unknown(Doubt),
    /// It cannot be true at present, whatever the figures: not watched, or a guest that does not run.
    Moot(Why),
    /// Measured, and fine.
    Clear(f64),
    /// Below the trigger, not yet below the clear threshold.
    Between(f64),
    Met(Met),
}

/// The condition is true.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Met {
    pub level: Level,
    pub value: f64,
    pub threshold: f64,
    pub clear: f64,
    /// Somebody else has already looked often enough (the connection itself failed several times in a row).
    pub confirmed: bool,
}

/// Why nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// The connection does not answer.
    Unreachable,
    NodeDown,
    /// A backup, a snapshot, a migration or the like is at work.
    Locked,
    /// Proxmox does not say.
    NoFigure,
    /// Not asked yet since the start.
    NotFetched,
}

impl Finding {
    /// A condition without figures.
    pub fn plain(level: Option<Level>) -> Finding {
        Finding::graded(level, 0.0, 0.0)
    }
    /// A condition that is true when it has a level.
    pub fn graded(level: Option<Level>, value: f64, threshold: f64) -> Finding {
        match level {
            Some(level) => Finding::Met(Met { level, value, threshold, clear: 0.0, confirmed: false }),
            None => Finding::Clear(value),
        }
    }
    /// A figure against its limits.
    pub fn measured(value: f64, line: &Line) -> Finding {
        if !value.is_finite() {
            Finding::Unknown(Doubt::NoFigure)
        } else if value + NOISE >= line.trigger {
            let level = if value + NOISE >= line.critical { Level::Critical } else { Level::Warning };
            Finding::Met(Met { level, value, threshold: line.trigger, clear: line.clear, confirmed: false })
        } else if value > line.clear + NOISE {
            Finding::Between(value)
        } else {
            Finding::Clear(value)
        }
    }
    pub fn confirmed(mut self) -> Finding {
        if let Finding::Met(met) = &mut self {
            met.confirmed = true;
        }
        self
    }
}

impl Doubt {
    /// Words for "why is this not alerting".
    pub fn as_str(self) -> &'static str {
        match self {
            Doubt::Unreachable => "the connection does not answer",
            Doubt::NodeDown => "its node is not online",
            Doubt::Locked => "it is locked by a running task",
            Doubt::NoFigure => "Proxmox gives no figure",
            Doubt::NotFetched => "not fetched yet since the start",
        }
    }
}

/// Takes the findings of one look at one resource.
pub trait Sink {
    fn take(&mut self, check: Check, finding: Finding);
}

impl<F: FnMut(Check, Finding)> Sink for F {
    fn take(&mut self, check: Check, finding: Finding) {
        self(check, finding);
    }
}
