//! Decoding that takes what Proxmox really sends: numbers as text, booleans as 0/1, keys left out, `null` anywhere.
//! A value of the wrong sort counts as absent; a list item of the wrong sort is skipped; only a list that is no list
//! is an error.

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::marker::PhantomData;

/// The most items that are taken of one list.
const ITEMS_MAX: usize = 200_000;

/// The visitor methods of all scalars but text, for visitors that want something else.
macro_rules! scalars_but_text_are {
    ($value:expr) => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
}
pub(super) use scalars_but_text_are;

/// The visitor methods of all scalars.
macro_rules! scalars_are {
    ($value:expr) => {
        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok($value)
        }
        $crate::proxmox::lenient::scalars_but_text_are!($value);
    };
}
pub(super) use scalars_are;

/// Any JSON value, reduced to a scalar.
#[derive(Debug, Clone, PartialEq)]
enum Scalar {
    Absent,
    Bool(bool),
    Integer(i64),
    Number(f64),
    Text(String),
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Scalar, D::Error> {
        d.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_bool<E>(self, v: bool) -> Result<Scalar, E> {
        Ok(Scalar::Bool(v))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Scalar, E> {
        Ok(Scalar::Integer(v))
    }
    fn visit_u64<E>(self, v: u64) -> Result<Scalar, E> {
        Ok(i64::try_from(v).map_or(Scalar::Number(v as f64), Scalar::Integer))
    }
    fn visit_f64<E>(self, v: f64) -> Result<Scalar, E> {
        Ok(if v.is_finite() { Scalar::Number(v) } else { Scalar::Absent })
    }
    fn visit_str<E>(self, v: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(v.to_owned()))
    }
    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Absent)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Scalar, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Absent)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Absent)
    }
}

impl Scalar {
    fn number(self) -> Option<f64> {
        let number = match self {
            Scalar::Absent => None,
            Scalar::Bool(v) => Some(f64::from(u8::from(v))),
            Scalar::Integer(v) => Some(v as f64),
            Scalar::Number(v) => Some(v),
            Scalar::Text(t) => t.trim().trim_end_matches('%').parse().ok(),
        };
        number.filter(|v| v.is_finite())
    }
    fn integer(self) -> Option<i64> {
        match self {
            Scalar::Integer(v) => Some(v),
            Scalar::Text(t) => match t.trim().parse() {
                Ok(v) => Some(v),
                Err(_) => Scalar::Text(t).number().map(whole),
            },
            other => other.number().map(whole),
        }
    }
}

/// A float as an integer: cut, and held to the integer's range.
fn whole(v: f64) -> i64 {
    v as i64
}

/// A whole number: `3`, `"3"`, `3.7`, `true`.
pub fn integer<'de, D: Deserializer<'de>>(d: D) -> Result<Option<i64>, D::Error> {
    Ok(Scalar::deserialize(d)?.integer())
}

/// A size or a counter: a whole number that is not negative.
pub fn size<'de, D: Deserializer<'de>>(d: D) -> Result<Option<i64>, D::Error> {
    Ok(Scalar::deserialize(d)?.integer().filter(|v| *v >= 0))
}

/// A number: `0.5`, `"0.5"`, `"50%"` (as 50), `true`.
pub fn number<'de, D: Deserializer<'de>>(d: D) -> Result<Option<f64>, D::Error> {
    Ok(Scalar::deserialize(d)?.number())
}

/// Yes or no: `1`, `"1"`, `true`, `"true"`, `"yes"`, `"on"` and their opposites.
pub fn boolean<'de, D: Deserializer<'de>>(d: D) -> Result<Option<bool>, D::Error> {
    Ok(match Scalar::deserialize(d)? {
        Scalar::Bool(v) => Some(v),
        Scalar::Text(t) => match t.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" | "" => Some(false),
            other => other.parse::<f64>().ok().map(|v| v != 0.0),
        },
        other => other.number().map(|v| v != 0.0),
    })
}

/// Text; a number is written out, anything else is empty.
pub fn text<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    Ok(match Scalar::deserialize(d)? {
        Scalar::Text(t) => t,
        Scalar::Integer(v) => v.to_string(),
        Scalar::Number(v) => v.to_string(),
        Scalar::Bool(v) => u8::from(v).to_string(),
        Scalar::Absent => String::new(),
    })
}

/// Text as it is; a number without decimals.
pub fn text_or_whole<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    Ok(match Scalar::deserialize(d)? {
        Scalar::Text(t) => t,
        Scalar::Absent => String::new(),
        other => other.number().map(|v| format!("{v:.0}")).unwrap_or_default(),
    })
}

/// An object of type `T`, or its default when something else stands there.
pub fn object<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(d: D) -> Result<T, D::Error> {
    Ok(Maybe::<T>::deserialize(d)?.0.unwrap_or_default())
}

/// A list of objects inside an object; empty when something else stands there.
pub fn items<'de, D: Deserializer<'de>, T: Deserialize<'de>>(d: D) -> Result<Vec<T>, D::Error> {
    Ok(d.deserialize_any(ListVisitor(PhantomData))?.unwrap_or_default())
}

/// A list of scalars as numbers, e.g. load averages; what is no number is left out.
pub fn numbers<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<f64>, D::Error> {
    d.deserialize_any(SeqVisitor(Scalar::number))
}

/// A list of texts; what is no text is left out.
pub fn texts<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    d.deserialize_any(SeqVisitor(|s: Scalar| match s {
        Scalar::Text(t) => Some(t),
        _ => None,
    }))
}

/// An answer that must be a list of objects. An object or `null` in its place is an error, so that what was known
/// before is not replaced by nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct List<T>(pub Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<List<T>, D::Error> {
        let list = d.deserialize_any(ListVisitor(PhantomData))?;
        list.map(List).ok_or_else(|| serde::de::Error::custom("it is not a list"))
    }
}

/// An object of type `T` if an object stands here.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Maybe<T>(pub Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Maybe<T>, D::Error> {
        struct V<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for V<T> {
            type Value = Maybe<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Maybe<T>, A::Error> {
                Ok(Maybe(Some(T::deserialize(MapAccessDeserializer::new(map))?)))
            }
            scalars_are!(Maybe(None));
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Maybe<T>, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Maybe(None))
            }
        }
        d.deserialize_any(V(PhantomData))
    }
}

/// `Some` for a list, `None` for anything else.
struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = Option<Vec<T>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut out = Vec::new();
        while let Some(item) = seq.next_element::<Maybe<T>>()? {
            if out.len() < ITEMS_MAX {
                out.extend(item.0);
            }
        }
        Ok(Some(out))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
    scalars_are!(None);
}

/// A list of scalars through a filter; anything else is an empty list.
struct SeqVisitor<F>(F);

impl<'de, T, F: Fn(Scalar) -> Option<T>> Visitor<'de> for SeqVisitor<F> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let mut out = Vec::new();
        while let Some(scalar) = seq.next_element::<Scalar>()? {
            if out.len() < ITEMS_MAX {
                out.extend((self.0)(scalar));
            }
        }
        Ok(out)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<T>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Vec::new())
    }
    scalars_are!(Vec::new());
}
