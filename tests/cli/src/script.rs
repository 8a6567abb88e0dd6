//! Scripts: text files with lines for the shell and what is to be around them.
//!
//! | line of the file | meaning |
//! | --- | --- |
//! | `get -s /a` | is typed into the interactive shell |
//! | `@line   "` | the rest, after one blank, is typed as it is: for empty lines, blanks, `#`, `@` and `$` in front |
//! | `$ {args} get /a` | the program is called with these arguments, `'a b'` and `''` as in sh; `{args}` stands for `-server {server}` and options that make a run repeatable |
//! | `@events 2` | the step before makes two blocks `WATCHER::`; nothing goes on before they are there |
//! | `@closed`, `@open` | from here on the shell says `Not connected`, or does not |
//! | `@set key=value` | in the server's `zoo.cfg` |
//! | `@ensemble` | the server is an ensemble of one |
//! | `@start -server {server}/app` | arguments of the interactive shell, `{args}` by default |
//! | `@piped` | the interactive shell gets all its lines at once, as from a file |
//! | `@file name text` | a file in the directory where the program runs; `\n` is the end of a line |
//! | `# …`, empty | for the reader |
//!
//! `{server}` is `host:port`; `{client}`, `{quorum}` and `{election}` are the server's ports.

use std::path::Path;

/// A script, read.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// The file's name without its end.
    pub name: String,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// Keys of `zoo.cfg`.
    pub settings: Vec<(String, String)>,
    /// Whether the server is an ensemble of one.
    pub ensemble: bool,
    /// Whether the interactive shell gets all its lines at once.
    pub piped: bool,
    /// The arguments of the interactive shell.
    pub start: Vec<String>,
    /// Files beside the program: name and content.
    pub files: Vec<(String, String)>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What.
    pub action: Action,
    /// How many blocks `WATCHER::` it makes.
    pub events: usize,
    /// Whether the shell says `Not connected` to whatever comes behind it.
    pub closed: bool,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Types a line.
    Line(String),
    /// Calls the program.
    Call(Vec<String>),
}

impl Script {
    /// Reads a file.
    ///
    /// # Panics
    /// When it cannot be read, or has a directive that is none.
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let name = path.file_stem().expect("a script has a name").to_string_lossy().into_owned();
        Self::parse(&name, &text)
    }

    /// Reads a text.
    ///
    /// # Panics
    /// At a directive that is none.
    pub fn parse(name: &str, text: &str) -> Self {
        let mut script = Self { name: name.to_owned(), start: vec!["{args}".to_owned()], ..Self::default() };
        let mut closed = false;
        for line in text.lines() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let action = match line.split_once(' ').unwrap_or((line, "")) {
                ("@line", typed) => Action::Line(typed.to_owned()),
                ("$", arguments) => Action::Call(words(arguments)),
                (directive, rest) if directive.starts_with('@') => {
                    script.direct(directive, rest, &mut closed);
                    continue;
                }
                _ => Action::Line(line.to_owned()),
            };
            script.steps.push(Step { action, events: 0, closed });
        }
        script
    }

    fn direct(&mut self, directive: &str, rest: &str, closed: &mut bool) {
        let name = &self.name;
        let last = self.steps.last_mut();
        match directive {
            "@events" => {
                let last = last.unwrap_or_else(|| panic!("{name}: @events belongs behind a step"));
                last.events = rest.parse().unwrap_or_else(|e| panic!("{name}: @events {rest}: {e}"));
            }
            "@closed" | "@open" => {
                *closed = directive == "@closed";
                if let Some(last) = last {
                    last.closed = *closed;
                }
            }
            "@set" => {
                let (key, value) = rest.split_once('=').unwrap_or_else(|| panic!("{name}: @set {rest}: no ="));
                self.settings.push((key.to_owned(), value.to_owned()));
            }
            "@ensemble" => self.ensemble = true,
            "@start" => self.start = words(rest),
            "@piped" => self.piped = true,
            "@file" => {
                let (file, text) = rest.split_once(' ').unwrap_or_else(|| panic!("{name}: @file {rest}: no text"));
                self.files.push((file.to_owned(), text.replace("\\n", "\n")));
            }
            other => panic!("{name}: {other} is no directive"),
        }
    }
}

/// Splits as sh does, as far as scripts need it: blanks part words, `'…'` is a word or a part of one.
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_what_is_around_them() {
        let script = Script::parse(
            "x",
            "# why\n@set a=b=c\nget -w /a\n@events 2\n\n@line  \n$ {args} create '/a b' ''\nclose\n@closed\nls /\n",
        );
        let line = |text: &str| Action::Line(text.to_owned());
        let step = |action, events, closed| Step { action, events, closed };
        let call = Action::Call(["{args}", "create", "/a b", ""].map(str::to_owned).to_vec());
        let expected = [
            step(line("get -w /a"), 2, false),
            step(line(" "), 0, false),
            step(call, 0, false),
            step(line("close"), 0, true),
            step(line("ls /"), 0, true),
        ];
        assert_eq!(script.steps, expected);
        assert_eq!(script.settings, [("a".to_owned(), "b=c".to_owned())]);
        assert_eq!(script.start, ["{args}"]);
    }

    #[test]
    #[should_panic(expected = "x: @event is no directive")]
    fn a_misspelt_directive() {
        Script::parse("x", "ls /\n@event 1\n");
    }
}
