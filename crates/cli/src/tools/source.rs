//! Trees to copy or compare, in order, from an ensemble or a file.

use super::dump::{DumpError, DumpReader};
use super::frontier::{Place, Read};
use super::node::{Item, Node, is_hidden};
use super::session::{self, Session};
use super::walk::{Answer, Walk};
use crate::path;
use anyhow::Context;
use client::Error;
use flate2::read::MultiGzDecoder;
use futures::future::LocalBoxFuture;
use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek};
use wire::ErrorCode;

/// The file name that stands for standard input or output.
pub const STREAM: &str = "-";

type Fetch = Box<dyn FnMut(Place) -> LocalBoxFuture<'static, Answer<Item>>>;

/// A subtree of an ensemble.
pub struct Tree {
    session: Session,
    walk: Walk<Item, Fetch>,
    /// What comes no later than this was there before.
    after: Option<String>,
}

impl Tree {
    /// The subtree at `root`; with `after`, what follows that relative path.
    #[must_use]
    pub fn new(session: &Session, root: &str, after: Option<String>) -> Tree {
        let (asked, root_of_fetch, behind) = (session.clone(), root.to_owned(), after.clone());
        let fetch: Fetch =
            Box::new(move |place| Box::pin(fetch(asked.clone(), root_of_fetch.clone(), place.path, behind.clone())));
        Tree { session: session.clone(), walk: Walk::new(root, fetch), after }
    }

    /// The next znode of it.
    ///
    /// # Errors
    /// When the servers are lost for too long.
    pub async fn next(&mut self) -> anyhow::Result<Option<Item>> {
        let is_old = |item: &Item| self.after.as_ref().is_some_and(|after| path::order(item.path(), after).is_le());
        loop {
            match self.walk.next().await.map_err(|error| self.session.failure(&error))? {
                Some((_, item)) if is_old(&item) => {}
                next => return Ok(next.map(|(_, item)| item)),
            }
        }
    }
}

async fn fetch(session: Session, root: String, path: String, after: Option<String>) -> Answer<Item> {
    let relative = path::relative(&root, &path).unwrap_or_default().to_owned();
    let (found, children) = futures::join!(
        item(&session, &path, relative.clone()),
        session.ask(async |client| client.get_children(&path, false).await)
    );
    let Some(item) = found? else { return Ok(None) };
    let mut children = match (&item, children) {
        (Item::Node(_), Ok(children)) => children,
        (Item::Node(_), Err(error)) if !error.is(ErrorCode::NoNode) => return Err(error),
        _ => Vec::new(),
    };
    children.retain(|name| {
        !session.is_system(&root, &path::child(&path, name))
            && is_behind(&path::child(&format!("/{relative}"), name), after.as_deref())
    });
    let bytes = match &item {
        Item::Node(node) => node.data.as_ref().map_or(0, Vec::len) + size_of::<Item>(),
        _ => size_of::<Item>(),
    };
    Ok(Some(Read { item, children, bytes }))
}

/// Whether a relative path is below another.
fn is_below(above: &str, path: &str) -> bool {
    let rest =
        if above.is_empty() { Some(path) } else { path.strip_prefix(above).and_then(|rest| rest.strip_prefix('/')) };
    rest.is_some_and(|rest| !rest.is_empty())
}

/// Whether a subtree has something that comes later than a relative path: it is no earlier, or that path is within it.
fn is_behind(child: &str, after: Option<&str>) -> bool {
    let child = child.trim_start_matches('/');
    after.is_none_or(|after| {
        path::order(child, after) != Ordering::Less || path::is_within(&format!("/{child}"), &format!("/{after}"))
    })
}

/// Asks for one znode; `None` if there is none.
///
/// # Errors
/// The server's, except that the ACL is in the way: that is a closed item.
pub async fn item(session: &Session, path: &str, relative: String) -> Result<Option<Item>, Error> {
    let (data, acl) = futures::join!(
        session.ask(async |client| client.get_data(path, false).await),
        session.ask(async |client| client.get_acl(path).await)
    );
    let (data, stat) = match data {
        Ok(data) => data,
        Err(error) if error.is(ErrorCode::NoNode) => return Ok(None),
        Err(error) if error.is(ErrorCode::NoAuth) => {
            return Ok(Some(Item::Closed { path: relative, reason: session::no_auth(path) }));
        }
        Err(error) => return Err(error),
    };
    if stat.ephemeral_owner != 0 {
        return Ok(Some(Item::Ephemeral { path: relative, owner: stat.ephemeral_owner }));
    }
    let acl = match acl {
        Ok((acl, _)) => acl,
        Err(error) if error.is(ErrorCode::NoNode) => return Ok(None),
        Err(error) => return Err(error),
    };
    if is_hidden(&acl) {
        let reason =
            "the server hides the hashes of its ACL from who may not administer it; --auth as somebody who may";
        return Ok(Some(Item::Closed { path: relative, reason: reason.to_owned() }));
    }
    let kind = session.kind(path, &stat);
    Ok(Some(Item::Node(Node { path: relative, data, acl, kind, stat: Some(stat) })))
}

/// An export in a file.
pub struct Dump {
    name: String,
    reader: DumpReader<Box<dyn BufRead>>,
}

impl Dump {
    /// Opens a file, or standard input, and reads its head.
    ///
    /// # Errors
    /// When it cannot be read or is no export.
    pub fn open(name: &str) -> anyhow::Result<Dump> {
        let file = open(name)?;
        Dump::of(name, file)
    }

    /// An export at a file's beginning.
    ///
    /// # Errors
    /// As [`Dump::open`].
    pub fn of(name: &str, mut file: File) -> anyhow::Result<Dump> {
        file.rewind().with_context(|| format!("read {name}"))?;
        let reader = DumpReader::begin(lines(file).with_context(|| format!("read {name}"))?);
        let reader = reader.map_err(|error| damaged(name, &error))?;
        Ok(Dump { name: name.to_owned(), reader })
    }

    /// The next znode.
    ///
    /// # Errors
    /// When the file is cut or damaged.
    pub fn next_item(&mut self) -> anyhow::Result<Option<Item>> {
        self.reader.next_item().map_err(|error| damaged(&self.name, &error))
    }

    /// What was read.
    #[must_use]
    pub fn reader(&self) -> &DumpReader<Box<dyn BufRead>> {
        &self.reader
    }
}

fn damaged(name: &str, error: &DumpError) -> anyhow::Error {
    anyhow::anyhow!("{name}: {error}")
}

/// Opens a file; standard input goes into a file without a name first, because it is read twice.
///
/// # Errors
/// The system's.
pub fn open(name: &str) -> anyhow::Result<File> {
    if name != STREAM {
        return File::open(name).with_context(|| format!("open {name}"));
    }
    let mut file = tempfile::tempfile().context("make a temporary file for standard input")?;
    io::copy(&mut io::stdin().lock(), &mut file).context("read standard input")?;
    Ok(file)
}

/// The lines of a file, which is decompressed if it begins as gzip does, whatever its name.
///
/// # Errors
/// The system's.
pub fn lines(file: File) -> io::Result<Box<dyn BufRead>> {
    let mut plain = BufReader::new(file);
    let is_gzip = plain.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    Ok(if is_gzip { Box::new(BufReader::new(MultiGzDecoder::new(plain))) } else { Box::new(plain) })
}

/// Either.
pub enum Source {
    /// Of an ensemble.
    Tree(Tree),
    /// Of a file.
    Dump(Dump),
}

impl Source {
    /// The next znode.
    ///
    /// # Errors
    /// As [`Tree::next`] and [`Dump::next_item`].
    pub async fn next(&mut self) -> anyhow::Result<Option<Item>> {
        match self {
            Source::Tree(tree) => tree.next().await,
            Source::Dump(dump) => dump.next_item(),
        }
    }
}

/// Two trees side by side, in order.
pub struct Merge {
    sides: (Source, Source),
    heads: (Option<Item>, Option<Item>),
    has_begun: bool,
    /// The path of the last znode that one of the sides could not read: nobody knows what it has below.
    closed: Option<String>,
}

impl Merge {
    /// The two.
    #[must_use]
    pub fn new(a: Source, b: Source) -> Merge {
        Merge { sides: (a, b), heads: (None, None), has_begun: false, closed: None }
    }

    /// What the two have at the next path: one of them at least has something. Below what one cannot read, nothing is given: that
    /// the other has something there does not mean that this one has not.
    ///
    /// # Errors
    /// Those of the sides.
    pub async fn next(&mut self) -> anyhow::Result<Option<(Option<Item>, Option<Item>)>> {
        while let Some((a, b)) = self.step().await? {
            let path = a.as_ref().or(b.as_ref()).map(Item::path).unwrap_or_default();
            if self.closed.as_deref().is_some_and(|closed| is_below(closed, path)) {
                continue;
            }
            let is_closed = |item: &Option<Item>| matches!(item, Some(Item::Closed { .. }));
            if is_closed(&a) || is_closed(&b) {
                self.closed = Some(path.to_owned());
            }
            return Ok(Some((a, b)));
        }
        Ok(None)
    }

    async fn step(&mut self) -> anyhow::Result<Option<(Option<Item>, Option<Item>)>> {
        if !self.has_begun {
            self.heads = (self.sides.0.next().await?, self.sides.1.next().await?);
            self.has_begun = true;
        }
        let order = match &self.heads {
            (None, None) => return Ok(None),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => path::order(a.path(), b.path()),
        };
        let a = if order.is_le() { std::mem::replace(&mut self.heads.0, self.sides.0.next().await?) } else { None };
        let b = if order.is_ge() { std::mem::replace(&mut self.heads.1, self.sides.1.next().await?) } else { None };
        Ok(Some((a, b)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump(lines: &[&str]) -> Source {
        let mut text = String::from(
            "{\"format\":\"zookube-export\",\"version\":1,\"root\":\"/\",\"time\":\"\",\"types\":true,\"zxid\":\"0x0\"}\n",
        );
        for line in lines {
            let (path, closed) = line.split_once(' ').map_or((*line, false), |(path, _)| (path, true));
            let rest = "\"data\":null,\"acl\":[{\"scheme\":\"world\",\"id\":\"anyone\",\"perms\":\"r\"}]";
            text += &format!("{{\"path\":\"{path}\",{}}}\n", if closed { "\"unreadable\":true" } else { rest });
        }
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        Source::Dump(Dump::of("test", file).unwrap())
    }

    /// A removal would follow from a pair that only the second has.
    #[test]
    fn what_one_side_cannot_read_is_not_taken_for_absent() {
        let mut merge =
            Merge::new(dump(&["a", "b closed", "b-"]), dump(&["a", "a/x", "b", "b/x", "b/x/y", "b-", "b-/x"]));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut pairs = Vec::new();
        // These files have no last line.
        while let Ok(Some((a, b))) = runtime.block_on(merge.next()) {
            let path = a.as_ref().or(b.as_ref()).map(Item::path).unwrap_or_default();
            pairs.push(format!("{}{path}{}", if a.is_some() { "<" } else { "" }, if b.is_some() { ">" } else { "" }));
        }
        assert_eq!(pairs, ["<a>", "a/x>", "<b>"], "b/x and b/x/y are not told of, and the files end behind b-");
        assert!(
            is_below("", "a")
                && is_below("a", "a/b")
                && !is_below("a", "ab")
                && !is_below("a", "a")
                && !is_below("", "")
        );
    }

    #[test]
    fn an_export_goes_on_behind_a_path() {
        let behind = |child| is_behind(child, Some("b/c"));
        assert!(behind("/b"), "it is above");
        assert!(behind("/b/c"), "what is below it follows");
        assert!(behind("/b/d") && behind("/c"));
        assert!(!behind("/a") && !behind("/b/a"));
        assert!(is_behind("/a", None));
    }
}
