//! Where a tree is: a path, a path of another ensemble, a file. Pure.

use super::source::STREAM;
use crate::path;
use anyhow::bail;

/// Where a tree is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A path of the ensemble that was named elsewhere.
    Path(String),
    /// A path of this ensemble.
    Remote {
        /// `host:port,host:port`.
        servers: String,
        /// The path.
        path: String,
    },
    /// An export.
    File(String),
}

impl Location {
    /// Reads a path or `host:port,.../path`.
    ///
    /// # Errors
    /// When the path is none.
    pub fn parse_tree(text: &str) -> Result<Location, String> {
        let (servers, rest) = text.split_at(text.find('/').unwrap_or(text.len()));
        if servers.is_empty() {
            return path::typed(text).map(Location::Path);
        }
        client::ConnectString::parse(servers)
            .map_err(|reason| format!("{text:?}: {reason}; expected /path or host:port[,host:port...]/path"))?;
        let path = path::typed(if rest.is_empty() { "/" } else { rest })?;
        Ok(Location::Remote { servers: servers.to_owned(), path })
    }

    /// As [`Location::parse_tree`], or a file: `-`, `file:NAME`, or a name that ends with `.jsonl` or `.gz` and does not begin with
    /// a slash.
    ///
    /// # Errors
    /// As [`Location::parse_tree`].
    pub fn parse(text: &str) -> Result<Location, String> {
        if let Some(name) = text.strip_prefix("file:") {
            return Ok(Location::File(name.to_owned()));
        }
        let is_file = [".jsonl", ".gz"].iter().any(|ending| text.ends_with(ending)) && !text.starts_with('/');
        if text == STREAM || is_file { Ok(Location::File(text.to_owned())) } else { Location::parse_tree(text) }
    }

    /// The servers, if others than by default, and the path.
    ///
    /// # Errors
    /// When servers are named twice, or it is a file.
    pub fn of_tree<'a>(&'a self, server: Option<&'a str>) -> anyhow::Result<(Option<&'a str>, &'a str)> {
        match (self, server) {
            (Location::Path(path), server) => Ok((server, path)),
            (Location::Remote { servers, path }, None) => Ok((Some(servers), path)),
            (Location::Remote { servers, path }, Some(other)) => {
                bail!("{servers}{path} names its servers, and so does an option ({other}); leave one of them away")
            }
            (Location::File(name), _) => {
                bail!("{name} is a file, expected a path; `zk import` and `zk export` know files")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(servers: &str, path: &str) -> Location {
        Location::Remote { servers: servers.into(), path: path.into() }
    }

    #[test]
    fn places_are_read() {
        let cases = [
            ("/", Location::Path("/".into())),
            ("/a/b/", Location::Path("/a/b".into())),
            ("a:1,b:2/x/y", remote("a:1,b:2", "/x/y")),
            ("a:1", remote("a:1", "/")),
            ("[::1]:2181/", remote("[::1]:2181", "/")),
            ("-", Location::File("-".into())),
            ("dir/app.jsonl", Location::File("dir/app.jsonl".into())),
            ("app.jsonl.gz", Location::File("app.jsonl.gz".into())),
            ("/app/app.gz", Location::Path("/app/app.gz".into())),
            ("file:/tmp/x", Location::File("/tmp/x".into())),
        ];
        for (text, expected) in cases {
            assert_eq!(Location::parse(text), Ok(expected), "{text}");
        }
        assert!(Location::parse("a:x/y").unwrap_err().contains("expected /path or host:port"));
        assert!(Location::parse("/a//b").is_err());
    }

    #[test]
    fn servers_are_named_once() {
        let path = Location::Path("/a".into());
        assert_eq!(path.of_tree(Some("h:1")).unwrap(), (Some("h:1"), "/a"));
        assert_eq!(remote("h:1", "/a").of_tree(None).unwrap(), (Some("h:1"), "/a"));
        assert!(remote("h:1", "/a").of_tree(Some("h:2")).is_err());
        assert!(Location::File("-".into()).of_tree(None).is_err());
    }
}
