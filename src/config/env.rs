//! Environment variables and `.env` files: reading and layering, nothing about what a variable means.
//!
//! 4.9 reads `<data>/.env`, then `./.env`; neither overrides the process environment (contract rest.md 6.2). The
//! account and token are the exception: a password changed through the page is written to `<data>/.env` and must
//! outlive a restart, so for [`ACCOUNT`] the data directory's file wins over the process environment (6.4).

use super::Secret;
use crate::order::{Map, Pairs};

/// Name and value of each variable.
pub type Vars = Map<String, String>;

/// The variables for which `<data>/.env` beats the process environment.
pub const ACCOUNT: [&str; 3] = ["PULSE_AUTH_USER", "PULSE_AUTH_PASS", "API_TOKEN"];

/// A `.env` file as read: what it sets, and which lines could not be read.
#[derive(Clone, Default, PartialEq)]
pub struct EnvFile {
    pub vars: Vars,
    /// `line 3: …`; never quotes the line, which may hold a password.
    pub problems: Vec<String>,
    /// As it was read, for whoever changes a line of it.
    text: Secret,
}

/// Every source of variables, each kept apart so that a change of one file can be applied alone.
#[derive(Clone, Default, PartialEq)]
pub struct Environment {
    /// As the process was started.
    pub process: Vars,
    /// `<data>/.env`.
    pub data: EnvFile,
    /// `./.env` of the working directory.
    pub working: EnvFile,
}

impl Environment {
    /// The process environment; variables that are not UTF-8 are left out.
    pub fn of_process() -> Environment {
        let process = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        Environment { process: process.mapped(), ..Environment::default() }
    }
    /// The value of a variable as it stands; a blank one counts as not set, so that it cannot hide another source.
    pub fn get(&self, name: &str) -> Option<&str> {
        let layers = if ACCOUNT.contains(&name) {
            [&self.data.vars, &self.process, &self.working.vars]
        } else {
            [&self.process, &self.data.vars, &self.working.vars]
        };
        layers.iter().filter_map(|vars| vars.get(name)).map(String::as_str).find(|v| !v.trim().is_empty())
    }
    /// The same without blanks around it: for everything but passwords.
    pub fn word(&self, name: &str) -> Option<&str> {
        self.get(name).map(str::trim)
    }
    /// `true` and `1` are yes, in any case; anything else that is set is no.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.word(name).map(|v| v == "1" || v.eq_ignore_ascii_case("true"))
    }
    pub fn is_true(&self, name: &str) -> bool {
        self.flag(name) == Some(true)
    }
}

/// Values of variables are secrets more often than not: only the names are shown.
impl std::fmt::Debug for EnvFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnvFile")
            .field("names", &self.vars.keys().collect::<Vec<_>>())
            .field("problems", &self.problems)
            .finish()
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment").field("data", &self.data).field("working", &self.working).finish_non_exhaustive()
    }
}

impl EnvFile {
    /// Reads dotenv syntax: `KEY=value`, `export KEY=value`, `KEY: value`, `'literal'`, `"with \n escapes"`, comments.
    /// `$NAME` and `${NAME}` are replaced outside single quotes when the name is known from this file or `outer`,
    /// but never in a bcrypt hash, which is full of `$`.
    pub fn parse(text: &str, outer: &Vars) -> EnvFile {
        let mut file = EnvFile { text: Secret::new(text), ..EnvFile::default() };
        for (number, line) in text.lines().enumerate() {
            let line = line.trim().trim_start_matches('\u{feff}');
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match parse_line(line, &file.vars, outer) {
                Ok((name, value)) => {
                    file.vars.insert(name, value);
                }
                Err(why) => file.problems.push(format!("line {}: {why}", number + 1)),
            }
        }
        file
    }
}

impl EnvFile {
    /// The file's new content with these variables set.
    pub fn with_vars(&self, vars: &[(&str, &str)]) -> Vec<u8> {
        super::env_edit::with_vars(self.text.expose(), vars).into_bytes()
    }
}

fn parse_line(line: &str, own: &Vars, outer: &Vars) -> Result<(String, String), &'static str> {
    let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
    let at = line.find(['=', ':']).ok_or("no '=' between a name and a value")?;
    let (name, rest) = line.split_at(at);
    let name = name.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    if name.is_empty() || !name.chars().all(plain) {
        return Err("the name may only hold letters, digits and '_'");
    }
    let raw = rest.get(1..).unwrap_or("").trim();
    let value = match raw.chars().next() {
        Some('\'') => quoted(raw, '\'')?,
        Some('"') => expand_escaped(&quoted(raw, '"')?, own, outer),
        _ => expand(bare(raw), own, outer),
    };
    Ok((name.to_owned(), value))
}

/// A value without quotes ends at a comment: a `#` after a blank.
fn bare(raw: &str) -> &str {
    if raw.starts_with('#') {
        return "";
    }
    let cut = raw.match_indices('#').find(|(i, _)| raw.get(..*i).is_some_and(|before| before.ends_with([' ', '\t'])));
    cut.map_or(raw, |(i, _)| raw.get(..i).unwrap_or(raw)).trim_end()
}

/// The text between the quotes; only a comment may follow them.
fn quoted(raw: &str, quote: char) -> Result<String, &'static str> {
    let mut inside = String::new();
    let mut chars = raw.chars().skip(1);
    while let Some(c) = chars.next() {
        if c == '\\' && quote == '"' {
            inside.push(c);
            inside.extend(chars.next());
        } else if c == quote {
            let after: String = chars.collect();
            let after = after.trim();
            return if after.is_empty() || after.starts_with('#') {
                Ok(inside)
            } else {
                Err("text after the closing quote")
            };
        } else {
            inside.push(c);
        }
    }
    Err("the closing quote is missing")
}

/// The inside of double quotes: what stands behind a backslash is literal, a `$` too.
fn expand_escaped(text: &str, own: &Vars, outer: &Vars) -> String {
    let mut out = String::new();
    let mut pieces = text.split('\\');
    out.push_str(&expand(pieces.next().unwrap_or(""), own, outer));
    while let Some(piece) = pieces.next() {
        let mut chars = piece.chars();
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some(other) => out.push(other),
            // A backslash behind a backslash: what follows it is outside again.
            None => {
                out.push('\\');
                chars = pieces.next().unwrap_or("").chars();
            }
        }
        out.push_str(&expand(chars.as_str(), own, outer));
    }
    out
}

/// `$2a$12$…`: what 4.9 destroyed by expanding it.
fn is_bcrypt(value: &str) -> bool {
    ["$2a$", "$2b$", "$2y$"].iter().any(|p| value.starts_with(p))
}

fn expand(value: &str, own: &Vars, outer: &Vars) -> String {
    if is_bcrypt(value) {
        return value.to_owned();
    }
    let mut out = String::new();
    let mut rest = value;
    while let Some(at) = rest.find('$') {
        out.push_str(rest.get(..at).unwrap_or(""));
        let tail = rest.get(at + 1..).unwrap_or("");
        let (name, used) = match tail.strip_prefix('{').and_then(|t| t.split_once('}')) {
            Some((name, _)) => (name, name.len() + 2),
            None => {
                let end = tail.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(tail.len());
                (tail.get(..end).unwrap_or(""), end)
            }
        };
        match own.get(name).or_else(|| outer.get(name)) {
            Some(known) => {
                out.push_str(known);
                rest = tail.get(used..).unwrap_or("");
            }
            None => {
                out.push('$');
                rest = tail;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> EnvFile {
        EnvFile::parse(text, &Vars::from([("OUTER".to_owned(), "from outside".to_owned())]))
    }

    #[test]
    fn every_form_of_a_line_is_read() {
        let file = read(
            "\u{feff}# comment\n\nPULSE_AUTH_USER='admin'\nexport LOG_LEVEL=debug # loud\nYAML: yes\nQUOTED=\"a\\n\\\"b\\\" #c\" # d\n\
             EMPTY=\nHASHTAG=a#b\nREF=${OUTER}!$LOG_LEVEL-$UNKNOWN-${UNKNOWN}\nLITERAL='$OUTER'\n",
        );
        assert_eq!(file.problems, Vec::<String>::new());
        let expected = [
            ("PULSE_AUTH_USER", "admin"),
            ("LOG_LEVEL", "debug"),
            ("YAML", "yes"),
            ("QUOTED", "a\n\"b\" #c"),
            ("EMPTY", ""),
            ("HASHTAG", "a#b"),
            ("REF", "from outside!debug-$UNKNOWN-${UNKNOWN}"),
            ("LITERAL", "$OUTER"),
        ];
        for (name, value) in expected {
            assert_eq!(file.vars.get(name).map(String::as_str), Some(value), "{name}");
        }
    }

    // 4.9 expanded `$12` inside an unquoted hash and then hashed the remains as a plain password.
    #[test]
    fn a_bcrypt_hash_survives_without_quotes() {
        let hash = "$2a$12$abcdefghijklmnopqrstuvABCDEFGHIJKLMNOPQRSTUV0123456789.";
        for line in [format!("P={hash}"), format!("P=\"{hash}\""), format!("P='{hash}'")] {
            assert_eq!(read(&line).vars.get("P").map(String::as_str), Some(hash), "{line}");
        }
    }

    // 4.9 threw the whole file away at one bad line and started without authentication.
    #[test]
    fn a_broken_line_is_named_without_its_text_and_the_others_count() {
        let file = read("API_TOKEN=abc\nsecret words\nPULSE_AUTH_PASS='open\nPULSE_AUTH_USER=admin\n");
        assert_eq!(file.vars.get("API_TOKEN").map(String::as_str), Some("abc"));
        assert_eq!(file.vars.get("PULSE_AUTH_USER").map(String::as_str), Some("admin"));
        assert_eq!(
            file.problems,
            ["line 2: no '=' between a name and a value", "line 3: the closing quote is missing"]
        );
    }

    #[test]
    fn the_process_wins_except_for_the_account() {
        let layer = |v: &str| Vars::from([("API_TOKEN".to_owned(), v.to_owned()), ("PORT".to_owned(), v.to_owned())]);
        let mut env = Environment {
            process: layer("process"),
            data: EnvFile { vars: layer("data"), ..EnvFile::default() },
            working: EnvFile { vars: layer("working"), ..EnvFile::default() },
        };
        assert_eq!(env.get("PORT"), Some("process"));
        assert_eq!(env.get("API_TOKEN"), Some("data"));
        env.data.vars.insert("API_TOKEN".to_owned(), " ".to_owned());
        assert_eq!(env.get("API_TOKEN"), Some("process"), "an empty line hides no other source");
        env.process.clear();
        assert_eq!(env.get("API_TOKEN"), Some("working"));
        assert!(!format!("{env:?}").contains("working\""), "values are never shown");
    }
}
