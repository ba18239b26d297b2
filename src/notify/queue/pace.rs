//! How fast may be sent: a bucket for each channel, so that a storm becomes few long messages, and a gap and a turn for
//! each host, so that no receiver is flooded. Times are monotonic milliseconds.

use crate::order::Map;

/// Messages a channel may get at once.
const BURST: u32 = 10;
/// After that, one each three minutes.
const REFILL_MS: u64 = 180_000;
/// Between two requests to one host.
const HOST_GAP_MS: u64 = 1_000;
/// Entries kept at most; beyond it the ones without a say are dropped.
const MOST_ENTRIES: usize = 256;

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: u32,
    /// When the last token came in.
    filled_ms: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Host {
    busy: bool,
    not_before_ms: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Pace {
    channels: Map<String, Bucket>,
    hosts: Map<String, Host>,
}

impl Pace {
    /// How many messages a channel may get now. `a_minute` is the administrator's own limit, 0 for none.
    pub fn tokens(&mut self, channel: &str, a_minute: u32, now_ms: u64) -> u32 {
        self.bucket(channel, a_minute, now_ms).tokens
    }

    /// Whether it may get one.
    pub fn has_token(&mut self, channel: &str, a_minute: u32, now_ms: u64) -> bool {
        self.tokens(channel, a_minute, now_ms) > 0
    }

    /// A message goes to a channel.
    pub fn take(&mut self, channel: &str, a_minute: u32, now_ms: u64) {
        let bucket = self.bucket(channel, a_minute, now_ms);
        bucket.tokens = bucket.tokens.saturating_sub(1);
    }

    fn bucket(&mut self, channel: &str, a_minute: u32, now_ms: u64) -> &mut Bucket {
        let (burst, refill_ms) = match a_minute {
            0 => (BURST, REFILL_MS),
            n => (n, 60_000 / u64::from(n.min(60_000))),
        };
        if self.channels.len() >= MOST_ENTRIES && !self.channels.contains_key(channel) {
            self.channels.clear();
        }
        let full = Bucket { tokens: burst, filled_ms: now_ms };
        let bucket = self.channels.entry(channel.to_owned()).or_insert(full);
        let came_in = now_ms.saturating_sub(bucket.filled_ms) / refill_ms;
        if came_in > 0 {
            bucket.tokens = u32::try_from(u64::from(bucket.tokens) + came_in).unwrap_or(burst).min(burst);
            bucket.filled_ms += came_in * refill_ms;
        }
        bucket.tokens = bucket.tokens.min(burst);
        bucket
    }

    /// Whether a host may be called now.
    pub fn host_is_free(&self, host: &str, now_ms: u64) -> bool {
        self.hosts.get(host).is_none_or(|h| !h.busy && now_ms >= h.not_before_ms)
    }

    pub fn host_called(&mut self, host: &str, now_ms: u64) {
        self.hosts.retain(|_, h| h.busy || h.not_before_ms > now_ms);
        self.hosts.insert(host.to_owned(), Host { busy: true, not_before_ms: now_ms + HOST_GAP_MS });
    }

    /// A call to a host ended; it may have asked to be left alone for a while.
    pub fn host_done(&mut self, host: &str, quiet_secs: u64, now_ms: u64) {
        if let Some(h) = self.hosts.get_mut(host) {
            h.busy = false;
            h.not_before_ms = h.not_before_ms.max(now_ms + quiet_secs * 1000);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_gets_ten_at_once_and_then_one_each_three_minutes() {
        let mut pace = Pace::default();
        let mut sent = 0;
        for second in 0..3600 {
            if pace.has_token("email", 0, second * 1000) {
                pace.take("email", 0, second * 1000);
                sent += 1;
            }
        }
        assert_eq!(sent, 10 + 19);
        assert!(pace.has_token("other", 0, 0), "channels do not share");
    }

    #[test]
    fn the_administrators_own_limit_replaces_ours() {
        let mut pace = Pace::default();
        let mut sent = 0;
        for second in 0..60 {
            if pace.has_token("email", 2, second * 1000) {
                pace.take("email", 2, second * 1000);
                sent += 1;
            }
        }
        assert_eq!(sent, 3);
    }

    #[test]
    fn a_host_is_called_once_at_a_time_and_left_alone_when_it_asks() {
        let mut pace = Pace::default();
        pace.host_called("a", 0);
        assert!(!pace.host_is_free("a", 60_000), "the first call has not ended");
        assert!(pace.host_is_free("b", 0));
        pace.host_done("a", 0, 200);
        assert!(!pace.host_is_free("a", 900) && pace.host_is_free("a", 1_000));
        pace.host_called("a", 1_000);
        pace.host_done("a", 30, 1_200);
        assert!(!pace.host_is_free("a", 31_000) && pace.host_is_free("a", 31_200));
    }
}
