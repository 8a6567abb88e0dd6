//! Reads a tree from an ensemble, many requests under way, in order: the runtime around [`Frontier`].

use super::frontier::{Frontier, Place, Read};
use super::kind::Kind;
use super::session::Session;
use client::Error;
use futures::future::LocalBoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use wire::{ErrorCode, Stat};

/// How many znodes are asked for at the same time.
pub const ASKED_MAX: usize = 64;

/// What comes of asking for a znode: nothing if it is gone.
pub type Answer<T> = Result<Option<Read<T>>, Error>;

/// A walk through a tree; `F` asks for a znode.
pub struct Walk<T, F> {
    frontier: Frontier<T>,
    fetch: F,
    under_way: FuturesUnordered<LocalBoxFuture<'static, (u64, Answer<T>)>>,
}

impl<T, F, Fut> Walk<T, F>
where
    F: FnMut(Place) -> Fut,
    Fut: Future<Output = Answer<T>> + 'static,
{
    /// A walk that begins at `root`.
    pub fn new(root: &str, fetch: F) -> Walk<T, F> {
        Walk { frontier: Frontier::new(root, ASKED_MAX), fetch, under_way: FuturesUnordered::new() }
    }

    /// The next znode; `None` at the end.
    ///
    /// # Errors
    /// What kept a znode from being read.
    pub async fn next(&mut self) -> Result<Option<(Place, T)>, Error> {
        loop {
            while let Some((number, place)) = self.frontier.ask() {
                let fetched = (self.fetch)(place);
                self.under_way.push(Box::pin(async move { (number, fetched.await) }));
            }
            if let Some(next) = self.frontier.take() {
                return Ok(Some(next));
            }
            match self.under_way.next().await {
                Some((number, answer)) => self.frontier.arrive(number, answer?),
                None => return Ok(None),
            }
        }
    }
}

/// A znode without its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Its Stat; all zeros where the ACL hides that too.
    pub stat: Stat,
    /// Its type, as far as it is known.
    pub kind: Option<Kind>,
    /// Whether its children may be listed.
    pub is_open: bool,
}

/// Asks for a znode's Stat and its children. Where the ACL hides the children, the Stat may still be had (Apache before 3.9).
///
/// # Errors
/// The server's, except that the znode is gone.
pub async fn outline(session: &Session, path: &str) -> Result<Option<(Outline, Vec<String>)>, Error> {
    match session.ask(async |client| client.get_children2(path, false).await).await {
        Ok((children, stat)) => Ok(Some((Outline { stat, kind: session.kind(path, &stat), is_open: true }, children))),
        Err(error) if error.is(ErrorCode::NoNode) => Ok(None),
        Err(error) if error.is(ErrorCode::NoAuth) => {
            // Since 3.9 the same ACL hides the Stat too.
            let stat = match session.ask(async |client| client.exists(path, false).await).await {
                Err(error) if error.is(ErrorCode::NoAuth) => Some(Stat::default()),
                other => other?,
            };
            let closed = |stat| Outline { stat, kind: session.kind(path, &stat), is_open: false };
            Ok(stat.map(|stat| (closed(stat), Vec::new())))
        }
        Err(error) => Err(error),
    }
}

/// The same as an answer to a walk.
///
/// # Errors
/// As [`outline`].
pub async fn fetch_outline(session: Session, place: Place, depth_max: usize) -> Answer<Outline> {
    let read = |(item, children): (Outline, Vec<String>)| {
        let children = if place.depth < depth_max { children } else { Vec::new() };
        Read { item, children, bytes: size_of::<Outline>() }
    };
    Ok(outline(&session, &place.path).await?.map(read))
}
