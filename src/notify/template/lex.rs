//! From text to tokens: what stands between actions, and what stands in them.

use super::Failure;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// Text outside actions, trimmed where `{{-` and `-}}` ask for it.
    Text(String),
    Open,
    Close,
    /// Names of functions, and keywords.
    Word(String),
    /// `.Name`, without the dot.
    Field(String),
    Dot,
    /// `$` or `$name`.
    Variable(String),
    Str(String),
    Int(i64),
    Float(f64),
    Pipe,
    LeftParen,
    RightParen,
    Comma,
    Declare,
    Assign,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub kind: Kind,
    /// First byte in the template.
    pub at: usize,
    /// White space stands before it, inside the action.
    pub spaced: bool,
}

const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

/// All tokens of a template.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Failure> {
    let mut lexer = Lexer { text, at: 0, out: Vec::new() };
    let mut trim_next = false;
    while lexer.at < text.len() {
        trim_next = lexer.piece(trim_next)?;
    }
    Ok(lexer.out)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    out: Vec<Token>,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }
    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }
    fn push(&mut self, kind: Kind, at: usize, spaced: bool) {
        self.out.push(Token { kind, at, spaced });
    }

    /// Text up to the next action, and that action. Tells whether the text after it is trimmed on its left.
    fn piece(&mut self, trim_left: bool) -> Result<bool, Failure> {
        let start = self.at;
        let Some(length) = self.rest().find("{{") else {
            let rest = if trim_left { self.rest().trim_start_matches(SPACES) } else { self.rest() };
            if !rest.is_empty() {
                let rest = rest.to_owned();
                self.push(Kind::Text(rest), start, false);
            }
            self.at = self.text.len();
            return Ok(false);
        };
        let mut text = self.rest().get(..length).unwrap_or_default();
        let open = start + length;
        let after = self.text.get(open + 2..).unwrap_or_default();
        let trims = after.starts_with('-') && after.get(1..).is_some_and(|a| a.starts_with(SPACES));
        if trim_left {
            text = text.trim_start_matches(SPACES);
        }
        if trims {
            text = text.trim_end_matches(SPACES);
        }
        if !text.is_empty() {
            let text = text.to_owned();
            self.push(Kind::Text(text), start, false);
        }
        self.at = open + if trims { 4 } else { 2 };
        if self.rest().trim_start_matches(if trims { &SPACES[..] } else { &[] }).starts_with("/*") {
            return self.comment(open);
        }
        self.push(Kind::Open, open, false);
        self.action(open)
    }

    fn comment(&mut self, open: usize) -> Result<bool, Failure> {
        let Some(end) = self.rest().find("*/") else {
            return Err(Failure::new(open, "unclosed comment"));
        };
        self.at += end + 2;
        if self.rest().starts_with("}}") {
            self.at += 2;
            return Ok(false);
        }
        let trimmed = self.rest().trim_start_matches(SPACES);
        if trimmed.len() < self.rest().len() && trimmed.starts_with("-}}") {
            self.at = self.text.len() - trimmed.len() + 3;
            return Ok(true);
        }
        Err(Failure::new(open, "comment ends before closing delimiter"))
    }

    /// The inside of an action, up to and with its end.
    fn action(&mut self, open: usize) -> Result<bool, Failure> {
        loop {
            let before = self.at;
            let trimmed = self.rest().trim_start_matches(SPACES);
            self.at = self.text.len() - trimmed.len();
            let spaced = self.at > before;
            let at = self.at;
            if spaced && self.rest().starts_with("-}}") {
                self.push(Kind::Close, at, true);
                self.at += 3;
                return Ok(true);
            }
            if self.rest().starts_with("}}") {
                self.push(Kind::Close, at, spaced);
                self.at += 2;
                return Ok(false);
            }
            let Some(c) = self.peek() else {
                return Err(Failure::new(open, "unclosed action"));
            };
            let kind = self.token(c)?;
            self.push(kind, at, spaced);
        }
    }

    fn token(&mut self, c: char) -> Result<Kind, Failure> {
        let next = self.rest().chars().nth(1);
        let simple = |kind: Kind, length: usize| Ok((kind, length));
        let (kind, length) = match c {
            '|' => simple(Kind::Pipe, 1),
            '(' => simple(Kind::LeftParen, 1),
            ')' => simple(Kind::RightParen, 1),
            ',' => simple(Kind::Comma, 1),
            '=' => simple(Kind::Assign, 1),
            ':' if next == Some('=') => simple(Kind::Declare, 2),
            '"' => return self.quoted(),
            '`' => return self.raw(),
            '\'' => return self.character(),
            '$' => {
                let name = word_at(self.rest().get(1..).unwrap_or_default());
                simple(Kind::Variable(format!("${name}")), 1 + name.len())
            }
            '.' if !next.is_some_and(|n| n.is_ascii_digit()) => {
                let name = word_at(self.rest().get(1..).unwrap_or_default());
                if name.is_empty() {
                    simple(Kind::Dot, 1)
                } else {
                    simple(Kind::Field(name.to_owned()), 1 + name.len())
                }
            }
            c if c.is_ascii_digit() || matches!(c, '+' | '-' | '.') => return self.number(),
            c if c.is_alphabetic() || c == '_' => {
                let name = word_at(self.rest());
                simple(Kind::Word(name.to_owned()), name.len())
            }
            c => Err(Failure::new(self.at, format!("unexpected character {c:?} in action"))),
        }?;
        self.at += length;
        self.after_word(&kind)?;
        Ok(kind)
    }

    /// A name must end where a name can end: `.A{` is a slip.
    fn after_word(&self, kind: &Kind) -> Result<(), Failure> {
        let is_word = matches!(kind, Kind::Word(_) | Kind::Field(_) | Kind::Variable(_));
        match self.peek() {
            Some(c)
                if is_word && !(SPACES.contains(&c) || matches!(c, '.' | ',' | '|' | ':' | '(' | ')' | '=' | '}')) =>
            {
                Err(Failure::new(self.at, format!("unexpected character {c:?} after a name")))
            }
            _ => Ok(()),
        }
    }

    fn raw(&mut self) -> Result<Kind, Failure> {
        let start = self.at;
        let body = self.rest().get(1..).unwrap_or_default();
        let end = body.find('`').ok_or_else(|| Failure::new(start, "unterminated raw quoted string"))?;
        let text = body.get(..end).unwrap_or_default().replace('\r', "");
        self.at += end + 2;
        Ok(Kind::Str(text))
    }

    fn quoted(&mut self) -> Result<Kind, Failure> {
        let start = self.at;
        let mut bytes = Vec::new();
        self.at += 1;
        loop {
            match self.peek() {
                None | Some('\n') => return Err(Failure::new(start, "unterminated quoted string")),
                Some('"') => {
                    self.at += 1;
                    return Ok(Kind::Str(String::from_utf8_lossy(&bytes).into_owned()));
                }
                Some('\\') => self.escape('"', &mut bytes)?,
                Some(c) => {
                    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    self.at += c.len_utf8();
                }
            }
        }
    }

    fn character(&mut self) -> Result<Kind, Failure> {
        let start = self.at;
        let wrong = || Failure::new(start, "malformed character constant");
        let mut bytes = Vec::new();
        self.at += 1;
        match self.peek().ok_or_else(wrong)? {
            '\\' => self.escape('\'', &mut bytes)?,
            '\'' | '\n' => return Err(wrong()),
            c => {
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                self.at += c.len_utf8();
            }
        }
        if self.peek() != Some('\'') {
            return Err(wrong());
        }
        self.at += 1;
        match (std::str::from_utf8(&bytes).ok().and_then(|t| t.chars().next()), bytes.as_slice()) {
            (Some(c), _) => Ok(Kind::Int(i64::from(u32::from(c)))),
            (None, [byte, ..]) => Ok(Kind::Int(i64::from(*byte))),
            _ => Err(wrong()),
        }
    }

    /// Go's escapes; `quote` is the one quote that may be escaped here.
    fn escape(&mut self, quote: char, out: &mut Vec<u8>) -> Result<(), Failure> {
        let at = self.at;
        let wrong = || Failure::new(at, "bad escape in a quoted text");
        let c = self.rest().chars().nth(1).ok_or_else(wrong)?;
        self.at += 2;
        let simple = match c {
            'a' => 7,
            'b' => 8,
            'f' => 12,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 11,
            '\\' => b'\\',
            c if c == quote => u8::try_from(u32::from(c)).unwrap_or(b'"'),
            _ => 0,
        };
        if simple != 0 {
            out.push(simple);
            return Ok(());
        }
        let (digits, radix) = match c {
            'x' => (2, 16),
            'u' => (4, 16),
            'U' => (8, 16),
            '0'..='7' => {
                self.at -= 1;
                (3, 8)
            }
            _ => return Err(wrong()),
        };
        let text = self.rest().get(..digits).filter(|t| t.chars().all(|c| c.is_digit(radix))).ok_or_else(wrong)?;
        let code = u32::from_str_radix(text, radix).map_err(|_| wrong())?;
        self.at += digits;
        if matches!(c, 'u' | 'U') {
            let c = char::from_u32(code).ok_or_else(wrong)?;
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            out.push(u8::try_from(code).map_err(|_| wrong())?);
        }
        Ok(())
    }

    /// Go's numbers without the imaginary ones.
    fn number(&mut self) -> Result<Kind, Failure> {
        let start = self.at;
        let rest = self.rest();
        let mut end = usize::from(rest.starts_with(['+', '-']));
        let body = rest.get(end..).unwrap_or_default();
        let hex = body.starts_with("0x") || body.starts_with("0X");
        let mut previous = ' ';
        for c in body.chars() {
            let sign = matches!(c, '+' | '-')
                && (if hex { matches!(previous, 'p' | 'P') } else { matches!(previous, 'e' | 'E') });
            if !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.') || sign) {
                break;
            }
            previous = c;
            end += c.len_utf8();
        }
        let text = rest.get(..end).unwrap_or_default();
        let kind = number(text).ok_or_else(|| Failure::new(start, format!("bad number syntax: {text:?}")))?;
        self.at += end;
        Ok(kind)
    }
}

fn number(text: &str) -> Option<Kind> {
    let (sign, body) = match text.strip_prefix('-') {
        Some(body) => (-1, body),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = body.to_ascii_lowercase();
    let separated = lower.starts_with('_') || lower.ends_with('_') || lower.contains("__");
    let based = |prefix: &str, radix: u32| {
        let digits = lower.strip_prefix(prefix)?.replace('_', "");
        i64::from_str_radix(&digits, radix).ok().map(|n| Kind::Int(sign * n))
    };
    if separated {
        return None;
    }
    if lower.starts_with("0x") && !lower.contains(['.', 'p']) {
        return based("0x", 16);
    }
    if lower.starts_with("0b") {
        return based("0b", 2);
    }
    if lower.starts_with("0o") {
        return based("0o", 8);
    }
    let digits = lower.replace('_', "");
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        if digits.len() > 1 && digits.starts_with('0') {
            return i64::from_str_radix(&digits, 8).ok().map(|n| Kind::Int(sign * n));
        }
        return digits.parse::<i64>().ok().map(|n| Kind::Int(sign * n));
    }
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'+' | b'-'));
    let float: f64 = if plain { digits.parse().ok()? } else { return None };
    float.is_finite().then_some(Kind::Float(if sign < 0 { -float } else { float }))
}

/// The letters, digits and underscores at the beginning.
fn word_at(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}
