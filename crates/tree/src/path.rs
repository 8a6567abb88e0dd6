//! Paths: splitting, and the rules that writes enforce (`PathUtils.validatePath`).

/// Splits at the last `/`: the parent's path (`""` for the root) and the name. `None` where there is no `/`.
pub(crate) fn split(path: &str) -> Option<(&str, &str)> {
    path.rfind('/').map(|slash| (&path[..slash], &path[slash + 1..]))
}

/// The root's two names are one node; records and digests know it as `""`.
pub(crate) fn canonical(path: &str) -> &str {
    if path == "/" { "" } else { path }
}

/// How watches and clients name a path: the root is `/`.
pub(crate) fn shown(path: &str) -> &str {
    if path.is_empty() { "/" } else { path }
}

/// Whether a create may use this path. Java works on UTF-16 units, so every character outside the BMP is a surrogate and
/// refused.
pub(crate) fn is_valid(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return false };
    if rest.is_empty() {
        return true;
    }
    rest.split('/').all(|name| !matches!(name, "" | "." | "..") && name.chars().all(is_valid_char))
}

fn is_valid_char(c: char) -> bool {
    !matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{ffff}' | '\u{10000}'..)
}

/// Paths that can be neither deleted nor reaped (`DataTree.isSpecialPath`).
pub(crate) fn is_special(path: &str) -> bool {
    matches!(path, "/" | "/zookeeper" | "/zookeeper/quota" | "/zookeeper/config")
}

/// The length Java's `String.length` gives, which is what `approximate_data_size` sums.
pub(crate) fn utf16_len(path: &str) -> i64 {
    if path.is_ascii() { path.len() as i64 } else { path.encode_utf16().count() as i64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validity() {
        let check = |path: &str, expected: bool| assert_eq!(is_valid(path), expected, "{path:?}");
        for path in ["/", "/a", "/a/b", "/a.b", "/...", "/.a", "/a..", "/é", "/\u{20ac}", "/a b", "/\u{ffef}"] {
            check(path, true);
        }
        for path in ["", "a", "a/b", "//", "/a/", "/a//b", "/.", "/..", "/a/.", "/a/../b", "/./a"] {
            check(path, false);
        }
        for path in ["/\u{1}", "/\u{1f}", "/\u{7f}", "/\u{9f}", "/\u{e000}", "/\u{fff0}", "/\u{1f600}", "/a\0"] {
            check(path, false);
        }
    }
}
