//! Domains with letters beyond ASCII, as mail servers take them: Punycode (RFC 3492) behind `xn--`. A whole IDNA
//! library brings tables of all scripts, a fortieth of the program; small letters are all that addresses need of it.

/// The address with its domain in ASCII: `Anna <a@bücher.example>` → `Anna <a@xn--bcher-kva.example>`.
pub(super) fn to_ascii(address: &str) -> String {
    let Some((before, rest)) = address.rsplit_once('@') else { return address.to_owned() };
    let end = rest.find(|c: char| c == '>' || c.is_whitespace()).unwrap_or(rest.len());
    let (domain, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
    if domain.is_ascii() || domain.len() > 255 {
        return address.to_owned();
    }
    // The ideographic full stops separate labels, too.
    let labels: Vec<String> = domain.split(['.', '\u{3002}', '\u{ff0e}', '\u{ff61}']).map(label).collect();
    format!("{before}@{}{after}", labels.join("."))
}

fn label(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let letters: Vec<u32> = text.chars().flat_map(char::to_lowercase).map(u32::from).collect();
    format!("xn--{}", punycode(&letters))
}

/// RFC 3492, 6.3.
fn punycode(letters: &[u32]) -> String {
    const BASE: u32 = 36;
    let mut out: String = letters.iter().filter(|c| **c < 0x80).filter_map(|c| char::from_u32(*c)).collect();
    let basic = u32::try_from(out.len()).unwrap_or(u32::MAX);
    if basic > 0 {
        out.push('-');
    }
    let (mut next, mut delta, mut bias, mut done) = (0x80u32, 0u32, 72u32, basic);
    while let Some(smallest) = letters.iter().copied().filter(|c| *c >= next).min() {
        delta = delta.saturating_add((smallest - next).saturating_mul(done + 1));
        for letter in letters {
            if *letter < smallest {
                delta = delta.saturating_add(1);
            }
            if *letter != smallest {
                continue;
            }
            let (mut rest, mut at) = (delta, BASE);
            loop {
                let threshold = at.saturating_sub(bias).clamp(1, 26);
                if rest < threshold {
                    break;
                }
                out.push(digit(threshold + (rest - threshold) % (BASE - threshold)));
                rest = (rest - threshold) / (BASE - threshold);
                at += BASE;
            }
            out.push(digit(rest));
            bias = adapted(delta, done + 1, done == basic);
            (delta, done) = (0, done + 1);
        }
        delta = delta.saturating_add(1);
        next = smallest + 1;
    }
    out
}

fn adapted(delta: u32, count: u32, first: bool) -> u32 {
    let mut delta = delta / if first { 700 } else { 2 };
    delta += delta / count;
    let mut bias = 0;
    while delta > 455 {
        delta /= 35;
        bias += 36;
    }
    bias + 36 * delta / (delta + 38)
}

fn digit(value: u32) -> char {
    let offset = if value < 26 { u32::from(b'a') } else { u32::from(b'0') - 26 };
    char::from_u32(value + offset).unwrap_or('a')
}

#[cfg(test)]
mod tests {
    use super::to_ascii;

    #[test]
    fn domains_become_what_mail_servers_take() {
        for (written, sent) in [
            ("ops@example.com", "ops@example.com"),
            ("ops@bücher.example", "ops@xn--bcher-kva.example"),
            ("Anna <a@BÜCHER.example>", "Anna <a@xn--bcher-kva.example>"),
            ("a@mañana.example", "a@xn--maana-pta.example"),
            ("a@例え.テスト", "a@xn--r8jz45g.xn--zckzah"),
            ("a@münchen-ost.de", "a@xn--mnchen-ost-9db.de"),
            ("nobody", "nobody"),
        ] {
            assert_eq!(to_ascii(written), sent);
        }
    }
}
