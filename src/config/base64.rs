//! Base64 with the standard alphabet and padding, as 4.9's key file and exports have it.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let group = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            let symbol = (group >> (18 - 6 * place) & 63) as usize;
            let padding = place > chunk.len();
            out.push(if padding { '=' } else { ALPHABET.get(symbol).map_or('=', |c| char::from(*c)) });
        }
    }
    out
}

/// Line ends are skipped; anything else that is not base64 is an error that names the place.
pub fn decode(text: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut group, mut symbols, mut padding) = (0u32, 0u32, 0u32);
    for (place, &c) in text.iter().enumerate() {
        if c == b'\r' || c == b'\n' {
            continue;
        }
        let illegal = || format!("illegal base64 data at input byte {place}");
        if c == b'=' {
            padding += 1;
            if symbols < 2 || symbols + padding > 4 {
                return Err(illegal());
            }
            continue;
        }
        let value = value_of(c).filter(|_| padding == 0).ok_or_else(illegal)?;
        group = group << 6 | value;
        symbols += 1;
        if symbols == 4 {
            out.extend_from_slice(group.to_be_bytes().get(1..).unwrap_or(&[]));
            (group, symbols) = (0, 0);
        }
    }
    let whole = symbols == 0 && padding == 0 || symbols >= 2 && symbols + padding == 4;
    if !whole {
        return Err(format!("illegal base64 data at input byte {}", text.len()));
    }
    match symbols {
        2 => out.push((group >> 4 & 255) as u8),
        3 => out.extend_from_slice(&[(group >> 10 & 255) as u8, (group >> 2 & 255) as u8]),
        _ => {}
    }
    Ok(out)
}

fn value_of(c: u8) -> Option<u32> {
    let base = match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(base))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_samples_of_rfc_4648_hold_both_ways() {
        let samples = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, text) in samples {
            assert_eq!(encode(plain.as_bytes()), text);
            assert_eq!(decode(text.as_bytes()).unwrap(), plain.as_bytes());
        }
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(encode(&all).as_bytes()).unwrap(), all);
    }

    #[test]
    fn line_ends_are_skipped_and_anything_else_is_refused() {
        assert_eq!(decode(b"Zm9v\r\nYmFy\n").unwrap(), b"foobar");
        for bad in ["Zg=", "Z", "Zg", "Zg==Zg==", "=", "Zm9v====", "Zm 9v", "Zm9\u{e4}", "Zg==="] {
            assert!(decode(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }
}
