//! The names file: which number belongs to whom. The body of a name's frame is the kind's letter, the connection, a zero
//! byte and the name (see [`Key`]); its number stands in the frame's head.

use super::file::{NAMES, Storage};
use super::frame::{Content, HEAD_BYTES, crc32, next_head};
use super::key::{Key, MOST_SUBJECTS, Subjects};
use super::metric::Kind;
use std::io;

/// Larger than all names can be.
const MOST_BYTES: usize = MOST_SUBJECTS * 1_200;

pub fn body(key: &Key) -> Vec<u8> {
    let mut out = vec![key.kind.letter()];
    out.extend_from_slice(key.instance.as_bytes());
    out.push(0);
    out.extend_from_slice(key.name.as_bytes());
    out
}

fn parse(body: &[u8]) -> Option<Key> {
    let (&letter, rest) = body.split_first()?;
    let (instance, name) = std::str::from_utf8(rest).ok()?.split_once('\0')?;
    Some(Key::new(Kind::from_letter(letter)?, instance, name))
}

/// Reads all names that are whole; and the highest number seen, so that no number is ever given twice.
pub fn load(storage: &dyn Storage) -> io::Result<Subjects> {
    let mut subjects = Subjects::default();
    if storage.length(NAMES)? == 0 {
        return Ok(subjects);
    }
    let bytes = storage.read(NAMES, 0, MOST_BYTES)?;
    let mut from = 0;
    while let Some((at, head)) = next_head(&bytes, from) {
        let body = bytes.get(at + HEAD_BYTES..at + head.frame_bytes());
        let key = body.filter(|b| head.content == Content::Name && crc32(b) == head.body_crc).and_then(parse);
        from = match key {
            Some(key) => {
                subjects.put(head.first, key);
                at + head.frame_bytes()
            }
            None => {
                subjects.reserve(head.first);
                at + HEAD_BYTES
            }
        };
    }
    Ok(subjects)
}
