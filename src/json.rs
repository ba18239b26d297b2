//! JSON documents written by hand. The notation is that of serde_json's macro; but a key costs one call to a shared
//! function instead of its own allocation, insertion and clean-up: documents are a good part of the binary.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// `json!({ "key": expression, "inner": { … }, "list": [ … ], "none": null })`.
macro_rules! json {
    (@object $map:ident) => {};
    (@object $map:ident $key:tt : null $(, $($rest:tt)*)?) => {
        $crate::json::put(&mut $map, &*$key, serde_json::Value::Null);
        $crate::json::json!(@object $map $($($rest)*)?);
    };
    (@object $map:ident $key:tt : { $($inner:tt)* } $(, $($rest:tt)*)?) => {
        $crate::json::put(&mut $map, &*$key, $crate::json::json!({ $($inner)* }));
        $crate::json::json!(@object $map $($($rest)*)?);
    };
    (@object $map:ident $key:tt : [ $($inner:tt)* ] $(, $($rest:tt)*)?) => {
        $crate::json::put(&mut $map, &*$key, $crate::json::json!([ $($inner)* ]));
        $crate::json::json!(@object $map $($($rest)*)?);
    };
    (@object $map:ident $key:tt : $value:expr $(, $($rest:tt)*)?) => {
        $crate::json::put(&mut $map, &*$key, $crate::json::value(&$value));
        $crate::json::json!(@object $map $($($rest)*)?);
    };
    (@list $list:ident) => {};
    (@list $list:ident null $(, $($rest:tt)*)?) => {
        $crate::json::push(&mut $list, serde_json::Value::Null);
        $crate::json::json!(@list $list $($($rest)*)?);
    };
    (@list $list:ident { $($inner:tt)* } $(, $($rest:tt)*)?) => {
        $crate::json::push(&mut $list, $crate::json::json!({ $($inner)* }));
        $crate::json::json!(@list $list $($($rest)*)?);
    };
    (@list $list:ident [ $($inner:tt)* ] $(, $($rest:tt)*)?) => {
        $crate::json::push(&mut $list, $crate::json::json!([ $($inner)* ]));
        $crate::json::json!(@list $list $($($rest)*)?);
    };
    (@list $list:ident $value:expr $(, $($rest:tt)*)?) => {
        $crate::json::push(&mut $list, $crate::json::value(&$value));
        $crate::json::json!(@list $list $($($rest)*)?);
    };
    (null) => { serde_json::Value::Null };
    ({}) => { serde_json::Value::Object(serde_json::Map::new()) };
    ([]) => { serde_json::Value::Array(Vec::new()) };
    ({ $($inner:tt)* }) => {{
        let mut object = serde_json::Map::new();
        $crate::json::json!(@object object $($inner)*);
        serde_json::Value::Object(object)
    }};
    ([ $($inner:tt)* ]) => {{
        let mut list = Vec::new();
        $crate::json::json!(@list list $($inner)*);
        serde_json::Value::Array(list)
    }};
    ($value:expr) => { $crate::json::value(&$value) };
}
pub(crate) use json;

/// Sets a key.
#[inline(never)]
pub(crate) fn put(map: &mut Map<String, Value>, key: &str, value: Value) {
    map.insert(key.to_owned(), value);
}

/// Appends to a list.
#[inline(never)]
pub(crate) fn push(list: &mut Vec<Value>, value: Value) {
    list.push(value);
}

/// Any document as a value. One that cannot be written (a map whose keys are no texts) does not occur; it would be
/// `null`.
#[inline(never)]
pub(crate) fn value<T: Serialize + ?Sized>(of: &T) -> Value {
    serde_json::to_value(of).unwrap_or_default()
}

/// A type's value out of a document, by way of its text: so that every type has one decoder, that of text.
pub(crate) fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, serde_json::Error> {
    serde_json::from_slice(value.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    #[test]
    fn documents_are_written_as_with_the_crate_s_own_notation() {
        let (name, list, none) = (String::from("a"), [1, 2], None::<u8>);
        let ours = json!({
            "text": name, name: "key", "list": list, "inner": { "deep": [{ "x": -1 }, [], null, 1.5] }, "none": none,
            "null": null, "sum": list.len() + 1, "empty": {}, ("b"): if none.is_some() { 1 } else { 2 },
        });
        let theirs = serde_json::json!({
            "text": name, "a": "key", "list": list, "inner": { "deep": [{ "x": -1 }, [], null, 1.5] }, "none": none,
            "null": null, "sum": 3, "empty": {}, "b": 2,
        });
        assert_eq!(ours, theirs);
        assert_eq!(json!([name, { "k": true }]), serde_json::json!(["a", { "k": true }]));
        assert_eq!(json!(list), serde_json::json!([1, 2]));
    }
}
