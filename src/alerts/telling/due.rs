//! When time alone may lead to a message next, so that a replay need not ask every second.

use super::{HOUR_MS, Teller};
use crate::alerts::book::{Active, Book};
use crate::alerts::config::Config;
use crate::model::Now;

impl Teller {
    /// Milliseconds until something may be told that is not told now. Never later than the next full minute: quiet hours
    /// and weekly maintenance change there.
    pub fn due_in_ms(&self, book: &Book, config: &Config, now: Now) -> i64 {
        let now_ms = i64::try_from(now.mono_ms).unwrap_or(i64::MAX);
        let wall_ms = now.wall.unix_millis();
        let mut least = 60_000 - wall_ms.rem_euclid(60_000);
        let mut at = |moment_ms: i64| {
            let left = moment_ms.saturating_sub(now_ms);
            if left > 0 {
                least = least.min(left);
            }
        };
        let window_ms = config.schedule.gather_secs().saturating_mul(1_000);
        for group in &self.groups {
            at(i64::try_from(group.opened_ms).unwrap_or(i64::MAX).saturating_add(window_ms));
        }
        for active in book.iter().filter(|a| !a.alert.acknowledged) {
            self.due_of(active, config, &mut at);
        }
        for boundary in self.calendar.once() {
            at(now_ms.saturating_add(boundary.unix_millis().saturating_sub(wall_ms)));
        }
        least
    }

    /// The moments at which the cool-down, the hourly limit and the levels of escalation of one alert may end.
    fn due_of(&self, active: &Active, config: &Config, at: &mut impl FnMut(i64)) {
        let schedule = &config.schedule;
        if active.telling.owed.is_some()
            && let Some(times) = self.sent.get(&active.alert.id)
        {
            for sent in times {
                at(sent.saturating_add(schedule.cooldown.saturating_mul(60_000)));
                at(sent.saturating_add(HOUR_MS));
            }
        }
        if schedule.escalation.enabled {
            for level in schedule.escalation.levels.iter().flatten() {
                at(active.since_ms.saturating_add(level.after.saturating_mul(60_000)));
            }
        }
    }
}
