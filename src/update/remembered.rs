//! The last answer of the release server, so that it is not asked again by every page that opens.

use super::Release;
use crate::model::Now;

/// How long an answer counts, in milliseconds.
const FRESH_MS: u64 = 300_000;

/// At most one answer.
#[derive(Default)]
pub struct Remembered(Option<(String, u64, Release)>);

impl Remembered {
    /// What is known of a channel and not too old.
    pub fn get(&self, channel: &str, now: Now) -> Option<&Release> {
        let (of, at, release) = self.0.as_ref()?;
        (of == channel && now.mono_ms.saturating_sub(*at) < FRESH_MS).then_some(release)
    }

    pub fn put(&mut self, channel: String, release: Release, now: Now) {
        self.0 = Some((channel, now.mono_ms, release));
    }
}
