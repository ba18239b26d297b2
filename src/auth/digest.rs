//! Digests, comparison in constant time and random texts. Nothing here knows what is compared.

use ring::rand::{SecureRandom, SystemRandom};
use sha3::{Digest, Sha3_256};

/// The SHA3-256 of a secret: what is stored instead of it.
#[derive(Clone, Copy, Eq)]
pub struct Hash([u8; 32]);

impl Hash {
    pub fn of(text: &str) -> Hash {
        Hash(Sha3_256::digest(text.as_bytes()).into())
    }
    /// Of several parts; their lengths count, so that no two lists give the same hash.
    pub fn of_parts(parts: &[&[u8]]) -> Hash {
        let mut sha = Sha3_256::new();
        for part in parts {
            sha.update((part.len() as u64).to_be_bytes());
            sha.update(part);
        }
        Hash(sha.finalize().into())
    }
    /// Reads 64 hex digits of either case.
    pub fn parse(hex: &str) -> Option<Hash> {
        let digits: Vec<u8> =
            hex.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect::<Option<_>>()?;
        let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |n, d| n * 16 + d)).collect();
        if digits.len() == 64 { Some(Hash(bytes.try_into().ok()?)) } else { None }
    }
    /// 64 lower-case hex digits.
    pub fn hex(&self) -> String {
        to_hex(&self.0)
    }
}

/// Takes the same time wherever the first difference is.
impl PartialEq for Hash {
    fn eq(&self, other: &Hash) -> bool {
        same_bytes(&self.0, &other.0)
    }
}

impl PartialOrd for Hash {
    fn partial_cmp(&self, other: &Hash) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Order only places hashes in maps whose keys an attacker cannot choose (they are digests of what was sent).
impl Ord for Hash {
    fn cmp(&self, other: &Hash) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hash)")
    }
}

/// Compares two secrets; the time taken tells neither where they differ nor how long the stored one is.
pub fn same_secret(given: &str, stored: &str) -> bool {
    Hash::of(given) == Hash::of(stored)
}

fn same_bytes(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let difference = a.iter().zip(b).fold(0u8, |all, (x, y)| all | (x ^ y));
    std::hint::black_box(difference) == 0
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// `bytes` random bytes as lower-case hex digits. The error is the system's refusal to give any.
pub fn random_hex(bytes: usize) -> Result<String, String> {
    let mut out = vec![0u8; bytes];
    SystemRandom::new().fill(&mut out).map_err(|_| "failed to get random bytes from the system".to_owned())?;
    Ok(to_hex(&out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_the_sha3_that_4_9_stores() {
        // echo -n admin | openssl dgst -sha3-256
        let hex = "fb001dfcffd1c899f3297871406242f097aecf1a5342ccf3ebcd116146188e4b";
        assert_eq!(Hash::of("admin").hex(), hex);
        assert_eq!(Hash::parse(&hex.to_uppercase()), Some(Hash::of("admin")));
        for broken in ["", "fb", &hex[1..], &format!("{hex}00"), &hex.replace('f', "g")] {
            assert!(Hash::parse(broken).is_none(), "{broken}");
        }
    }

    #[test]
    fn random_texts_differ() {
        let (a, b) = (random_hex(32).unwrap(), random_hex(32).unwrap());
        assert!(a.len() == 64 && a != b);
    }
}
