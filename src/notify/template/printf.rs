//! `printf`: Go's verbs with bounded widths.

use super::value::{Origin, Text, Value, float, with_exponent};
use std::iter::Peekable;
use std::str::Chars;

/// Widths and precisions beyond this are refused.
const WIDEST: u64 = 256;

#[derive(Default)]
struct Verb {
    minus: bool,
    plus: bool,
    sharp: bool,
    blank: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

struct Args<'a> {
    all: &'a [Value],
    next: usize,
    /// `%[2]d` was used: then nobody asks for arguments that are left over.
    reordered: bool,
}

impl Args<'_> {
    fn take(&mut self) -> Option<&Value> {
        let value = self.all.get(self.next);
        self.next += 1;
        value
    }
}

/// Renders `format` with `args`; the literal parts keep the origin of the format.
pub(super) fn printf(format: &Text, args: &[Value]) -> Result<Text, String> {
    let origin = format.origin();
    let plain = format.plain();
    let mut args = Args { all: args, next: 0, reordered: false };
    let mut out = Text::default();
    let mut literal = String::new();
    let mut chars = plain.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            literal.push(c);
            continue;
        }
        out.push(&Text::of(origin, &std::mem::take(&mut literal)));
        out.push(&one(&mut chars, &mut args)?);
    }
    out.push(&Text::of(origin, &literal));
    if !args.reordered && args.next < args.all.len() {
        let extra: Vec<String> =
            args.all.iter().skip(args.next).map(|v| format!("{}={}", v.type_name(), v.print_plain())).collect();
        out.push(&Text::data(&format!("%!(EXTRA {})", extra.join(", "))));
    }
    Ok(out)
}

/// One verb, after its `%`.
fn one(chars: &mut Peekable<Chars>, args: &mut Args) -> Result<Text, String> {
    let mut verb = Verb::default();
    while let Some(c) = chars.peek().copied() {
        match c {
            '-' => verb.minus = true,
            '+' => verb.plus = true,
            '#' => verb.sharp = true,
            ' ' => verb.blank = true,
            '0' => verb.zero = true,
            _ => break,
        }
        chars.next();
    }
    let mut out = Text::default();
    index(chars, args)?;
    match size(chars, args)? {
        Size::Bad => out.push(&Text::author("%!(BADWIDTH)")),
        Size::Of(width) => {
            verb.minus |= width < 0;
            verb.width = usize::try_from(width.unsigned_abs()).ok();
        }
        Size::Absent => {}
    }
    if chars.peek() == Some(&'.') {
        chars.next();
        index(chars, args)?;
        match size(chars, args)? {
            Size::Bad => out.push(&Text::author("%!(BADPREC)")),
            Size::Of(precision) => verb.precision = usize::try_from(precision).ok(),
            Size::Absent => verb.precision = Some(0),
        }
    }
    index(chars, args)?;
    if verb.minus {
        verb.zero = false;
    }
    let Some(letter) = chars.next() else { return Ok(Text::author("%!(NOVERB)")) };
    if letter == '%' {
        return Ok(Text::author("%"));
    }
    match args.take() {
        Some(value) => out.push(&verb.apply(letter, value)),
        None => out.push(&Text::author(&format!("%!{letter}(MISSING)"))),
    }
    Ok(out)
}

/// `[n]`: the argument to take next.
fn index(chars: &mut Peekable<Chars>, args: &mut Args) -> Result<(), String> {
    if chars.peek() != Some(&'[') {
        return Ok(());
    }
    chars.next();
    let mut number = 0_usize;
    loop {
        match chars.next() {
            Some(c) if c.is_ascii_digit() => {
                let digit = c.to_digit(10).unwrap_or(0) as usize;
                number = (number * 10 + digit).min(10_000);
            }
            Some(']') if number > 0 => break,
            _ => return Err("bad argument index in a printf format".to_owned()),
        }
    }
    args.next = number - 1;
    args.reordered = true;
    Ok(())
}

/// A width or a precision.
enum Size {
    Absent,
    Of(i64),
    /// `*` without a whole number to take.
    Bad,
}

/// Digits, or `*` for the next argument.
fn size(chars: &mut Peekable<Chars>, args: &mut Args) -> Result<Size, String> {
    let mut number: Option<i64> = None;
    if chars.peek() == Some(&'*') {
        chars.next();
        let Some(Value::Int(n)) = args.take() else { return Ok(Size::Bad) };
        number = Some(*n);
    } else {
        while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
            chars.next();
            number = Some((number.unwrap_or(0) * 10 + i64::from(digit)).min(100_000));
        }
    }
    match number {
        Some(n) if n.unsigned_abs() > WIDEST => Err(format!("a printf width may be {WIDEST} at most")),
        Some(n) => Ok(Size::Of(n)),
        None => Ok(Size::Absent),
    }
}

impl Verb {
    fn apply(&self, letter: char, value: &Value) -> Text {
        match (letter, value) {
            ('T', value) => self.padded(&Text::author(value.type_name())),
            ('v', Value::Nil) => self.padded(&Text::author("<nil>")),
            ('v', Value::Text(_)) if self.sharp => self.padded(&Text::of(Origin::Data, &quote(&value.print_plain()))),
            ('v', Value::Float(f)) => self.number(&self.signed(float(*f), *f < 0.0)),
            ('v' | 'd', Value::Int(n)) => self.number(&self.signed(n.to_string(), *n < 0)),
            ('v' | 't', Value::Bool(b)) => self.padded(&Text::author(&b.to_string())),
            ('v', Value::List(_) | Value::Map(_) | Value::Record(_)) => Text::data(&value.print_plain()),
            ('s' | 'v', Value::Text(text)) => self.text(text),
            ('q', Value::Text(text)) => self.padded(&Text::of(text.origin(), &quote(&self.shortened(&text.plain())))),
            ('x' | 'X', Value::Text(text)) => {
                let hex: String = text.plain().bytes().map(|b| format!("{b:02x}")).collect();
                self.padded(&Text::author(&if letter == 'X' { hex.to_uppercase() } else { hex }))
            }
            ('e' | 'E' | 'f' | 'F' | 'g' | 'G', Value::Float(f)) => self.float(letter, *f),
            ('b' | 'o' | 'x' | 'X' | 'c' | 'q' | 'U', Value::Int(n)) => self.int(letter, *n),
            ('s' | 'd' | 'f' | 'q' | 'x' | 'X' | 't' | 'g' | 'e', Value::List(items)) => self.each(letter, items),
            (letter, Value::Nil) => Text::author(&format!("%!{letter}(<nil>)")),
            (letter, value) => Text::data(&format!("%!{letter}({}={})", value.type_name(), value.print_plain())),
        }
    }

    fn each(&self, letter: char, items: &[Value]) -> Text {
        let mut out = Text::author("[");
        for (n, item) in items.iter().enumerate() {
            if n > 0 {
                out.push(&Text::author(" "));
            }
            out.push(&self.apply(letter, item));
        }
        out.push(&Text::author("]"));
        out
    }

    fn shortened(&self, text: &str) -> String {
        text.chars().take(self.precision.unwrap_or(usize::MAX)).collect()
    }

    fn text(&self, text: &Text) -> Text {
        match self.precision {
            Some(_) => self.padded(&text.map(|t| self.shortened(t))),
            None => self.padded(text),
        }
    }

    /// Blanks on one side up to the width, counted in characters.
    fn padded(&self, text: &Text) -> Text {
        let length = text.plain().chars().count();
        let missing = self.width.unwrap_or(0).saturating_sub(length);
        if missing == 0 {
            return text.clone();
        }
        let fill = Text::author(&(if self.zero { "0" } else { " " }).repeat(missing));
        let (mut first, second) = if self.minus { (text.clone(), fill) } else { (fill, text.clone()) };
        first.push(&second);
        first
    }

    fn signed(&self, digits: String, negative: bool) -> String {
        match (negative, self.plus, self.blank) {
            (false, true, _) if !digits.starts_with('+') => format!("+{digits}"),
            (false, false, true) => format!(" {digits}"),
            _ => digits,
        }
    }

    /// As `padded`, but zeros go between the sign and the digits.
    fn number(&self, text: &str) -> Text {
        let missing = self.width.unwrap_or(0).saturating_sub(text.chars().count());
        if !self.zero || missing == 0 {
            return self.padded(&Text::author(text));
        }
        let sign = text.len() - text.trim_start_matches(['+', '-', ' ']).len();
        let (sign, digits) = text.split_at(sign);
        Text::author(&format!("{sign}{}{digits}", "0".repeat(missing)))
    }

    fn float(&self, letter: char, f: f64) -> Text {
        if !f.is_finite() {
            return self.padded(&Text::author(&float(f)));
        }
        let digits = match letter {
            'f' | 'F' => format!("{f:.*}", self.precision.unwrap_or(6)),
            'e' | 'E' => {
                let text = format!("{f:.*e}", self.precision.unwrap_or(6));
                let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
                with_exponent(digits, exponent.parse().unwrap_or(0))
            }
            _ => match self.precision {
                None => float(f),
                Some(precision) => general(f, precision.max(1)),
            },
        };
        let digits = if letter.is_uppercase() { digits.to_uppercase() } else { digits };
        self.number(&self.signed(digits, f.is_sign_negative()))
    }

    fn int(&self, letter: char, n: i64) -> Text {
        let sign = if n < 0 { "-" } else { "" };
        let magnitude = n.unsigned_abs();
        let one_char = || u32::try_from(n).ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
        let digits = match letter {
            'b' => format!("{sign}{magnitude:b}"),
            'o' => format!("{sign}{}{magnitude:o}", if self.sharp { "0" } else { "" }),
            'x' => format!("{sign}{}{magnitude:x}", if self.sharp { "0x" } else { "" }),
            'X' => format!("{sign}{}{magnitude:X}", if self.sharp { "0X" } else { "" }),
            'c' => return self.padded(&Text::data(&one_char().to_string())),
            'q' => return self.padded(&Text::data(&format!("'{}'", one_char()))),
            _ => format!("U+{magnitude:04X}"),
        };
        self.number(&self.signed(digits, n < 0))
    }
}

/// `%g` with a precision: significant digits, trailing zeros dropped.
fn general(f: f64, precision: usize) -> String {
    let text = format!("{f:.*e}", precision - 1);
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |t: &str| {
        if t.contains('.') { t.trim_end_matches('0').trim_end_matches('.').to_owned() } else { t.to_owned() }
    };
    let most = i32::try_from(precision).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= most {
        return with_exponent(&trim(digits), exponent);
    }
    let places = usize::try_from(most - 1 - exponent).unwrap_or(0);
    trim(&format!("{f:.places$}"))
}

/// A text in quotes as Go writes it.
pub(super) fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => out.push_str(&format!("\\x{:02x}", c as u32)),
            c if !printable(c) && (c as u32) < 0x10000 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c if !printable(c) => out.push_str(&format!("\\U{:08x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Whether a character shows; behind a letter, so that marks which join count.
pub(super) fn printable(c: char) -> bool {
    let shown: String = format!("a{c}").escape_debug().collect();
    !shown.contains("\\u") && (c == ' ' || !c.is_whitespace())
}
