//! What a znode's path may be: `PathUtils.validatePath`, its texts to the letter.
//!
//! Positions in the texts count UTF-16 units, as Java's do.

/// Checks a path.
///
/// # Errors
/// The text of Java's `IllegalArgumentException`.
pub fn validate(path: &str) -> Result<(), String> {
    if path.is_empty() {
        return Err("Path length must be > 0".to_owned());
    }
    if !path.starts_with('/') {
        return Err("Path must start with / character".to_owned());
    }
    if path.len() == 1 {
        return Ok(());
    }
    if path.ends_with('/') {
        return Err("Path must not end with / character".to_owned());
    }
    let units: Vec<u16> = path.encode_utf16().collect();
    match (1..units.len()).find_map(|at| fault(&units, at)) {
        None => Ok(()),
        Some(reason) => Err(format!("Invalid path string \"{path}\" caused by {reason}")),
    }
}

/// Checks the path of a sequential create, to which the server will append digits: `/a/` is fine there.
///
/// # Errors
/// The text of Java's `IllegalArgumentException`; the path in it ends with the `1` that stands for the digits.
pub fn validate_sequential(path: &str) -> Result<(), String> {
    validate(&format!("{path}1"))
}

/// What is wrong with the unit at `at`, which is at least 1: unit 0 is the leading slash.
fn fault(units: &[u16], at: usize) -> Option<String> {
    const SLASH: u16 = b'/' as u16;
    const DOT: u16 = b'.' as u16;
    let is_slash = |index: usize| units.get(index) == Some(&SLASH);
    let ends_name = at + 1 == units.len() || is_slash(at + 1);
    let reason = match units[at] {
        0 => "null character not allowed",
        SLASH if is_slash(at - 1) => "empty node name specified",
        // A second dot stands at 2 or later: unit 0 is a slash.
        DOT if units[at - 1] == DOT && is_slash(at - 2) && ends_name => "relative paths not allowed",
        DOT if is_slash(at - 1) && ends_name => "relative paths not allowed",
        0x01..=0x1f | 0x7f..=0x9f | 0xd800..=0xf8ff | 0xfff0..=0xffff => "invalid character",
        _ => return None,
    };
    Some(format!("{reason} @{at}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_are_fine() {
        for path in ["/", "/a", "/a/b", "/.a", "/a.", "/a..", "/...", "/a/..b", "/é", "/a b", "/\u{ffef}"] {
            assert_eq!(validate(path), Ok(()), "{path:?}");
        }
        assert_eq!(validate_sequential("/a/"), Ok(()));
        assert_eq!(validate_sequential("/"), Ok(()));
    }

    #[test]
    fn paths_that_are_not() {
        let plain = [
            ("", "Path length must be > 0"),
            ("a", "Path must start with / character"),
            ("/a/", "Path must not end with / character"),
            ("//", "Path must not end with / character"),
        ];
        for (path, expected) in plain {
            assert_eq!(validate(path), Err(expected.to_owned()), "{path:?}");
        }
        let caused = [
            ("/a\0b", "null character not allowed @2"),
            ("//a", "empty node name specified @1"),
            ("/a//b", "empty node name specified @3"),
            ("/.", "relative paths not allowed @1"),
            ("/./a", "relative paths not allowed @1"),
            ("/a/..", "relative paths not allowed @4"),
            ("/a/../b", "relative paths not allowed @4"),
            ("/a\u{1}", "invalid character @2"),
            ("/a\u{85}", "invalid character @2"),
            ("/a\u{e000}", "invalid character @2"),
            ("/\u{fff0}", "invalid character @1"),
            // One character beyond the basic plane is two units, and the first is at fault.
            ("/é😀", "invalid character @2"),
        ];
        for (path, reason) in caused {
            let expected = format!("Invalid path string \"{path}\" caused by {reason}");
            assert_eq!(validate(path), Err(expected), "{path:?}");
        }
        assert_eq!(
            validate_sequential("/a//"),
            Err("Invalid path string \"/a//1\" caused by empty node name specified @3".to_owned())
        );
        assert_eq!(validate_sequential(""), Err("Path must start with / character".to_owned()));
    }
}
