//! The chart, the manifests made from it, and what objects of Kubernetes have to be.

pub mod forms;
pub mod manifests;
pub mod restricted;

use std::path::PathBuf;

use serde_json::Value;
use support::prerequisites;

/// A file of the repository.
#[must_use]
pub fn file(path: &str) -> PathBuf {
    prerequisites::workspace().join(path)
}

/// The text of a file of the repository.
///
/// # Panics
/// When it cannot be read.
#[must_use]
pub fn read(path: &str) -> String {
    let path = file(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("read {}: {e}", path.display()))
}

/// The objects in a text, in their order.
///
/// # Panics
/// When it is no YAML, or has nothing in it.
#[must_use]
pub fn objects(text: &str) -> Vec<Value> {
    let all: Vec<Value> = serde_saphyr::from_multiple(text).unwrap_or_else(|e| panic!("{e}, in\n{text}"));
    let all: Vec<Value> = all.into_iter().filter(|object| !object.is_null()).collect();
    assert!(!all.is_empty(), "no object in\n{text}");
    all
}

/// What an object is called: `Deployment zookube-system/zookube-operator`.
#[must_use]
pub fn name_of(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

/// The objects of a kind.
#[must_use]
pub fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}
