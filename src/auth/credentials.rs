//! The account and the one API token that the environment or `.env` names. Nothing here blocks: comparing with a bcrypt
//! hash is handed out as work for another thread.

use super::digest::{Hash, same_secret};
use crate::config::{AuthSettings, Secret};

/// 4.9's bcrypt cost.
pub const COST: u32 = 12;
/// bcrypt looks at no more bytes than these.
pub const MOST_PASSWORD: usize = 72;
pub const LEAST_PASSWORD: usize = 8;
pub const MOST_USER: usize = 64;

#[derive(Debug, Clone, Default, PartialEq)]
enum Password {
    #[default]
    None,
    /// From the environment, not hashed yet (or too long for bcrypt).
    Plain(Secret),
    /// 60 characters starting `$2`.
    Bcrypt(Secret),
}

/// What is configured.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Credentials {
    user: String,
    password: Password,
    token: Option<Hash>,
}

/// Whether a password is right.
pub enum Check {
    Known(bool),
    /// Comparing takes a quarter of a second: call [`bcrypt_matches`] elsewhere.
    Bcrypt(Secret),
}

impl Credentials {
    pub fn of(auth: &AuthSettings) -> Credentials {
        let password = auth.password.expose();
        let password = if password.is_empty() {
            Password::None
        } else if is_bcrypt(password) {
            Password::Bcrypt(auth.password.clone())
        } else {
            Password::Plain(auth.password.clone())
        };
        let token = auth.api_token.expose();
        // 4.9 takes 64 hex digits for a hash; whether they are one cannot be told.
        let token = (!token.is_empty()).then(|| Hash::parse(token).unwrap_or_else(|| Hash::of(token)));
        Credentials { user: auth.user.clone(), password, token }
    }

    /// A user and a password: somebody can log in.
    pub fn has_account(&self) -> bool {
        !self.user.is_empty() && self.password != Password::None
    }
    /// A user or a password, even if one is missing.
    pub fn has_some_account(&self) -> bool {
        !self.user.is_empty() || self.password != Password::None
    }
    pub fn has_token(&self) -> bool {
        self.token.is_some()
    }
    pub fn user(&self) -> &str {
        &self.user
    }
    pub fn token_hash(&self) -> Option<&Hash> {
        self.token.as_ref()
    }
    /// The supplied token is hashed and compared; the stored hash itself opens nothing.
    pub fn is_token(&self, given: &Hash) -> bool {
        self.token.as_ref() == Some(given)
    }

    /// Judges a login. A wrong user costs as much as a wrong password; call only when [`Self::has_account`].
    pub fn check(&self, user: &str, password: &str) -> (bool, Check) {
        let right_user = same_secret(user, &self.user);
        let check = match &self.password {
            Password::None => Check::Known(false),
            Password::Plain(plain) => Check::Known(same_secret(password, plain.expose())),
            Password::Bcrypt(hash) => Check::Bcrypt(hash.clone()),
        };
        (right_user, check)
    }

    /// The plain password that is still to be hashed.
    pub fn to_hash(&self) -> Option<Secret> {
        match &self.password {
            Password::Plain(plain) if plain.expose().len() <= MOST_PASSWORD => Some(plain.clone()),
            _ => None,
        }
    }
    /// Takes in the hash of `plain`, unless the password changed meanwhile.
    pub fn hashed(&mut self, plain: &Secret, hash: Secret) {
        if self.password == Password::Plain(plain.clone()) {
            self.password = Password::Bcrypt(hash);
        }
    }
}

/// 4.9's test (contract rest.md 2.1).
pub fn is_bcrypt(text: &str) -> bool {
    text.starts_with("$2") && text.len() == 60
}

/// Takes about a quarter of a second: for job threads. A hash that cannot be read matches nothing.
pub fn bcrypt_matches(password: &str, hash: &Secret) -> bool {
    bcrypt::verify(password, hash.expose()).unwrap_or(false)
}

/// Takes about a quarter of a second: for job threads.
pub fn bcrypt_hash(password: &str) -> Result<Secret, String> {
    bcrypt::hash(password, COST).map(Secret::new).map_err(|e| format!("failed to hash the password: {e}"))
}

/// Why a new password cannot be taken; the text of 4.9 for one that is too short.
pub fn password_problem(password: &str) -> Option<&'static str> {
    if password.len() < LEAST_PASSWORD {
        Some("password must be at least 8 characters long")
    } else if password.len() > MOST_PASSWORD {
        Some("password must be at most 72 bytes long")
    } else if password.contains('\0') {
        Some("password must not contain a zero byte")
    } else {
        None
    }
}

/// Why a user name cannot be taken. 4.9 wrote any text into `.env`, so that a line break in it could set variables.
pub fn user_problem(user: &str) -> Option<&'static str> {
    let fine = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '+' | ' ');
    if user.trim().is_empty() || user.len() > MOST_USER {
        Some("username must have between 1 and 64 bytes")
    } else if user.trim() != user || !user.chars().all(fine) {
        Some("username may only hold letters, digits, '.', '_', '-', '@', '+' and inner blanks")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(user: &str, password: &str, token: &str) -> Credentials {
        Credentials::of(&AuthSettings {
            user: user.into(),
            password: Secret::new(password),
            api_token: Secret::new(token),
            ..AuthSettings::default()
        })
    }

    // 4.9 in API-only mode accepted the stored hash and refused the token.
    #[test]
    fn a_token_is_accepted_and_its_hash_is_not() {
        let hash = Hash::of("my-token");
        for configured in ["my-token", &hash.hex(), &hash.hex().to_uppercase()] {
            let c = of("", "", configured);
            assert!(c.is_token(&Hash::of("my-token")), "{configured}");
            assert!(!c.is_token(&Hash::of(&hash.hex())), "{configured}");
        }
        assert!(!of("", "", "").is_token(&Hash::of("")));
    }

    #[test]
    fn a_plain_password_is_compared_at_once_until_its_hash_is_there() {
        let mut c = of("admin", "secret words", "");
        let ask = |c: &Credentials, user: &str, password: &str| match c.check(user, password) {
            (user, Check::Known(password)) => user && password,
            (user, Check::Bcrypt(hash)) => user & bcrypt_matches(password, &hash),
        };
        assert!(ask(&c, "admin", "secret words") && !ask(&c, "admin", "secret") && !ask(&c, "root", "secret words"));
        let plain = c.to_hash().unwrap();
        c.hashed(&plain, Secret::new(bcrypt::hash(plain.expose(), 4).unwrap()));
        assert!(c.to_hash().is_none());
        assert!(ask(&c, "admin", "secret words") && !ask(&c, "admin", "secret") && !ask(&c, "root", "secret words"));
    }

    #[test]
    fn a_password_beyond_what_bcrypt_reads_is_compared_whole() {
        let long = "x".repeat(80);
        let c = of("admin", &long, "");
        assert!(c.to_hash().is_none());
        assert!(matches!(c.check("admin", &long), (true, Check::Known(true))));
        assert!(matches!(c.check("admin", &"x".repeat(79)), (true, Check::Known(false))));
    }

    #[test]
    fn names_and_passwords_that_would_break_files_are_refused() {
        for bad in ["", " ", "a\nAPI_TOKEN=x", "o'neill", "a\"b", " admin", &"x".repeat(65), "a=b", "a$b"] {
            assert!(user_problem(bad).is_some(), "{bad:?}");
        }
        for good in ["admin", "anna.müller", "user@example", "first last"] {
            assert_eq!(user_problem(good), None, "{good:?}");
        }
        assert!(password_problem("1234567").is_some() && password_problem("12345678").is_none());
        assert!(password_problem(&"x".repeat(73)).is_some());
    }
}
