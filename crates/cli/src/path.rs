//! Paths of znodes: joined, taken apart, in the order in which trees are written. Pure.
//!
//! A relative path is what stands behind a root and its slash; that of the root itself is empty.

use std::cmp::Ordering;

/// The subtree of a server's own znodes (`ZooDefs.ZOOKEEPER_NODE_SUBTREE` without its slash).
pub const SYSTEM: &str = "/zookeeper";

/// A path typed by a person: no slash at the end is needed, and none hurts.
///
/// # Errors
/// What is wrong with it, in the words of `PathUtils.validatePath`.
pub fn typed(text: &str) -> Result<String, String> {
    let trimmed = text.trim_end_matches('/');
    let path = if trimmed.is_empty() && text.starts_with('/') { "/" } else { trimmed };
    client::path::validate(path)
        .map(|()| path.to_owned())
        .map_err(|reason| format!("path {text:?}: {reason}; expected a path such as /app/config"))
}

/// The path of a child.
#[must_use]
pub fn child(parent: &str, name: &str) -> String {
    if parent == "/" { format!("/{name}") } else { format!("{parent}/{name}") }
}

/// The path of a relative one below `root`.
#[must_use]
pub fn below(root: &str, relative: &str) -> String {
    if relative.is_empty() { root.to_owned() } else { child(root, relative) }
}

/// The relative path of `path` below `root`; `None` if it is not there.
#[must_use]
pub fn relative<'a>(root: &str, path: &'a str) -> Option<&'a str> {
    if root == "/" {
        return path.strip_prefix('/');
    }
    match path.strip_prefix(root)? {
        "" => Some(""),
        rest => rest.strip_prefix('/'),
    }
}

/// Whether `path` is `root` or below it.
#[must_use]
pub fn is_within(root: &str, path: &str) -> bool {
    relative(root, path).is_some()
}

/// The last name of a path; empty for the root.
#[must_use]
pub fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// The path above; `None` above the root.
#[must_use]
pub fn parent(path: &str) -> Option<&str> {
    match path.rsplit_once('/')? {
        (_, "") => None,
        ("", _) => Some("/"),
        (parent, _) => Some(parent),
    }
}

/// The order of trees: a znode before its children, siblings by their names' bytes. Both paths are relative, or both are not.
#[must_use]
pub fn order(a: &str, b: &str) -> Ordering {
    // The empty path is the root of relative ones, and has no name at all.
    let names = |path: &str| !path.is_empty() && path != "/";
    match (names(a), names(b)) {
        (true, true) => a.split('/').cmp(b.split('/')),
        (a, b) => a.cmp(&b),
    }
}

/// Whether a path is the servers' own, and is not meant when somebody names `root`.
#[must_use]
pub fn is_system(root: &str, path: &str) -> bool {
    is_within(SYSTEM, path) && !is_within(SYSTEM, root)
}

/// A name or path that does a terminal no harm: control characters are written as escapes.
#[must_use]
pub fn printable(path: &str) -> String {
    if !path.contains(char::is_control) {
        return path.to_owned();
    }
    let escaped = |character: char| {
        if character.is_control() { character.escape_default().to_string() } else { character.to_string() }
    };
    path.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_apart_and_together() {
        assert_eq!(typed("/").as_deref(), Ok("/"));
        assert_eq!(typed("/a/b/").as_deref(), Ok("/a/b"));
        assert_eq!(
            typed("a").unwrap_err(),
            "path \"a\": Path must start with / character; expected a path such as /app/config"
        );
        assert!(typed("").is_err());
        assert_eq!(child("/", "a"), "/a");
        assert_eq!(below("/", "a/b"), "/a/b");
        assert_eq!(below("/r", ""), "/r");
        assert_eq!(relative("/", "/"), Some(""));
        assert_eq!(relative("/", "/a"), Some("a"));
        assert_eq!(relative("/a", "/a/b/c"), Some("b/c"));
        assert_eq!(relative("/a", "/a"), Some(""));
        assert_eq!(relative("/a", "/ab"), None);
        assert_eq!((parent("/"), parent("/a"), parent("/a/b")), (None, Some("/"), Some("/a")));
        assert_eq!((name("/"), name("/a/b"), name("b")), ("", "b", "b"));
    }

    #[test]
    fn a_tree_is_in_order() {
        let mut paths = ["b", "a!", "a/z", "a", "", "a/b", "a/b/c", "a-"];
        paths.sort_by(|a, b| order(a, b));
        assert_eq!(paths, ["", "a", "a/b", "a/b/c", "a/z", "a!", "a-", "b"]);
        assert_eq!(order("/", "/a"), Ordering::Less);
    }

    #[test]
    fn the_servers_own_is_meant_only_when_named() {
        assert!(is_system("/", "/zookeeper/quota"));
        assert!(!is_system("/zookeeper/quota", "/zookeeper/quota/a"));
        assert!(!is_system("/", "/zookeepers"));
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(printable("/a\u{1b}[2J é"), "/a\\u{1b}[2J é");
    }
}
