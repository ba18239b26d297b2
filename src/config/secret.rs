//! A text that must never be shown: passwords, tokens, passphrases. Nothing else lives here.

use std::fmt;

/// Hides what it holds from `Debug`, and thereby from logs, errors and panics. There is no `Display`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }
    /// The text itself, for the one place that needs it (a header, a hash, a sealed file).
    pub fn expose(&self) -> &str {
        &self.0
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "(none)" } else { "(hidden)" })
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn debug_says_only_whether_there_is_one() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "(hidden)");
        assert_eq!(format!("{:?}", Secret::default()), "(none)");
    }
}
