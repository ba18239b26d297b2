//! Reading JSON objects the way 4.9 reads them: names match in any case, `null` counts as absent, unknown names are
//! kept aside. Both request bodies and the files of the data directory are read with it. Knows no document.

use serde_json::{Map, Value};

/// One JSON object; taking a field removes it, so that what remains are the unknown ones.
#[derive(Debug, Clone)]
pub struct Fields {
    map: Map<String, Value>,
    /// Where the object stands, for errors: `pveInstances[2]`.
    place: String,
}

impl Fields {
    /// `null` is an empty object, as 4.9 takes it.
    pub fn of(value: Value, place: &str) -> Result<Fields, String> {
        match value {
            Value::Object(map) => Ok(Fields { map, place: place.to_owned() }),
            Value::Null => Ok(Fields { map: Map::new(), place: place.to_owned() }),
            other => Err(format!("{place}: an object expected, {} found", kind(&other))),
        }
    }
    /// The object of a request body. Only the first JSON value counts, as in 4.9.
    pub fn of_body(body: &[u8]) -> Result<Fields, String> {
        let mut values = serde_json::Deserializer::from_slice(body).into_iter::<Value>();
        match values.next() {
            Some(Ok(value)) => Fields::of(value, "body"),
            Some(Err(e)) => Err(e.to_string()),
            None => Err("the body is empty".to_owned()),
        }
    }
    /// Takes a value out by its exact name, else by the first name that differs only in case. `null` is absent.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        let found = if self.map.contains_key(name) {
            Some(name.to_owned())
        } else {
            self.map.keys().find(|k| k.eq_ignore_ascii_case(name)).cloned()
        };
        self.map.remove(&found?).filter(|v| !v.is_null())
    }
    pub fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(name, "a text", &other)),
        }
    }
    pub fn flag(&mut self, name: &str) -> Result<Option<bool>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(self.wrong(name, "true or false", &other)),
        }
    }
    /// A whole number; `7.0` counts, `7.5` does not.
    pub fn int(&mut self, name: &str) -> Result<Option<i64>, String> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let whole = value.as_i64().or_else(|| {
            let float = value.as_f64().filter(|f| f.fract() == 0.0 && f.abs() < 1e15)?;
            Some(float as i64)
        });
        whole.map(Some).ok_or_else(|| self.wrong(name, "a whole number", &value))
    }
    pub fn list(&mut self, name: &str) -> Result<Option<Vec<Value>>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => Err(self.wrong(name, "a list", &other)),
        }
    }
    pub fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, String> {
        let Some(items) = self.list(name)? else { return Ok(None) };
        let texts: Option<Vec<String>> = items.iter().map(|v| v.as_str().map(str::to_owned)).collect();
        texts.map(Some).ok_or_else(|| format!("{}.{name}: a list of texts expected", self.place))
    }
    pub fn place(&self) -> &str {
        &self.place
    }
    /// What nobody took: unknown names, kept so that saving loses nothing.
    pub fn rest(self) -> Map<String, Value> {
        self.map
    }
    fn wrong(&self, name: &str, expected: &str, found: &Value) -> String {
        format!("{}.{name}: {expected} expected, {} found", self.place, kind(found))
    }
}

/// The kind of a value; its content may be a secret and is never quoted.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a flag",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_match_in_any_case_and_the_exact_one_wins() {
        let mut f =
            Fields::of(json!({"HOST": "a", "host": "b", "VerifySsl": true, "port": 7.0, "x": null, "new": 1}), "node")
                .unwrap();
        assert_eq!(f.text("host").unwrap().as_deref(), Some("b"));
        assert_eq!(f.flag("verifySSL").unwrap(), Some(true));
        assert_eq!(f.int("Port").unwrap(), Some(7));
        assert_eq!(f.text("x").unwrap(), None);
        assert_eq!(f.rest().keys().collect::<Vec<_>>(), ["HOST", "new"]);
    }

    #[test]
    fn a_wrong_type_is_named_without_its_value() {
        let mut f = Fields::of(json!({"Password": 12345, "n": 1.5}), "pveInstances[0]").unwrap();
        assert_eq!(f.text("Password").unwrap_err(), "pveInstances[0].Password: a text expected, a number found");
        assert!(f.int("n").is_err());
        assert!(Fields::of(json!([]), "body").is_err());
    }

    #[test]
    fn a_body_is_its_first_value_and_null_is_an_empty_object() {
        assert_eq!(Fields::of_body(b"{\"a\":1} trailing").unwrap().int("a").unwrap(), Some(1));
        assert!(Fields::of_body(b"null").unwrap().rest().is_empty());
        assert!(Fields::of_body(b"").is_err());
        assert!(Fields::of_body(b"{").is_err());
    }
}
