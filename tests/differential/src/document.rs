//! JSON in which the order of the keys is kept: scripts that read an answer by `grep` see it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Document {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number without a decimal point.
    Int(i64),
    /// A number with one.
    Real(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Document>),
    /// An object, its keys in their order.
    Object(Vec<(String, Document)>),
}

impl Document {
    /// Reads an answer.
    ///
    /// # Panics
    /// When it is not JSON.
    pub fn read(text: &str) -> Document {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The value behind a key of an object.
    pub fn get(&self, key: &str) -> Option<&Document> {
        let Document::Object(fields) = self else { return None };
        fields.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    /// The keys of an object, in their order.
    pub fn keys(&self) -> Vec<&str> {
        let Document::Object(fields) = self else { return Vec::new() };
        fields.iter().map(|(key, _)| key.as_str()).collect()
    }

    /// The type of a value.
    pub fn kind(&self) -> &'static str {
        match self {
            Document::Null => "null",
            Document::Bool(_) => "boolean",
            Document::Int(_) => "integer",
            Document::Real(_) => "real",
            Document::Text(_) => "text",
            Document::List(_) => "list",
            Document::Object(_) => "object",
        }
    }

    /// The same with some values replaced by their types, lists of plain values in order, and ids in keys hidden: what must be equal
    /// where two servers are alike. `differs` says of a key whether its value does from run to run, `unordered` whether the keys of
    /// the object behind it come in any order.
    pub fn masked(&self, differs: &dyn Fn(&str) -> bool, unordered: &dyn Fn(&str) -> bool) -> Document {
        match self {
            Document::List(items) => {
                let mut items: Vec<Document> = items.iter().map(|item| item.masked(differs, unordered)).collect();
                items.sort_by_key(|item| format!("{item:?}"));
                Document::List(items)
            }
            Document::Object(fields) => {
                let field = |(key, value): &(String, Document)| {
                    let is_id = key.trim_start_matches('-').len() > 4 && key.parse::<i64>().is_ok();
                    let shown = if is_id { "<id>".to_owned() } else { key.clone() };
                    let mut value = value.masked(differs, unordered);
                    if unordered(key)
                        && let Document::Object(fields) = &mut value
                    {
                        fields.sort_by(|(one, _), (other, _)| one.cmp(other));
                    }
                    (shown, if differs(key) { Document::Text(format!("<{}>", value.kind())) } else { value })
                };
                let mut fields: Vec<(String, Document)> = fields.iter().map(field).collect();
                if fields.iter().any(|(key, _)| key == "<id>" || key.starts_with('/')) {
                    fields.sort_by_key(|field| format!("{field:?}"));
                }
                Document::Object(fields)
            }
            plain => plain.clone(),
        }
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Document, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Document;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Document, E> {
        Ok(Document::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Document, E> {
        Ok(Document::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Document, E> {
        Ok(Document::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Document, E> {
        Ok(Document::Int(value.cast_signed()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Document, E> {
        Ok(Document::Real(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Document, E> {
        Ok(Document::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Document, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Document::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Document, A::Error> {
        let mut object = Vec::new();
        while let Some(field) = fields.next_entry()? {
            object.push(field);
        }
        Ok(Document::Object(object))
    }
}
