//! Answers of the PBS API, as far as Pulse reads them; as lenient as those of PVE.

use super::lenient::{boolean, integer, number, object, size, text};
use super::pve::Space;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// `/nodes/localhost/status`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ServerStatus {
    /// Fraction 0..1.
    #[serde(deserialize_with = "number")]
    pub cpu: Option<f64>,
    #[serde(deserialize_with = "object")]
    pub memory: Space,
    #[serde(deserialize_with = "size")]
    pub uptime: Option<i64>,
}

/// An item of `/status/datastore-usage`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct DatastoreUsage {
    #[serde(deserialize_with = "text")]
    pub store: String,
    #[serde(deserialize_with = "size")]
    pub total: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub used: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub avail: Option<i64>,
    #[serde(deserialize_with = "text")]
    pub error: String,
    #[serde(deserialize_with = "text")]
    pub mount_status: String,
    #[serde(deserialize_with = "object")]
    pub gc_status: Garbage,
}

/// An item of `/admin/datastore`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct DatastoreItem {
    #[serde(deserialize_with = "text")]
    pub store: String,
    /// `read-only`, `offline`, with more words behind it.
    #[serde(deserialize_with = "text")]
    pub maintenance: String,
}

/// `/admin/datastore/{store}/status`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct DatastoreStatus {
    #[serde(deserialize_with = "size")]
    pub total: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub used: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub avail: Option<i64>,
    #[serde(deserialize_with = "object")]
    pub gc_status: Garbage,
}

/// Garbage collection: `gc-status` objects and items of `/admin/gc`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Garbage {
    #[serde(deserialize_with = "text")]
    pub store: String,
    #[serde(deserialize_with = "size")]
    pub disk_bytes: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub index_data_bytes: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub removed_bytes: Option<i64>,
    #[serde(deserialize_with = "text")]
    pub last_run_state: String,
    #[serde(deserialize_with = "integer")]
    pub last_run_endtime: Option<i64>,
    #[serde(deserialize_with = "integer")]
    pub next_run: Option<i64>,
}

/// An item of `/admin/datastore/{store}/namespace`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct NamespaceItem {
    #[serde(deserialize_with = "text")]
    pub ns: String,
}

/// An item of `/admin/sync`, `/admin/verify` or `/admin/prune`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct JobItem {
    #[serde(deserialize_with = "text")]
    pub id: String,
    #[serde(deserialize_with = "text")]
    pub store: String,
    #[serde(deserialize_with = "text")]
    pub remote: String,
    #[serde(deserialize_with = "boolean")]
    pub disable: Option<bool>,
    #[serde(deserialize_with = "text")]
    pub last_run_upid: String,
    #[serde(deserialize_with = "text")]
    pub last_run_state: String,
    #[serde(deserialize_with = "integer")]
    pub last_run_endtime: Option<i64>,
    #[serde(deserialize_with = "integer")]
    pub next_run: Option<i64>,
}

/// An item of `/admin/datastore/{store}/snapshots`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct SnapshotItem {
    #[serde(deserialize_with = "text")]
    pub backup_id: String,
    #[serde(deserialize_with = "text")]
    pub backup_type: String,
    #[serde(deserialize_with = "integer")]
    pub backup_time: Option<i64>,
    #[serde(deserialize_with = "text")]
    pub comment: String,
    #[serde(deserialize_with = "text")]
    pub owner: String,
    #[serde(deserialize_with = "size")]
    pub size: Option<i64>,
    #[serde(deserialize_with = "boolean")]
    pub protected: Option<bool>,
    pub verification: Verification,
    #[serde(deserialize_with = "files")]
    pub files: Vec<FileItem>,
}

/// The state of a verification; PBS sends an object, PVE sometimes only the word.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verification {
    /// `ok`, `failed`, or empty.
    pub state: String,
}

impl<'de> Deserialize<'de> for Verification {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Verification, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Inner {
            #[serde(deserialize_with = "text")]
            state: String,
        }
        let (word, inner) = d.deserialize_any(WordOr::<Inner>(std::marker::PhantomData))?;
        Ok(Verification { state: word.or(inner.map(|i| i.state)).unwrap_or_default() })
    }
}

/// A file of a snapshot; old servers send only the name.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct FileItem {
    #[serde(deserialize_with = "text")]
    pub filename: String,
    /// `none`, `encrypt`, `sign-only`. Unlisted, as is the file's name.
    #[serde(deserialize_with = "text")]
    pub crypt_mode: String,
}

fn files<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<FileItem>, D::Error> {
    struct File(Option<FileItem>);
    impl<'de> Deserialize<'de> for File {
        fn deserialize<D: Deserializer<'de>>(d: D) -> Result<File, D::Error> {
            let (word, item) = d.deserialize_any(WordOr::<FileItem>(std::marker::PhantomData))?;
            Ok(File(item.or(word.map(|filename| FileItem { filename, crypt_mode: String::new() }))))
        }
    }
    struct V;
    impl<'de> Visitor<'de> for V {
        type Value = Vec<FileItem>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<FileItem>, A::Error> {
            let mut out = Vec::new();
            while let Some(file) = seq.next_element::<File>()? {
                out.extend(file.0);
            }
            Ok(out)
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<FileItem>, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(Vec::new())
        }
        super::lenient::scalars_are!(Vec::new());
    }
    d.deserialize_any(V)
}

/// A text, or an object of type `T`; both `None` for anything else.
struct WordOr<T>(std::marker::PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for WordOr<T> {
    type Value = (Option<String>, Option<T>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or an object")
    }
    fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
        Ok((Some(v.to_owned()), None))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Ok((None, Some(T::deserialize(serde::de::value::MapAccessDeserializer::new(map))?)))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok((None, None))
    }
    super::lenient::scalars_but_text_are!((None, None));
}
