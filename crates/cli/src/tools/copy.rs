//! Makes one tree like another: reads both, does the steps of [`super::plan`], several batches of writes under way.

use super::node::{Item, differences};
use super::out::{Out, Output, Progress};
use super::plan::{Job, Policy, Step, Tally, decide, jobs, words};
use super::session::Session;
use super::source::{self, Merge, Source, Tree};
use crate::path;
use anyhow::{anyhow, bail};
use client::{Error, Op};
use futures::future::{LocalBoxFuture, MaybeDone, maybe_done};
use futures::stream::{self, LocalBoxStream, TryStreamExt};
use serde_json::json;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use wire::{Acl, ErrorCode};

/// How many operations a multi has at most.
const BATCH_OPS_MAX: usize = 128;
/// How many bytes a multi has at most, about: well below the 1 MiB that servers take by default. A larger znode goes alone.
const BATCH_BYTES_MAX: usize = 256 << 10;
/// How many batches are under way at the same time.
const BATCHES_MAX: usize = 4;
/// How many znodes of the target are asked for at the same time.
const LOOKUPS_MAX: usize = 32;

/// What both sides have at a path.
type Pairs<'a> = LocalBoxStream<'a, anyhow::Result<(Option<Item>, Option<Item>)>>;
/// What is done together, each part with the step that it is of.
type Batch = Vec<(Job, Rc<Step>)>;
/// A batch on its way; what it is done with is an error or not.
type Sent = Pin<Box<MaybeDone<LocalBoxFuture<'static, Result<(), Error>>>>>;

/// Where a copy goes.
pub struct Target {
    /// The ensemble.
    pub session: Session,
    /// The path there.
    pub root: String,
}

impl Target {
    /// Makes sure that the znode above the target is there; with `makes`, makes all above it that are missing, for everybody to use.
    ///
    /// # Errors
    /// When it is not there and is not to be made, or cannot be.
    pub async fn prepare(&self, makes: bool) -> anyhow::Result<()> {
        let above: Vec<&str> = std::iter::successors(path::parent(&self.root), |above| path::parent(above)).collect();
        for above in above.into_iter().rev() {
            let found = self.session.ask(async |client| client.exists(above, false).await).await;
            match found {
                Ok(None) => {}
                Ok(Some(_)) => continue,
                // It is there, and nothing more is known.
                Err(error) if error.is(ErrorCode::NoAuth) => continue,
                Err(error) => return Err(self.session.failure(&error)),
            }
            if !makes {
                bail!(
                    "{above}: there is no such znode on {}; create it first, or let --parents do so",
                    self.session.hosts()
                );
            }
            let made =
                self.session.client.create(above, None, &Acl::open(), client::CreateMode::Persistent, None).await;
            match made {
                Err(error) if !error.is(ErrorCode::NodeExists) => return Err(self.session.failure(&error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// What both sides have, path by path. What only the target has is read only if somebody wants it removed.
    fn pairs(&self, source: Source, policy: Policy) -> Pairs<'_> {
        if policy.delete {
            let merge = Merge::new(source, Source::Tree(Tree::new(&self.session, &self.root, None)));
            return Box::pin(stream::try_unfold(merge, |mut merge| async move {
                Ok(merge.next().await?.map(|pair| (pair, merge)))
            }));
        }
        let items =
            stream::try_unfold(source, |mut source| async move { Ok(source.next().await?.map(|item| (item, source))) });
        let looked_up = items.map_ok(move |item| async move {
            let target = match &item {
                Item::Node(node) => self.look(&node.path).await?,
                _ => None,
            };
            Ok((Some(item), target))
        });
        Box::pin(looked_up.try_buffered(LOOKUPS_MAX))
    }

    async fn look(&self, relative: &str) -> anyhow::Result<Option<Item>> {
        let there = source::item(&self.session, &path::below(&self.root, relative), relative.to_owned()).await;
        there.map_err(|error| self.session.failure(&error))
    }
}

/// Copies a tree, telling what it does.
pub struct Copier<'a> {
    target: &'a Target,
    policy: Policy,
    out: Out,
    output: Output,
    progress: Progress,
    tally: Tally,
    batch: Batch,
    batch_bytes: usize,
    sent: VecDeque<(Batch, Sent)>,
    /// What is to be removed, in the tree's order; done last and backwards, since children go before their parents.
    removals: Batch,
}

impl<'a> Copier<'a> {
    /// A copier to a target, which has been prepared.
    #[must_use]
    pub fn new(target: &'a Target, policy: Policy, output: Output, total: Option<u64>) -> Copier<'a> {
        let progress = Progress::new(if policy.dry_run { "comparing" } else { "copying" }, total);
        let (tally, out) = (Tally::default(), Out::of_process());
        let (batch, sent, removals) = (Vec::new(), VecDeque::new(), Vec::new());
        Copier { target, policy, out, output, progress, tally, batch, batch_bytes: 0, sent, removals }
    }

    /// Copies everything, writes the last line, and tells what was done.
    ///
    /// # Errors
    /// When the source cannot be read, or servers are lost for too long: then it may be run again.
    pub async fn run(mut self, source: Source) -> anyhow::Result<Tally> {
        let mut pairs = self.target.pairs(source, self.policy);
        while let Some((source, target)) = pairs.try_next().await? {
            self.progress.step();
            let relative = source.as_ref().or(target.as_ref()).map(|item| item.path().to_owned()).unwrap_or_default();
            let path = path::below(&self.target.root, &relative);
            let step = match self.target.session.is_system(&self.target.root, &path) {
                true => Step::Closed("the servers' own znodes are not written by a copy of something else".to_owned()),
                false => decide(source, target, self.policy, path == "/"),
            };
            self.take(step, &path).await?;
        }
        drop(pairs);
        self.flush().await?;
        self.settle(0).await?;
        while let Some((job, step)) = self.removals.pop() {
            self.queue(job, step).await?;
        }
        self.flush().await?;
        self.settle(0).await?;
        self.progress.end();
        match self.output {
            Output::Text => self.out.line(&self.tally.text(self.policy.dry_run))?,
            Output::Json => self.out.line(&self.tally.document().to_string())?,
        }
        self.out.flush()?;
        Ok(self.tally)
    }

    async fn take(&mut self, step: Step, path: &str) -> anyhow::Result<()> {
        self.tally.count(&step);
        let is_news = matches!(step, Step::Differ(_) | Step::Closed(_));
        if let Some((action, reason)) = words(&step).filter(|_| is_news || self.policy.dry_run) {
            self.tell(action, path, &reason)?;
        }
        if self.policy.dry_run {
            return Ok(());
        }
        let jobs = jobs(&step, path);
        let step = Rc::new(step);
        if matches!(*step, Step::Remove(_)) {
            self.removals.extend(jobs.into_iter().map(|job| (job, Rc::clone(&step))));
            return Ok(());
        }
        for job in jobs {
            self.queue(job, Rc::clone(&step)).await?;
        }
        Ok(())
    }

    fn tell(&mut self, action: &str, path: &str, reason: &str) -> std::io::Result<()> {
        match self.output {
            Output::Json if reason.is_empty() => self.out.line(&json!({"action": action, "path": path}).to_string()),
            Output::Json => self.out.line(&json!({"action": action, "path": path, "reason": reason}).to_string()),
            Output::Text => {
                let line = format!("{action} {}  {reason}", path::printable(path));
                self.out.line(line.trim_end())
            }
        }
    }

    async fn queue(&mut self, job: Job, step: Rc<Step>) -> anyhow::Result<()> {
        let bytes = job.bytes();
        let is_full = self.batch.len() >= BATCH_OPS_MAX || self.batch_bytes + bytes > BATCH_BYTES_MAX;
        let is_alone = matches!(job, Job::SetAcl { .. });
        if is_full || is_alone {
            self.flush().await?;
        }
        self.batch_bytes += bytes;
        self.batch.push((job, step));
        if is_alone { self.flush().await } else { Ok(()) }
    }

    /// Sends the batch; waits first if many are under way.
    async fn flush(&mut self) -> anyhow::Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.settle(BATCHES_MAX - 1).await?;
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        let mut sent: Sent = Box::pin(maybe_done(send(&self.target.session, batch.iter().map(|(job, _)| job))));
        // The first poll hands the request to the session: so batches go out in their order, parents before children.
        let _ = futures::poll!(sent.as_mut());
        self.sent.push_back((batch, sent));
        Ok(())
    }

    /// Waits until at most so many batches are under way. What is refused as a whole is done one by one.
    async fn settle(&mut self, left: usize) -> anyhow::Result<()> {
        while self.sent.len() > left {
            let Some((batch, mut sent)) = self.sent.pop_front() else { return Ok(()) };
            sent.as_mut().await;
            if let Some(Ok(())) = sent.as_mut().take_output() {
                continue;
            }
            for (job, step) in batch {
                if let Err(reason) = self.alone(&job, &step).await? {
                    self.tally.fail(&step);
                    self.tell("failed", job.path(), &reason)?;
                }
            }
        }
        Ok(())
    }

    /// Does a job that may have been done already. The inner error is that of the znode, the outer one of the connection.
    async fn alone(&self, job: &Job, step: &Step) -> anyhow::Result<Result<(), String>> {
        let session = &self.target.session;
        loop {
            let Err(error) = send(session, std::iter::once(job)).await else { return Ok(Ok(())) };
            match error.code().and_then(ErrorCode::from_i32) {
                Some(ErrorCode::ConnectionLoss) if session.is_back().await => {}
                Some(ErrorCode::ConnectionLoss | ErrorCode::SessionExpired | ErrorCode::AuthFailed) => {
                    let hosts = session.hosts();
                    bail!(
                        "{hosts}: {error}; run it again when there is a server: what is there already will be skipped"
                    );
                }
                Some(ErrorCode::NoNode) if matches!(job, Job::Op(Op::Delete { .. })) => return Ok(Ok(())),
                Some(ErrorCode::NodeExists | ErrorCode::BadVersion) if self.is_done(job, step).await? => {
                    return Ok(Ok(()));
                }
                Some(ErrorCode::NodeExists | ErrorCode::BadVersion) => {
                    return Ok(Err("somebody has changed it meanwhile; run it again".to_owned()));
                }
                _ => return Ok(Err(session.failure(&error).to_string())),
            }
        }
    }

    /// Whether a znode is as a step would leave it.
    async fn is_done(&self, job: &Job, step: &Step) -> anyhow::Result<bool> {
        let (Step::Make(node) | Step::Change { node, .. }) = step else { return Ok(false) };
        let there = source::item(&self.target.session, job.path(), node.path.clone()).await;
        let there = there.map_err(|error| self.target.session.failure(&error))?;
        let Some(Item::Node(there)) = there else { return Ok(false) };
        let differing = differences(node, &there);
        Ok(match job {
            Job::Op(Op::SetData { .. }) => node.data == there.data,
            _ => differing.is_empty(),
        })
    }
}

/// Sends a batch: one ACL, or operations that are done together.
fn send<'j>(session: &Session, batch: impl Iterator<Item = &'j Job>) -> LocalBoxFuture<'static, Result<(), Error>> {
    let client = session.client.clone();
    let mut ops = Vec::new();
    for job in batch {
        match job {
            Job::Op(op) => ops.push(op.clone()),
            // It is never with others.
            Job::SetAcl { path, acl, version } => {
                let (path, acl, version) = (path.clone(), acl.clone(), *version);
                return Box::pin(async move { client.set_acl(&path, &acl, version).await.map(|_| ()) });
            }
        }
    }
    let path = ops.first().map(|op| op.path().to_owned()).filter(|_| ops.len() == 1);
    Box::pin(async move {
        let failed = client.multi(ops).await.map_err(|failed| failed.error);
        failed.map(|_| ()).map_err(|error| match error {
            // A multi's error has no path: where there is only one, it is known.
            Error::Api { code, path: None } => Error::Api { code, path },
            other => other,
        })
    })
}

/// How many znodes a subtree has, for a progress bar; `None` where the server does not say.
pub async fn total(session: &Session, root: &str) -> Option<u64> {
    let below = session.ask(async |client| client.get_all_children_number(root).await).await.ok()?;
    u64::try_from(below).ok().map(|below| below + 1)
}

/// A copy into the tree that it is read from would never end.
///
/// # Errors
/// When that is what was asked for.
pub async fn refuse_itself(from: &Session, source: &str, target: &Target) -> anyhow::Result<()> {
    if !path::is_within(source, &target.root) {
        return Ok(());
    }
    // Whatever the ensembles are called: a znode with the same past at the same path is the same.
    let ours =
        from.ask(async |client| client.exists(source, false).await).await.map_err(|error| from.failure(&error))?;
    let theirs = target.session.ask(async |client| client.exists(source, false).await).await;
    let theirs = theirs.map_err(|error| target.session.failure(&error))?;
    let past = |stat: wire::Stat| (stat.czxid, stat.ctime, stat.mzxid, stat.mtime);
    if ours.is_some() && ours.map(past) == theirs.map(past) && (source != "/" || from.hosts() == target.session.hosts())
    {
        return Err(anyhow!("{} is within {source}, of the same ensemble; choose a target outside", target.root));
    }
    Ok(())
}
