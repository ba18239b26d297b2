//! Named API tokens beside the one of the environment: each with its scopes, an optional end, and when it was last used.
//! Only hashes are kept. The file is `api_tokens.json`, which 4.9 does not know.

use super::digest::{Hash, random_hex};
use crate::model::{Now, Time};
use serde::{Deserialize, Serialize};

const MOST_TOKENS: usize = 100;
const MOST_NAME: usize = 64;
/// The last use is written to disk at most this often.
const USE_STEP_SECS: i64 = 300;

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Read everything that is shown.
    Read,
    /// Change everything; includes reading.
    Manage,
    /// Export and import the configuration.
    Export,
    /// Only the metrics for a scraper.
    Scrape,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Names the token in requests to revoke it.
    pub id: String,
    pub name: String,
    hash: String,
    /// The last four characters, to recognise it by.
    pub hint: String,
    pub scopes: Vec<Scope>,
    pub created: Time,
    /// `Time::UNSET`: never.
    #[serde(default)]
    pub expires: Time,
    /// `Time::UNSET`: not yet.
    #[serde(default)]
    pub last_used: Time,
}

impl Token {
    pub fn has(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
    fn lives(&self, now: Now) -> bool {
        !self.expires.is_set() || self.expires > now.wall
    }
}

/// What a new token is to be.
#[derive(Debug, Clone)]
pub struct Wish {
    pub name: String,
    pub scopes: Vec<Scope>,
    pub expires: Time,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tokens {
    list: Vec<(Hash, Token)>,
    /// A use was noted that the file does not have.
    used: bool,
}

#[derive(Serialize, Deserialize)]
struct File {
    tokens: Vec<Token>,
}

impl Tokens {
    pub fn load(bytes: &[u8]) -> Result<Tokens, String> {
        let file: File = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        let with_hash = |t: Token| {
            let hash = Hash::parse(&t.hash).ok_or_else(|| format!("the hash of token {:?} is damaged", t.name))?;
            Ok((hash, t))
        };
        let list = file.tokens.into_iter().map(with_hash).collect::<Result<_, String>>()?;
        Ok(Tokens { list, used: false })
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let file = File { tokens: self.list.iter().map(|(_, t)| t.clone()).collect() };
        serde_json::to_vec_pretty(&file).unwrap_or_default()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Token> {
        self.list.iter().map(|(_, t)| t)
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The live token of this hash.
    pub fn find(&self, given: &Hash, now: Now) -> Option<&Token> {
        self.list.iter().find(|(hash, t)| hash == given && t.lives(now)).map(|(_, t)| t)
    }

    /// Whether the token of this id still opens anything, for open sockets.
    pub fn is_live(&self, id: &str, now: Now) -> bool {
        self.iter().any(|t| t.id == id && t.lives(now))
    }

    /// Notes a use.
    pub fn used(&mut self, given: &Hash, now: Now) {
        let Some((_, token)) = self.list.iter_mut().find(|(hash, _)| hash == given) else { return };
        if now.unix_secs() - token.last_used.unix_secs() >= USE_STEP_SECS {
            token.last_used = now.wall;
            self.used = true;
        }
    }

    /// The file's bytes when a use was noted since the last call.
    pub fn take_used(&mut self) -> Option<Vec<u8>> {
        std::mem::take(&mut self.used).then(|| self.to_bytes())
    }

    /// The tokens with one more, and its text, which is shown once. The error is fit for a 400.
    pub fn with(&self, wish: Wish, now: Now) -> Result<(Tokens, Token, String), String> {
        let mut next = self.clone();
        next.list.retain(|(_, t)| t.lives(now));
        let name = wish.name.trim().to_owned();
        if name.is_empty() || name.len() > MOST_NAME || name.chars().any(char::is_control) {
            return Err("the name of a token must have between 1 and 64 printable bytes".to_owned());
        }
        if next.iter().any(|t| t.name == name) {
            return Err("there is already a token of that name".to_owned());
        }
        if wish.scopes.is_empty() {
            return Err("a token needs at least one scope: read, manage, export or scrape".to_owned());
        }
        if wish.expires.is_set() && wish.expires <= now.wall {
            return Err("the end of a token must lie in the future".to_owned());
        }
        if next.list.len() >= MOST_TOKENS {
            return Err("there are 100 tokens already, revoke one first".to_owned());
        }
        let text = random_hex(24)?;
        let hash = Hash::of(&text);
        let mut scopes = wish.scopes;
        crate::order::sort(&mut scopes);
        scopes.dedup();
        let token = Token {
            id: random_hex(6)?,
            name,
            hash: hash.hex(),
            hint: text.get(text.len() - 4..).unwrap_or("").to_owned(),
            scopes,
            created: now.wall,
            expires: wish.expires,
            last_used: Time::UNSET,
        };
        next.list.push((hash, token.clone()));
        Ok((next, token, text))
    }

    /// The tokens without one, named by id or name; `None` when there is no such token.
    pub fn without(&self, id: &str) -> Option<(Tokens, Token)> {
        let gone = self.iter().find(|t| t.id == id).or_else(|| self.iter().find(|t| t.name == id))?.clone();
        let mut next = self.clone();
        next.list.retain(|(_, t)| t.id != gone.id);
        Some((next, gone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn now() -> Now {
        Now::simulated(1_755_000_000_000)
    }

    fn wish(name: &str, scopes: &[Scope]) -> Wish {
        Wish { name: name.into(), scopes: scopes.to_vec(), expires: Time::UNSET }
    }

    #[test]
    fn a_token_is_found_by_its_text_until_it_ends_or_is_revoked() {
        let later = now().plus(Duration::from_secs(60));
        let ending = Wish { expires: later.wall, ..wish("short", &[Scope::Read, Scope::Read]) };
        let (tokens, short, short_text) = Tokens::default().with(ending, now()).unwrap();
        let (tokens, long, long_text) = tokens.with(wish("long", &[Scope::Scrape]), now()).unwrap();
        assert_eq!(tokens.find(&Hash::of(&short_text), now()).unwrap().scopes, [Scope::Read]);
        assert!(tokens.find(&Hash::of(&short_text), later).is_none(), "ended");
        let text = String::from_utf8(tokens.to_bytes()).unwrap();
        assert!(!text.contains(&short_text) && !text.contains(&long_text));
        let read = Tokens::load(text.as_bytes()).unwrap();
        assert_eq!(read, tokens);
        let (fewer, gone) = read.without(&long.id).unwrap();
        assert_eq!(gone.name, "long");
        assert!(fewer.find(&Hash::of(&long_text), now()).is_none());
        assert!(
            fewer.without(&long.id).is_none() && fewer.is_live(&short.id, now()) && !fewer.is_live(&short.id, later)
        );
        assert_eq!(Hash::of(&short_text).hex(), tokens.list.first().unwrap().1.hash);
        assert!(tokens.find(&Hash::of(&Hash::of(&short_text).hex()), now()).is_none(), "the hash opens nothing");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let (tokens, ..) = Tokens::default().with(wish("a", &[Scope::Read]), now()).unwrap();
        for bad in [wish("", &[Scope::Read]), wish("a", &[Scope::Read]), wish("b", &[]), wish("x\ny", &[Scope::Read])] {
            assert!(tokens.with(bad, now()).is_err());
        }
        let past = Wish { expires: now().wall, ..wish("c", &[Scope::Read]) };
        assert!(tokens.with(past, now()).is_err());
    }

    #[test]
    fn uses_are_written_now_and_then() {
        let (mut tokens, _, text) = Tokens::default().with(wish("a", &[Scope::Read]), now()).unwrap();
        let hash = Hash::of(&text);
        let mut use_after = |secs| {
            tokens.used(&hash, now().plus(Duration::from_secs(secs)));
            tokens.take_used()
        };
        assert!(use_after(0).is_some() && use_after(299).is_none() && use_after(300).is_some());
        let last = Tokens::load(&tokens.to_bytes()).unwrap().iter().next().unwrap().last_used;
        assert_eq!(last, now().plus(Duration::from_secs(300)).wall);
    }
}
