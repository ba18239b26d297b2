//! Decoding that takes what Proxmox really sends: numbers as text, booleans as 0/1, keys left out, `null` anywhere.
//! A value of the wrong sort counts as absent; a list item of the wrong sort is skipped; only a list that is no list
//! and an object that is no object are errors.
//!
//! A row only says which key goes where ([`Row`]); one decoder fills all of them while the answer arrives. So a
//! document of the API costs a table of its keys and no decoder of its own.

use super::rows::{Row, Slot};
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// The most items that are taken of one list.
const ITEMS_MAX: usize = 200_000;

/// What a whole answer can be: a row, or a [`List`] of rows.
pub trait Answer: Default {
    /// Where the answer goes.
    fn slot(&mut self) -> Slot<'_>;
}

impl<T: Row + Default> Answer for T {
    fn slot(&mut self) -> Slot<'_> {
        Slot::Object(self)
    }
}

/// An answer that must be a list of objects. An object or `null` in its place is an error, so that what was known
/// before is not replaced by nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct List<T>(pub Vec<T>);

impl<T> Default for List<T> {
    fn default() -> List<T> {
        List(Vec::new())
    }
}

impl<T: Row + Default> Answer for List<T> {
    fn slot(&mut self) -> Slot<'_> {
        Slot::Items(&mut self.0)
    }
}

impl<'de, T: Row + Default> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<List<T>, D::Error> {
        let mut list = List::default();
        Whole(list.slot()).deserialize(d)?;
        Ok(list)
    }
}

/// A row by itself; it must be an object.
pub(super) fn row<'de, D: Deserializer<'de>, T: Row + Default>(d: D) -> Result<T, D::Error> {
    let mut row = T::default();
    Whole(Slot::Object(&mut row)).deserialize(d)?;
    Ok(row)
}

/// Puts the `data` of an answer (`{"data": …}`) where it belongs. Without `data`, or with something of the wrong sort
/// in its place, it is an error.
pub(super) struct Envelope<'a>(pub Slot<'a>);

impl<'de> DeserializeSeed<'de> for Envelope<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Envelope<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with data")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut slot = Some(self.0);
        while let Some(is_data) = map.next_key_seed(IsData)? {
            match slot.take_if(|_| is_data) {
                Some(slot) => map.next_value_seed(Whole(slot))?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if slot.is_some() { Err(A::Error::missing_field("data")) } else { Ok(()) }
    }
}

/// The key `data`?
struct IsData;

impl<'de> DeserializeSeed<'de> for IsData {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<bool, D::Error> {
        d.deserialize_str(self)
    }
}

impl Visitor<'_> for IsData {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == "data")
    }
}

/// A value that must be of its slot's sort.
pub(super) struct Whole<'a>(pub Slot<'a>);

impl<'de> DeserializeSeed<'de> for Whole<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        let wrong = if matches!(self.0, Slot::Items(_)) { "it is not a list" } else { "it is not an object" };
        if Fill(self.0).deserialize(d)? { Ok(()) } else { Err(D::Error::custom(wrong)) }
    }
}

/// Any value on its way into a slot; says whether an object or a list was taken in.
struct Fill<'a>(Slot<'a>);

impl<'de> DeserializeSeed<'de> for Fill<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<bool, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Fill<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_bool<E>(self, v: bool) -> Result<bool, E> {
        self.0.set(&Scalar::Bool(v));
        Ok(false)
    }
    fn visit_i64<E>(self, v: i64) -> Result<bool, E> {
        self.0.set(&Scalar::Integer(v));
        Ok(false)
    }
    fn visit_u64<E>(self, v: u64) -> Result<bool, E> {
        self.0.set(&i64::try_from(v).map_or(Scalar::Number(v as f64), Scalar::Integer));
        Ok(false)
    }
    fn visit_f64<E>(self, v: f64) -> Result<bool, E> {
        if v.is_finite() {
            self.0.set(&Scalar::Number(v));
        }
        Ok(false)
    }
    fn visit_str<E>(self, v: &str) -> Result<bool, E> {
        self.0.set(&Scalar::Text(v));
        Ok(false)
    }
    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<bool, A::Error> {
        let mut taken = 0;
        while taken < ITEMS_MAX {
            let Some(item) = self.0.item() else { break };
            if seq.next_element_seed(Fill(item))?.is_none() {
                return Ok(true);
            }
            taken += 1;
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(taken > 0)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let row = match self.0 {
            Slot::Object(row) | Slot::Word(row, _) => row,
            Slot::Entry(rows) | Slot::WordEntry(rows, _) => rows.add(),
            _ => {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                return Ok(false);
            }
        };
        while let Some(slot) = map.next_key_seed(Key(row))? {
            match slot {
                Some(slot) => drop(map.next_value_seed(Fill(slot))?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(true)
    }
}

/// A key on its way to the slot that it stands for.
struct Key<'a>(&'a mut dyn Row);

impl<'de, 'a> DeserializeSeed<'de> for Key<'a> {
    type Value = Option<Slot<'a>>;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for Key<'a> {
    type Value = Option<Slot<'a>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.slot(key))
    }
}

impl Slot<'_> {
    /// Where the next item of a list goes; `None` when this takes no list.
    fn item(&mut self) -> Option<Slot<'_>> {
        Some(match self {
            Slot::Items(rows) => Slot::Entry(&mut **rows),
            Slot::Words(rows, key) => Slot::WordEntry(&mut **rows, key),
            Slot::Numbers(list) => Slot::NumberItem(list),
            Slot::Texts(list) => Slot::TextItem(list),
            _ => return None,
        })
    }

    /// Takes in a scalar, as far as it is of the slot's sort.
    fn set(self, value: &Scalar<'_>) {
        match (self, value) {
            (Slot::Text(at), _) => *at = value.text(),
            (Slot::TextOrWhole(at), Scalar::Text(t)) => *at = (*t).to_owned(),
            (Slot::TextOrWhole(at), _) => *at = value.number().map(|v| format!("{v:.0}")).unwrap_or_default(),
            (Slot::Integer(at), _) => *at = value.integer(),
            (Slot::Size(at), _) => *at = value.integer().filter(|v| *v >= 0),
            (Slot::Number(at), _) => *at = value.number(),
            (Slot::Boolean(at), _) => *at = value.boolean(),
            (Slot::NumberItem(list), _) => list.extend(value.number()),
            (Slot::TextItem(list), Scalar::Text(t)) => list.push((*t).to_owned()),
            (Slot::Word(row, key), Scalar::Text(_)) => set_word(row, key, value),
            (Slot::WordEntry(rows, key), Scalar::Text(_)) => set_word(rows.add(), key, value),
            _ => {}
        }
    }
}

fn set_word(row: &mut dyn Row, key: &str, value: &Scalar<'_>) {
    if let Some(slot @ Slot::Text(_)) = row.slot(key) {
        slot.set(value);
    }
}

/// A scalar as JSON has it.
enum Scalar<'a> {
    Bool(bool),
    Integer(i64),
    Number(f64),
    Text(&'a str),
}

impl Scalar<'_> {
    /// `0.5`, `"0.5"`, `"50%"` (as 50), `true`.
    fn number(&self) -> Option<f64> {
        let number = match self {
            Scalar::Bool(v) => f64::from(u8::from(*v)),
            Scalar::Integer(v) => *v as f64,
            Scalar::Number(v) => *v,
            Scalar::Text(t) => t.trim().trim_end_matches('%').parse().ok()?,
        };
        Some(number).filter(|v| v.is_finite())
    }

    /// A whole number: `3`, `"3"`, `3.7`, `true`.
    fn integer(&self) -> Option<i64> {
        let exact = match self {
            Scalar::Integer(v) => Some(*v),
            Scalar::Text(t) => t.trim().parse().ok(),
            _ => None,
        };
        // A float is cut, and held to the integer's range.
        exact.or_else(|| self.number().map(|v| v as i64))
    }

    /// `1`, `"1"`, `true`, `"true"`, `"yes"`, `"on"` and their opposites.
    fn boolean(&self) -> Option<bool> {
        let Scalar::Text(t) = self else { return self.number().map(|v| v != 0.0) };
        match t.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" | "" => Some(false),
            other => other.parse::<f64>().ok().map(|v| v != 0.0),
        }
    }

    /// Text; anything else is written out.
    fn text(&self) -> String {
        match self {
            Scalar::Text(t) => (*t).to_owned(),
            Scalar::Integer(v) => v.to_string(),
            Scalar::Number(v) => v.to_string(),
            Scalar::Bool(v) => u8::from(*v).to_string(),
        }
    }
}
