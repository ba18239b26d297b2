//! `guest_metadata.json`: links, descriptions, tags and notes that people attach to guests (contract rest.md 5.8).
//! Keys are ids as clients wrote them; finding an entry again after its guest moved to another node is done here too.

use super::fields::Fields;
use crate::json::{json, put};
use crate::model::Guest;
use crate::order::{self, Pairs};
use serde_json::{Map, Value};

/// Limits of what clients may store.
const MOST_ENTRIES: usize = 20_000;
const MOST_ID: usize = 512;
const MOST_URL: usize = 2_048;
const MOST_TEXT: usize = 65_536;
const MOST_TAGS: usize = 256;

/// What is attached to one guest.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GuestNote {
    pub custom_url: String,
    pub description: String,
    pub tags: Option<Vec<String>>,
    pub notes: String,
    /// Keys of later versions.
    rest: Map<String, Value>,
}

/// The document: id to entry.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GuestMetadata {
    entries: order::Map<String, GuestNote>,
}

impl GuestNote {
    /// Reads a request's body. `consoleUrl` is the public document's name of `customUrl`.
    pub fn read(body: &[u8]) -> Result<GuestNote, String> {
        let invalid = |_| "Invalid request body".to_owned();
        let note = GuestNote::of(Fields::of_body(body).map_err(invalid)?).map_err(invalid)?;
        let url = &note.custom_url;
        if !url.is_empty() && !url.starts_with("http://") && !url.starts_with("https://") {
            return Err("Custom URL must start with http:// or https://".to_owned());
        }
        let tags = note.tags.as_deref().unwrap_or_default();
        if url.len() > MOST_URL || note.description.len() > MOST_TEXT || note.notes.len() > MOST_TEXT {
            return Err("Custom URL, description or notes are too long".to_owned());
        }
        if tags.len() > MOST_TAGS || tags.iter().any(|t| t.len() > MOST_ID) {
            return Err("There are too many tags or they are too long".to_owned());
        }
        Ok(GuestNote { rest: Map::new(), ..note })
    }

    fn of(mut f: Fields) -> Result<GuestNote, String> {
        let custom_url = f.text("customUrl")?.unwrap_or_default();
        let console_url = f.text("consoleUrl")?.unwrap_or_default();
        let description = f.text("description")?.unwrap_or_default();
        let notes = f.text("notes")?.unwrap_or_default();
        let tags = f.texts("tags")?;
        f.take("id");
        let custom_url = if custom_url.is_empty() { console_url } else { custom_url };
        Ok(GuestNote { custom_url, description, tags, notes, rest: f.rest() })
    }

    /// The entry as clients see it, under the id they asked for.
    pub fn to_wire(&self, id: &str) -> Value {
        json!({
            "id": id,
            "customUrl": self.custom_url,
            "consoleUrl": self.custom_url,
            "description": self.description,
            "tags": self.tags,
            "notes": self.notes,
        })
    }

    fn to_file(&self, id: &str) -> Value {
        let mut out = self.rest.clone();
        put(&mut out, "id", json!(id));
        put(&mut out, "customUrl", json!(self.custom_url));
        put(&mut out, "description", json!(self.description));
        put(&mut out, "tags", json!(self.tags));
        if !self.notes.is_empty() {
            put(&mut out, "notes", json!(self.notes));
        }
        Value::Object(out)
    }
}

impl GuestMetadata {
    pub fn parse(bytes: &[u8]) -> Result<GuestMetadata, String> {
        GuestMetadata::from_value(serde_json::from_slice(bytes).map_err(|e| e.to_string())?)
    }

    pub fn from_value(value: Value) -> Result<GuestMetadata, String> {
        let map = match value {
            Value::Object(map) => map,
            Value::Null => Map::new(),
            _ => return Err("an object expected".to_owned()),
        };
        let entry = |(id, value): (String, Value)| Ok((id.clone(), GuestNote::of(Fields::of(value, &id)?)?));
        let entries = map.into_iter().map(entry).try_mapped::<_, String, _>()?;
        Ok(GuestMetadata { entries })
    }

    pub fn to_value(&self) -> Value {
        Value::Object(self.entries.iter().map(|(id, note)| (id.clone(), note.to_file(id))).mapped())
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        super::pretty(&self.to_value())
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry of an id: its own, else that of the guest which the id names, under any id that names the same guest.
    pub fn get(&self, id: &str, guests: &[&Guest]) -> Option<&GuestNote> {
        self.entries.get(id).or_else(|| {
            let guest = find(id, guests)?;
            self.entries.get(keys_of(guest, guests, self.entries.keys()).first()?)
        })
    }

    /// All entries as they are stored, and besides under the present id of each guest that has one.
    pub fn to_wire(&self, guests: &[&Guest]) -> Value {
        let mut out: Map<String, Value> = self.entries.iter().map(|(id, note)| (id.clone(), note.to_wire(id))).mapped();
        // Looking through all entries for each guest would take too long for thousands of both.
        let mut by_vmid: order::Map<i64, Vec<&String>> = order::Map::new();
        for key in self.entries.keys() {
            if let Some(vmid) = vmid_of(key) {
                by_vmid.entry(vmid).or_default().push(key);
            }
        }
        for guest in guests.iter().filter(|g| !self.entries.contains_key(&g.id)) {
            let Some(candidates) = by_vmid.get(&guest.vmid) else { continue };
            let keys = keys_of(guest, guests, candidates.iter().copied());
            if let Some(note) = keys.first().and_then(|key| self.entries.get(key)) {
                out.insert(guest.id.clone(), note.to_wire(&guest.id));
            }
        }
        Value::Object(out)
    }

    /// Replaces the entry of an id. Entries under other ids of the same guest go: a guest has one.
    pub fn put(&mut self, id: &str, note: GuestNote, guests: &[&Guest]) -> Result<(), String> {
        if id.len() > MOST_ID {
            return Err("Guest ID is too long".to_owned());
        }
        self.remove(id, guests);
        if self.entries.len() >= MOST_ENTRIES {
            return Err("There are too many entries".to_owned());
        }
        self.entries.insert(id.to_owned(), note);
        Ok(())
    }

    /// Removes the entry of an id and those under other ids of the same guest.
    pub fn remove(&mut self, id: &str, guests: &[&Guest]) {
        let same = find(id, guests).map(|guest| keys_of(guest, guests, self.entries.keys())).unwrap_or_default();
        self.entries.remove(id);
        for key in same {
            self.entries.remove(&key);
        }
    }

    /// Adds the entries of an import; those of the same id are replaced.
    pub fn merge(&mut self, other: GuestMetadata) {
        self.entries.extend(other.entries);
    }
}

/// Which of the stored ids name a guest, best first: those with its present node, then those it left by migrating.
fn keys_of<'a>(guest: &Guest, guests: &[&Guest], stored: impl Iterator<Item = &'a String>) -> Vec<String> {
    let present = ids_of(guest);
    let (first, last) = (format!("{}-", guest.instance), format!("-{}", guest.vmid));
    let mut found: Vec<(usize, &String)> = Vec::new();
    for key in stored {
        let left_behind = || {
            let fits = key.starts_with(&first) && key.ends_with(&last) && key.len() >= first.len() + last.len() - 1;
            (fits && !names_another(key, guest, guests)).then_some(present.len())
        };
        let rank = present.iter().position(|id| id == key).or_else(left_behind);
        found.extend(rank.map(|rank| (rank, key)));
    }
    crate::order::sort(&mut found);
    found.into_iter().map(|(_, key)| key.clone()).collect()
}

/// The number at the end of an id.
fn vmid_of(id: &str) -> Option<i64> {
    id.rsplit(['-', '/']).next()?.parse().ok()
}

/// The ways in which clients name a guest (contract rest.md 5.2, 5.8), the present id first.
fn ids_of(guest: &Guest) -> Vec<String> {
    let Guest { id, instance, node, vmid, .. } = guest;
    let mut ids = vec![id.clone()];
    for other in [
        format!("{instance}-{node}-{vmid}"),
        format!("{node}/{vmid}"),
        format!("{instance}/{vmid}"),
        format!("{node}-{vmid}"),
    ] {
        if !ids.contains(&other) {
            ids.push(other);
        }
    }
    ids
}

/// The guest that an id names; `None` when none or more than one could be meant.
fn find<'a>(id: &str, guests: &[&'a Guest]) -> Option<&'a Guest> {
    if let Some(exact) = guests.iter().find(|g| g.id == id) {
        return Some(exact);
    }
    let vmid = vmid_of(id)?;
    let mut named = guests.iter().filter(|g| g.vmid == vmid && ids_of(g).iter().any(|other| other == id));
    let first = named.next()?;
    named.next().is_none().then_some(*first)
}

/// A key such as `a-b-100` could be node `b` of instance `a` or belong to instance `a-b`.
fn names_another(key: &str, guest: &Guest, guests: &[&Guest]) -> bool {
    guests.iter().filter(|other| other.vmid == guest.vmid && other.instance != guest.instance).any(|other| {
        let longer = other.instance.len() > guest.instance.len();
        other.id == key || (longer && key.starts_with(&format!("{}-", other.instance)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(instance: &str, node: &str, vmid: i64) -> Guest {
        let id = if instance == node { format!("{node}-{vmid}") } else { format!("{instance}-{node}-{vmid}") };
        Guest { id, instance: instance.into(), node: node.into(), vmid, ..Guest::default() }
    }

    fn note(url: &str) -> GuestNote {
        GuestNote { custom_url: url.into(), ..GuestNote::default() }
    }

    #[test]
    fn an_entry_is_found_by_every_id_of_its_guest() {
        let vm = guest("lab", "alpha", 100);
        let guests = [&vm];
        for stored in ["lab-alpha-100", "alpha/100", "lab/100", "alpha-100"] {
            let mut all = GuestMetadata::default();
            all.put(stored, note("https://a"), &guests).unwrap();
            for asked in ["lab-alpha-100", "alpha/100", "lab/100", "alpha-100"] {
                assert_eq!(
                    all.get(asked, &guests).map(|n| n.custom_url.as_str()),
                    Some("https://a"),
                    "{stored} {asked}"
                );
            }
            assert_eq!(all.get("lab-alpha-101", &guests), None);
            assert_eq!(all.to_wire(&guests)["lab-alpha-100"]["customUrl"], "https://a");
            assert_eq!(all.to_wire(&guests)[stored]["id"], stored, "the stored id stays visible");
        }
    }

    // 4.9 lost the entry when the guest moved, because the node is part of its id.
    #[test]
    fn an_entry_survives_migration() {
        let mut all = GuestMetadata::default();
        all.put("lab-alpha-100", note("https://a"), &[&guest("lab", "alpha", 100)]).unwrap();
        let moved = guest("lab", "beta", 100);
        assert_eq!(all.get("lab-beta-100", &[&moved]).map(|n| n.custom_url.as_str()), Some("https://a"));
        assert_eq!(all.to_wire(&[&moved])["lab-beta-100"]["customUrl"], "https://a");
        all.put("lab-beta-100", note("https://b"), &[&moved]).unwrap();
        assert_eq!(all.entries.len(), 1, "the entry of the old place is gone");
        all.remove("lab-beta-100", &[&moved]);
        assert!(all.is_empty());
        let mut alone = GuestMetadata::default();
        alone.put("pve1-100", note("https://c"), &[]).unwrap();
        assert!(
            alone.get("pve1-pve2-100", &[&guest("pve1", "pve2", 100)]).is_some(),
            "from a host named like its cluster"
        );
    }

    #[test]
    fn guests_of_other_instances_never_get_it() {
        let (mine, other) = (guest("a", "n", 100), guest("a-b", "n", 100));
        let mut all = GuestMetadata::default();
        all.put("a-b-m-100", note("https://ab"), &[]).unwrap();
        assert!(all.get("a-n-100", &[&mine, &other]).is_none());
        assert!(all.get("a-b-n-100", &[&mine, &other]).is_some());
        let (one, two) = (guest("x", "n", 7), guest("y", "n", 7));
        all.put("n/7", note("https://n"), &[]).unwrap();
        assert!(all.get("n-7", &[&one, &two]).is_none(), "two nodes of one name: nobody guesses");
    }

    #[test]
    fn the_file_of_4_9_is_read_and_unknown_keys_survive() {
        let file =
            br#"{"pve1/100":{"id":"pve1/100","customUrl":"http://x","description":"d","tags":["a"],"color":"red"}}"#;
        let all = GuestMetadata::parse(file).unwrap();
        assert_eq!(GuestMetadata::parse(&all.to_bytes()).unwrap(), all);
        assert!(String::from_utf8(all.to_bytes()).unwrap().contains("\"color\": \"red\""));
        assert!(GuestMetadata::parse(b"[]").is_err() && GuestMetadata::parse(br#"{"a":{"tags":"x"}}"#).is_err());
    }

    #[test]
    fn a_request_is_checked() {
        let read = |text: &str| GuestNote::read(text.as_bytes());
        let note = read(r#"{"ConsoleUrl":"https://c","notes":"n"}"#).unwrap();
        assert_eq!((note.custom_url.as_str(), note.notes.as_str()), ("https://c", "n"));
        assert_eq!(
            read(r#"{"customUrl":"javascript:x"}"#).unwrap_err(),
            "Custom URL must start with http:// or https://"
        );
        assert_eq!(read(r#"{"consoleUrl":"ftp://x"}"#).unwrap_err(), "Custom URL must start with http:// or https://");
        assert_eq!(read("{").unwrap_err(), "Invalid request body");
        assert!(read(&json!({ "notes": "x".repeat(MOST_TEXT + 1) }).to_string()).is_err());
    }
}
