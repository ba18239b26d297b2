//! 4.9's encryption at rest (contract rest.md 7.2): AES-256-GCM, a 12-byte nonce, then ciphertext and tag; no header.
//! The key is 32 bytes in base64 in `.encryption.key`. Bytes to bytes; no file is read here.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

/// Bytes of a key.
pub const KEY_LEN: usize = 32;

/// A key that can neither be printed nor be made from bytes of a wrong length.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; KEY_LEN]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(hidden)")
    }
}

impl Key {
    pub fn of(bytes: [u8; KEY_LEN]) -> Key {
        Key(bytes)
    }
    pub fn random() -> Result<Key, String> {
        let mut bytes = [0; KEY_LEN];
        fill_random(&mut bytes)?;
        Ok(Key(bytes))
    }
    /// Reads `.encryption.key`: 44 characters of base64; line ends are tolerated.
    pub fn parse(text: &[u8]) -> Result<Key, String> {
        let bytes = super::base64::decode(text).map_err(|e| format!("not base64: {e}"))?;
        let length = bytes.len();
        let key = bytes.try_into().map_err(|_| format!("{KEY_LEN} bytes expected, {length} found"))?;
        Ok(Key(key))
    }
    /// The content of `.encryption.key`, without a newline, as 4.9 writes it.
    pub fn to_text(&self) -> String {
        super::base64::encode(&self.0)
    }
}

pub(super) fn fill_random(bytes: &mut [u8]) -> Result<(), String> {
    SystemRandom::new().fill(bytes).map_err(|_| "the system gives no random bytes".to_owned())
}

fn cipher(key: &Key) -> Result<LessSafeKey, String> {
    let unbound = UnboundKey::new(&AES_256_GCM, &key.0).map_err(|_| "the key was refused".to_owned())?;
    Ok(LessSafeKey::new(unbound))
}

/// Seals a document under a fresh nonce.
pub fn seal(key: &Key, plain: &[u8]) -> Result<Vec<u8>, String> {
    let mut nonce = [0; NONCE_LEN];
    fill_random(&mut nonce)?;
    let mut body = plain.to_vec();
    cipher(key)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut body)
        .map_err(|_| "the document is too long to be sealed".to_owned())?;
    let mut out = nonce.to_vec();
    out.append(&mut body);
    Ok(out)
}

/// Opens what [`seal`] or 4.9 sealed. The words of the errors are 4.9's, which clients show.
pub fn open(key: &Key, sealed: &[u8]) -> Result<Vec<u8>, String> {
    let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>().ok_or("ciphertext too short")?;
    let mut body = body.to_vec();
    let plain = cipher(key)?
        .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::empty(), &mut body)
        .map_err(|_| "cipher: message authentication failed".to_owned())?
        .len();
    body.truncate(plain);
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_its_key_only_and_every_flipped_bit_is_seen() {
        let key = Key::random().unwrap();
        let sealed = seal(&key, b"{\"pveInstances\":[]}").unwrap();
        assert_eq!(open(&key, &sealed).unwrap(), b"{\"pveInstances\":[]}");
        assert_ne!(seal(&key, b"{\"pveInstances\":[]}").unwrap(), sealed, "a nonce is never used twice");
        assert!(open(&Key::random().unwrap(), &sealed).is_err());
        for i in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[i] ^= 1;
            assert!(open(&key, &bent).is_err(), "byte {i}");
        }
        assert_eq!(open(&key, b"short").unwrap_err(), "ciphertext too short");
    }

    #[test]
    fn a_key_is_44_characters_and_line_ends_do_no_harm() {
        let key = Key::of([7; KEY_LEN]);
        let text = key.to_text();
        assert_eq!(text.len(), 44);
        assert_eq!(Key::parse(format!("{text}\r\n").as_bytes()).unwrap(), key);
        for bad in ["", "AAAA", "not base64 at all", &text[..43]] {
            assert!(Key::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(format!("{key:?}"), "Key(hidden)");
    }
}
