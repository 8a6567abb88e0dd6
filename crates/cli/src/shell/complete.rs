//! What could stand where the cursor is: commands, their options, paths of znodes.

use super::table::{self, COMMANDS, Verb};

/// What a word may be completed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates {
    /// Where in the line the word begins, in bytes.
    pub start: usize,
    /// What may stand there, with the blank behind it where nothing can follow.
    pub words: Vec<String>,
}

/// Candidates for the word that ends at `cursor`; `children` lists those of a znode.
pub fn candidates(line: &str, cursor: usize, children: impl FnOnce(&str) -> Vec<String>) -> Candidates {
    let before = &line[..cursor];
    let start = before.rfind([' ', '\t']).map_or(0, |at| at + 1);
    let word = &before[start..];
    let mut earlier = before[..start].split_whitespace();
    let fit = |names: Vec<String>| {
        let words = names.into_iter().filter(|name| name.starts_with(word)).collect();
        Candidates { start, words }
    };
    let Some(name) = earlier.next() else { return fit(with_blank(COMMANDS.iter().map(|command| command.name))) };
    let Some(command) = table::find(name) else { return fit(Vec::new()) };
    if word.starts_with('-') {
        let options = command.options.iter().filter(|option| option.name != "?");
        let name = |option: &super::options::Spec| format!("{}{} ", if option.ours { "--" } else { "-" }, option.name);
        return fit(options.map(name).collect());
    }
    let last = earlier.last().unwrap_or_default();
    match (command.verb, last) {
        (Verb::Help, _) => fit(with_blank(COMMANDS.iter().map(|command| command.name))),
        (Verb::PrintWatches, _) => fit(with_blank(["on", "off"])),
        (Verb::AddWatch, "-m") => fit(with_blank(["PERSISTENT", "PERSISTENT_RECURSIVE"])),
        _ if word.starts_with('/') => fit(paths(word, children)),
        _ => fit(Vec::new()),
    }
}

fn with_blank<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    words.into_iter().map(|word| format!("{word} ")).collect()
}

/// The paths that begin as `word` does, one level of them.
fn paths(word: &str, children: impl FnOnce(&str) -> Vec<String>) -> Vec<String> {
    let parent = match word.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((parent, _)) => parent,
    };
    let mut names = children(parent);
    names.sort_unstable();
    names.iter().map(|name| crate::path::child(parent, name)).collect()
}

/// What a command still needs, to be shown behind the cursor: `path data` behind `set `.
#[must_use]
pub fn hint(line: &str) -> Option<&'static str> {
    let name = line.strip_suffix(' ')?;
    table::find(name).map(|command| command.arguments).filter(|arguments| !arguments.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        let tree = |parent: &str| match parent {
            "/" => vec!["zookeeper".to_owned(), "app".to_owned()],
            "/app" => vec!["b".to_owned(), "a".to_owned()],
            _ => Vec::new(),
        };
        candidates(line, line.len(), tree).words
    }

    #[test]
    fn commands_options_and_paths() {
        assert_eq!(words("getA"), ["getAcl ", "getAllChildrenNumber "]);
        assert_eq!(words("set /app -"), ["-s ", "-v ", "-b ", "--data-file ", "--hex "]);
        assert_eq!(words("ls /"), ["/app", "/zookeeper"]);
        assert_eq!(words("ls -s /app/"), ["/app/a", "/app/b"]);
        assert_eq!(words("get /z"), ["/zookeeper"]);
        assert_eq!(words("addWatch -m PERSISTENT_"), ["PERSISTENT_RECURSIVE "]);
        assert_eq!(words("help re"), ["reconfig ", "redo ", "removewatches "]);
        assert_eq!(words("printwatches o"), ["on ", "off "]);
        assert!(words("nothing /").is_empty());
        assert_eq!(candidates("ls /a", 5, |_| vec!["app".to_owned()]).start, 3);
    }

    #[test]
    fn what_is_still_needed() {
        assert_eq!(hint("stat "), Some("[-w] path"));
        assert_eq!(hint("stat /"), None);
        assert_eq!(hint("quit "), None);
    }
}
