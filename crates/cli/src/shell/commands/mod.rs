//! What the commands do, each as the class of Apache's of its name does it (`org.apache.zookeeper.cli`).

mod quota;
mod read;
mod reconfig;
mod watch;
mod write;

use super::answer::Answer;
use super::failure::Failure;
use super::options::{self, Parsed};
use super::table::{Command, Verb};
use crate::path;
use client::Client;

/// Where a command writes beside its answer, a line at a time.
#[derive(Debug, Default)]
pub struct Notes {
    /// Lines for standard output.
    pub out: Vec<String>,
    /// Lines for standard error.
    pub err: Vec<String>,
    /// Whether a part of what was asked for has failed, as the lines say.
    pub has_failed: bool,
    /// Whether a znode was made that goes with the session.
    pub made_ephemeral: bool,
}

/// A command that is run.
pub struct Run<'a> {
    /// Whose session it is.
    pub client: &'a Client,
    /// Which servers were named.
    pub hosts: &'a str,
    /// What it writes beside its answer.
    pub notes: Notes,
}

/// What commands return.
pub type Outcome = Result<Answer, Failure>;

impl Run<'_> {
    /// Runs a command of those that need a session; `words` begin with its name.
    ///
    /// # Errors
    /// Where it was refused by this program or by a server.
    pub async fn run(&mut self, command: &'static Command, words: &[String]) -> Outcome {
        let parsed = read_options(command, words, &mut self.notes)?;
        match command.verb {
            Verb::AddAuth => self.add_auth(command, &parsed).await,
            Verb::AddWatch => self.add_watch(command, &parsed).await,
            Verb::Close => {
                self.client.close().await;
                Ok(Answer::Nothing)
            }
            Verb::Config => self.config(&parsed).await,
            Verb::Create => self.create(&parsed).await,
            Verb::Delete => self.delete(&parsed).await,
            Verb::DeleteAll => self.delete_all(&parsed).await,
            Verb::DelQuota => self.delete_quota(&parsed).await,
            Verb::Get => self.get(&parsed).await,
            Verb::GetAcl => self.get_acl(&parsed).await,
            Verb::GetAllChildrenNumber => self.count(&parsed).await,
            Verb::GetEphemerals => self.ephemerals(&parsed).await,
            Verb::ListQuota => self.list_quota(&parsed).await,
            Verb::Ls => self.list(&parsed).await,
            Verb::Reconfig => self.reconfig(command, &parsed).await,
            Verb::RemoveWatches => self.remove_watches(&parsed).await,
            Verb::Set => self.set(&parsed).await,
            Verb::SetAcl => self.set_acl(&parsed).await,
            Verb::SetQuota => self.set_quota(&parsed).await,
            Verb::Stat => self.stat(&parsed).await,
            Verb::Sync => self.sync(&parsed).await,
            Verb::Version => Ok(Answer::Line(format!("ZooKeeper CLI version: {}", super::version()))),
            Verb::WhoAmI => self.who_am_i().await,
            // The shell itself does these.
            Verb::Connect | Verb::Help | Verb::History | Verb::PrintWatches | Verb::Quit | Verb::Redo => {
                Ok(Answer::Nothing)
            }
        }
    }

    /// An error in Apache's words.
    fn failure(&self, error: &client::Error) -> Failure {
        Failure::of(error, self.hosts)
    }
}

/// How many words a command needs, its name included; with fewer its usage text is what it says.
const fn words_min(verb: Verb) -> usize {
    match verb {
        Verb::Set | Verb::SetAcl => 3,
        Verb::Close | Verb::Config | Verb::GetEphemerals | Verb::Reconfig | Verb::Version | Verb::WhoAmI => 1,
        Verb::Connect | Verb::Help | Verb::History | Verb::PrintWatches | Verb::Quit | Verb::Redo => 1,
        _ => 2,
    }
}

fn read_options(command: &'static Command, words: &[String], notes: &mut Notes) -> Result<Parsed, Failure> {
    // These read nothing at all.
    if matches!(command.verb, Verb::Close | Verb::WhoAmI) {
        return Ok(Parsed::default());
    }
    let read = |words: &[String]| {
        options::parse(words, command.options, command.group)
            .map_err(|problem| Failure::new(problem.to_string()).hint(format!("usage: {}", command.usage().trim_end())))
    };
    let parsed = read(words)?;
    let count = parsed.words.len();
    // Data from elsewhere stand for the word.
    let words_min = words_min(command.verb) - usize::from(parsed.has("data-file") || parsed.has("hex"));
    let is_wrong = match command.verb {
        Verb::AddWatch => count != 2,
        Verb::Version => count > 1,
        _ => count < words_min,
    };
    if is_wrong && !(command.verb == Verb::Ls && parsed.has("?")) {
        return Err(Failure::new(command.usage()).hint(format!("for example: {}", command.example)));
    }
    match (command.verb, count > 2) {
        (Verb::Get | Verb::Ls | Verb::Stat, true) => {
            notes.err.push(deprecated(command.verb));
            // As there: the second word behind the name becomes the option, whatever it was.
            let mut words = words.to_vec();
            words[2] = "-w".to_owned();
            read(&words)
        }
        (Verb::Delete, true) => {
            notes.err.push(
                "'delete path [version]' has been deprecated. Please use 'delete [-v version] path' instead."
                    .to_owned(),
            );
            Ok(parsed)
        }
        _ => Ok(parsed),
    }
}

/// The forms of 3.4, in which a word behind the path asked for a watch.
fn deprecated(verb: Verb) -> String {
    let (name, new) = match verb {
        Verb::Get => ("get", "get [-s] [-w] path"),
        Verb::Ls => ("ls", "ls [-w] path"),
        _ => ("stat", "stat [-w] path"),
    };
    format!("'{name} path [watch]' has been deprecated. Please use '{new}' instead.")
}

/// The version in `-v`, or any.
fn version(parsed: &Parsed) -> Result<i32, Failure> {
    parsed.value("v").map_or(Ok(-1), |text| {
        text.parse().map_err(|_| {
            Failure::new(format!("-v argument must be an int value, not {text:?}"))
                .hint("`stat PATH` shows dataVersion (for set and delete) and aclVersion (for setAcl)")
        })
    })
}

/// Whether Stats are shown.
fn with_stat(parsed: &Parsed, stat: wire::Stat) -> Option<wire::Stat> {
    parsed.has("s").then_some(stat)
}

/// Everything below a path, a parent before its children, children in their order (`ZKUtil.visitSubTreeDFS`). What goes meanwhile is
/// left out.
async fn subtree(client: &Client, path: &str, watch: bool) -> Result<Vec<String>, client::Error> {
    client.get_data(path, watch).await?;
    let mut paths = vec![path.to_owned()];
    let mut open = vec![path.to_owned()];
    while let Some(parent) = open.pop() {
        let mut names = match client.get_children2(&parent, watch).await {
            Ok((names, _)) => names,
            Err(error) if error.is(wire::ErrorCode::NoNode) => continue,
            Err(error) => return Err(error),
        };
        names.sort_unstable();
        // The children of a path stand together, then what is below each of them, the first one's first.
        let children: Vec<String> = names.iter().map(|name| path::child(&parent, name)).collect();
        paths.extend(children.iter().cloned());
        open.extend(children.into_iter().rev());
    }
    Ok(paths)
}
