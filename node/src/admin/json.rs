//! JSON as Apache's server writes it (`JsonOutputter`): keys in the order in which they were put, a blank on both sides of the
//! colon, objects over several lines and lists on one. Scripts that read it by `grep` depend on that.

use crate::four_letter::text::{java_double, put};
use std::fmt::Write as _;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number that is written with a decimal point (`Double.toString`).
    Real(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// An object.
    Object(Fields),
}

/// Keys and values in their order.
pub type Fields = Vec<(String, Json)>;

/// An object of these fields.
pub fn object<const N: usize>(fields: [(&str, Json); N]) -> Json {
    Json::Object(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// A list of what can be values.
pub fn list<T: Into<Json>>(items: impl IntoIterator<Item = T>) -> Json {
    Json::List(items.into_iter().map(Into::into).collect())
}

/// Java's numbers are signed; one that is too large is the largest.
macro_rules! from_integers {
    ($($type:ty),*) => {
        $(impl From<$type> for Json {
            fn from(value: $type) -> Json {
                Json::Int(i64::try_from(value).unwrap_or(i64::MAX))
            }
        })*
    };
}

from_integers!(i64, i32, u64, u32, u16, u8, usize);

impl From<bool> for Json {
    fn from(value: bool) -> Json {
        Json::Bool(value)
    }
}

impl From<f64> for Json {
    fn from(value: f64) -> Json {
        Json::Real(value)
    }
}

impl From<&str> for Json {
    fn from(value: &str) -> Json {
        Json::Text(value.to_owned())
    }
}

impl From<String> for Json {
    fn from(value: String) -> Json {
        Json::Text(value)
    }
}

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Json {
        value.map_or(Json::Null, Into::into)
    }
}

impl Json {
    /// As Apache's server writes it (Jackson's `DefaultPrettyPrinter`).
    #[must_use]
    pub fn pretty(&self) -> String {
        let mut text = String::new();
        self.put_pretty(&mut text, 0);
        text
    }

    /// On one line, without blanks.
    #[must_use]
    pub fn compact(&self) -> String {
        let mut text = String::new();
        self.put_compact(&mut text);
        text
    }

    fn put_pretty(&self, text: &mut String, depth: usize) {
        match self {
            Json::Object(fields) if !fields.is_empty() => {
                for (at, (key, value)) in fields.iter().enumerate() {
                    text.push_str(if at == 0 { "{" } else { "," });
                    put!(text, "\n{:width$}", "", width = 2 * (depth + 1));
                    put_text(text, key);
                    text.push_str(" : ");
                    value.put_pretty(text, depth + 1);
                }
                put!(text, "\n{:width$}}}", "", width = 2 * depth);
            }
            Json::Object(_) => text.push_str("{ }"),
            // A list is not indented, and what is in it no deeper than the list.
            Json::List(items) => {
                text.push('[');
                for (at, item) in items.iter().enumerate() {
                    text.push_str(if at == 0 { " " } else { ", " });
                    item.put_pretty(text, depth);
                }
                text.push_str(" ]");
            }
            plain => plain.put_plain(text),
        }
    }

    fn put_compact(&self, text: &mut String) {
        match self {
            Json::Object(fields) => {
                text.push('{');
                for (at, (key, value)) in fields.iter().enumerate() {
                    text.push_str(if at == 0 { "" } else { "," });
                    put_text(text, key);
                    text.push(':');
                    value.put_compact(text);
                }
                text.push('}');
            }
            Json::List(items) => {
                text.push('[');
                for (at, item) in items.iter().enumerate() {
                    text.push_str(if at == 0 { "" } else { "," });
                    item.put_compact(text);
                }
                text.push(']');
            }
            plain => plain.put_plain(text),
        }
    }

    fn put_plain(&self, text: &mut String) {
        match self {
            Json::Bool(value) => put!(text, "{value}"),
            Json::Int(value) => put!(text, "{value}"),
            // JSON has no such numbers; Jackson writes their names as texts.
            Json::Real(value) if !value.is_finite() => put_text(text, &java_double(*value)),
            Json::Real(value) => text.push_str(&java_double(*value)),
            Json::Text(value) => put_text(text, value),
            Json::Null | Json::List(_) | Json::Object(_) => text.push_str("null"),
        }
    }
}

fn put_text(text: &mut String, value: &str) {
    text.push('"');
    for c in value.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            c if c < ' ' => put!(text, "\\u{:04X}", u32::from(c)),
            c => text.push(c),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_laid_out_as_apaches() {
        let check = |value: Json, expected: &str| assert_eq!(value.pretty(), expected);
        check(object([]), "{ }");
        check(list::<Json>([]), "[ ]");
        check(list([1_i64, 2]), "[ 1, 2 ]");
        let connection = || object([("session_id", Json::Int(1)), ("last_operation", Json::Null)]);
        check(
            object([
                ("connections", list([connection(), connection()])),
                ("secure_connections", list::<Json>([])),
                ("stats", object([("avg", Json::Real(0.0)), ("empty", object([]))])),
                ("command", Json::from("connections")),
                ("error", Json::Null),
            ]),
            "{\n  \"connections\" : [ {\n    \"session_id\" : 1,\n    \"last_operation\" : null\n  }, {\n    \
             \"session_id\" : 1,\n    \"last_operation\" : null\n  } ],\n  \"secure_connections\" : [ ],\n  \
             \"stats\" : {\n    \"avg\" : 0.0,\n    \"empty\" : { }\n  },\n  \"command\" : \"connections\",\n  \
             \"error\" : null\n}",
        );
    }

    #[test]
    fn texts_are_escaped_and_others_can_read_them() {
        let text = Json::from("a\"b\\c<d>\u{e4}\n\t\u{1f}/");
        assert_eq!(text.pretty(), "\"a\\\"b\\\\c<d>\u{e4}\\n\\t\\u001F/\"");
        for value in [text, object([("k\"", list([Json::from(1.5), Json::from(true), Json::Null]))])] {
            for written in [value.pretty(), value.compact()] {
                serde_json::from_str::<serde_json::Value>(&written).unwrap();
            }
        }
        assert_eq!(Json::from(u64::MAX), Json::Int(i64::MAX));
    }
}
