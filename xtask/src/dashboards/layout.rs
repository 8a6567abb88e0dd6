//! JSON as a person would set it: whatever fits on a line stays on it. A panel is a dozen lines then, and a changed query is
//! one changed line.

use serde_json::{Map, Value};

const WIDTH: usize = 160;
/// Keys that come first in their object; the rest follows by name.
const FIRST: &[&str] = &["id", "refId", "type", "title", "description", "expr"];

/// Keys whose members are read and changed most, so that nothing else stands on their line.
const ALONE: &[&str] = &["description", "expr", "panels", "list", "targets"];

/// The text of a document, with a line end.
pub fn text(document: &Value) -> String {
    let mut out = String::new();
    put(document, 0, 0, &mut out);
    out.push('\n');
    out
}

/// Writes `value`, whose lines are indented by `depth` steps and which has `before` characters in front of it.
fn put(value: &Value, depth: usize, before: usize, out: &mut String) {
    let line = on_one_line(value);
    if before + line.chars().count() < WIDTH {
        out.push_str(&line);
        return;
    }
    match value {
        Value::Array(items) => put_members(('[', ']'), items.iter().map(|item| (None, item)), depth, out),
        Value::Object(map) => {
            put_members(('{', '}'), ordered(map).map(|(key, value)| (Some(key.as_str()), value)), depth, out);
        }
        // A long text has nowhere to be broken.
        _ => out.push_str(&line),
    }
}

/// Fills lines with members of an object; members of an array, and what is long, have lines of their own.
fn put_members<'a>(
    (open, close): (char, char),
    members: impl Iterator<Item = (Option<&'a str>, &'a Value)>,
    depth: usize,
    out: &mut String,
) {
    let indent = "  ".repeat(depth + 1);
    let (mut used, mut line_is_open) = (WIDTH, false);
    out.push(open);
    for (at, (key, value)) in members.enumerate() {
        let head = key.map(head).unwrap_or_default();
        let length = head.chars().count() + on_one_line(value).chars().count();
        let alone = key.is_none_or(|key| ALONE.contains(&key));
        // Two for the comma and the space in front, one for a comma behind.
        let fits = line_is_open && !alone && used + length + 3 <= WIDTH;
        if at > 0 {
            out.push_str(if fits { ", " } else { "," });
        }
        if !fits {
            out.push('\n');
            out.push_str(&indent);
            used = indent.len();
        }
        out.push_str(&head);
        put(value, depth + 1, used + head.chars().count() + if fits { 3 } else { 1 }, out);
        used += length + 2;
        line_is_open = !alone && used < WIDTH;
    }
    out.push('\n');
    out.push_str(&"  ".repeat(depth));
    out.push(close);
}

fn on_one_line(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(on_one_line).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let members = ordered(map).map(|(key, value)| format!("{}{}", head(key), on_one_line(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        _ => value.to_string(),
    }
}

fn head(key: &str) -> String {
    format!("{}: ", Value::from(key))
}

/// The same order whatever order serde_json has been built to keep.
fn ordered(map: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    let mut members: Vec<_> = map.iter().collect();
    let place = |key: &str| FIRST.iter().position(|first| *first == key).unwrap_or(FIRST.len());
    members.sort_by(|(a, _), (b, _)| (place(a), a).cmp(&(place(b), b)));
    members.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_fits_stays_on_its_line() {
        let long = "x".repeat(WIDTH);
        let document = json!({ "b": [1, 2], "a": { "z": "\"", "title": "t" }, "c": [long, {}] });
        let expected = format!(
            "{{\n  \"a\": {{\"title\": \"t\", \"z\": \"\\\"\"}}, \"b\": [1, 2],\n  \"c\": [\n    \"{long}\",\n    {{}}\n  ]\n}}\n"
        );
        assert_eq!(text(&document), expected);
        assert_eq!(serde_json::from_str::<Value>(&text(&document)).expect("JSON"), document);
    }
}
