//! The commands that change znodes.

use super::super::answer::Answer;
use super::super::failure::{FAILED, Failure};
use super::super::options::Parsed;
use super::super::text;
use super::{Outcome, Run, subtree, version, with_stat};
use crate::path;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use client::{Client, Error, Op};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::collections::VecDeque;
use std::io::Read;
use wire::client::CreateMode;
use wire::{Acl, ErrorCode};

/// Deletes in a request of `deleteall` where nothing else is said.
const BATCH: i32 = 1000;
/// Such requests under way at a time.
const BATCHES_MAX: usize = 10;
/// What a server takes in one request where nobody has changed that (`jute.maxbuffer`).
const REQUEST_BYTES_MAX: usize = 0xfffff;

/// As Java's decoder reads it: the signs at the end may be missing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

impl Run<'_> {
    pub(super) async fn create(&mut self, parsed: &Parsed) -> Outcome {
        let (mode, ttl_ms) = create_mode(parsed)?;
        let path = &parsed.words[1];
        let elsewhere = data_from_elsewhere(parsed)?;
        // Where the data come from elsewhere the ACL is the word behind the path.
        let acl_at = if elsewhere.is_some() { 2 } else { 3 };
        let data = elsewhere.or_else(|| parsed.words.get(2).map(|text| text.clone().into_bytes()));
        let acl = match parsed.words.get(acl_at) {
            Some(text) => self.acl(text),
            None => Acl::open(),
        };
        match self.client.create(path, data.as_deref(), &acl, mode, ttl_ms).await {
            Ok(created) => {
                self.notes.made_ephemeral = mode.is_ephemeral();
                Ok(Answer::Created(created.path))
            }
            Err(error) => {
                match error.code().and_then(ErrorCode::from_i32) {
                    Some(ErrorCode::EphemeralOnLocalSession) => {
                        self.notes.err.push("Unable to create ephemeral node on a local session".to_owned());
                    }
                    Some(ErrorCode::InvalidAcl) => self.notes.err.push(error.to_string()),
                    _ => {}
                }
                Err(self.refused(&error, data.as_deref()))
            }
        }
    }

    pub(super) async fn set(&mut self, parsed: &Parsed) -> Outcome {
        let data = match data_from_elsewhere(parsed)? {
            Some(data) => data,
            None if parsed.has("b") => BASE64.decode(&parsed.words[2]).map_err(|error| {
                Failure::new(format!("-b argument must be base64: {error}"))
                    .hint("`base64 -w0 FILE` makes it; --data-file takes the bytes as they are")
            })?,
            None => parsed.words[2].clone().into_bytes(),
        };
        let version = version(parsed)?;
        match self.client.set_data(&parsed.words[1], Some(&data), version).await {
            Ok(stat) => Ok(with_stat(parsed, stat).map_or(Answer::Nothing, Answer::Stat)),
            Err(error) => Err(self.refused(&error, Some(&data))),
        }
    }

    /// An error of a write, which may be due to its size: a server ends the connection of a request that is too large.
    fn refused(&self, error: &Error, data: Option<&[u8]>) -> Failure {
        let failure = self.failure(error);
        let bytes = data.map_or(0, <[u8]>::len);
        if !error.is(ErrorCode::ConnectionLoss) || bytes + 1024 < REQUEST_BYTES_MAX {
            return failure;
        }
        failure.hint(format!(
            "{bytes} bytes of data: servers take {REQUEST_BYTES_MAX} bytes in a request unless their jute.maxbuffer says otherwise"
        ))
    }

    pub(super) async fn delete(&mut self, parsed: &Parsed) -> Outcome {
        let version = version(parsed)?;
        let deleted = self.client.delete(&parsed.words[1], version).await;
        deleted.map(|()| Answer::Nothing).map_err(|error| self.failure(&error))
    }

    /// `ZKUtil.deleteRecursive`: the deepest first, many in a request, several requests at a time.
    pub(super) async fn delete_all(&mut self, parsed: &Parsed) -> Outcome {
        let batch = parsed.value("b").map_or(Ok(BATCH), str::parse);
        let batch = batch.map_err(|_| Failure::new("-b argument must be an int value"))?;
        let path = &parsed.words[1];
        let mut paths = tree_by_level(self.client, path).await.map_err(|error| self.failure(&error))?;
        paths.reverse();
        let Ok(batch @ 1..) = usize::try_from(batch) else {
            for path in &paths {
                self.client.delete(path, -1).await.map_err(|error| self.failure(&error))?;
            }
            return Ok(Answer::Nothing);
        };
        if !delete_in_batches(self.client, &paths, batch).await {
            self.notes.err.push("Failed to delete some node(s) in the subtree!".to_owned());
            return Err(Failure::silent(FAILED).hint(format!(
                "somebody else may write below {path}, or the ACL of a znode there does not allow it; `deleteall {path} -b 0` names \
                 the first that cannot be deleted"
            )));
        }
        Ok(Answer::Nothing)
    }

    pub(super) async fn set_acl(&mut self, parsed: &Parsed) -> Outcome {
        let path = &parsed.words[1];
        let acl = self.acl(&parsed.words[2]);
        let version = version(parsed)?;
        if !parsed.has("R") {
            let stat = self.client.set_acl(path, &acl, version).await.map_err(|error| self.failure(&error))?;
            return Ok(with_stat(parsed, stat).map_or(Answer::Nothing, Answer::Stat));
        }
        let paths = subtree(self.client, path, false).await.map_err(|error| self.failure(&error))?;
        for path in paths {
            if let Err(error) = self.client.set_acl(&path, &acl, version).await {
                self.notes.out.push(error.to_string());
                self.notes.has_failed = true;
            }
        }
        Ok(Answer::Nothing)
    }

    pub(super) async fn add_auth(&mut self, command: &super::Command, parsed: &Parsed) -> Outcome {
        let Some(scheme) = parsed.words.get(1) else { return Err(Failure::new(command.usage())) };
        let auth = parsed.words.get(2).map(|auth| auth.as_bytes()).unwrap_or_default();
        self.client.add_auth(scheme, auth).await;
        Ok(Answer::Nothing)
    }

    fn acl(&mut self, text: &str) -> Vec<Acl> {
        let (acl, complaints) = text::read_acl(text);
        self.notes.err.extend(complaints);
        acl
    }
}

/// The mode of a create and its time to live (`CreateCommand.exec`).
fn create_mode(parsed: &Parsed) -> Result<(CreateMode, Option<i64>), Failure> {
    let [ephemeral, sequential, container, ttl] = ["e", "s", "c", "t"].map(|name| parsed.has(name));
    let refuse = |text: &str| Err(Failure::new(text));
    if container && (ephemeral || sequential) {
        return refuse("-c cannot be combined with -s or -e. Containers cannot be ephemeral or sequential.");
    }
    let ttl_ms: Option<i64> = match parsed.value("t").map(str::parse) {
        Some(Ok(ms)) => Some(ms),
        Some(Err(_)) => return refuse("-t argument must be a long value"),
        None => None,
    };
    if ttl && ephemeral {
        return refuse("TTLs cannot be used with Ephemeral znodes");
    }
    if ttl && container {
        return refuse("TTLs cannot be used with Container znodes");
    }
    if ttl_ms.is_some_and(|ms| !(1..=CreateMode::TTL_MS_MAX).contains(&ms)) {
        return refuse(&format!("ttl must be positive and cannot be larger than: {}", CreateMode::TTL_MS_MAX));
    }
    let mode = match (ephemeral, sequential, container, ttl) {
        (true, true, ..) => CreateMode::EphemeralSequential,
        (true, false, ..) => CreateMode::Ephemeral,
        (false, true, _, true) => CreateMode::PersistentSequentialTtl,
        (false, true, _, false) => CreateMode::PersistentSequential,
        (false, false, true, _) => CreateMode::Container,
        (false, false, false, true) => CreateMode::PersistentTtl,
        (false, false, false, false) => CreateMode::Persistent,
    };
    Ok((mode, ttl_ms))
}

/// The data that `--data-file` or `--hex` give.
fn data_from_elsewhere(parsed: &Parsed) -> Result<Option<Vec<u8>>, Failure> {
    if let Some(file) = parsed.value("data-file") {
        let mut data = Vec::new();
        let read = match file {
            "-" => std::io::stdin().lock().read_to_end(&mut data).map(|_| data),
            file => std::fs::read(file),
        };
        let failed = |error| Failure::new(format!("--data-file {file}: {error}"));
        return read.map(Some).map_err(failed);
    }
    let Some(digits) = parsed.value("hex") else { return Ok(None) };
    let wrong = || {
        Failure::new(format!("--hex {digits}: not an even number of hexadecimal digits"))
            .hint("--hex 00ff10 are three bytes")
    };
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return Err(wrong());
    }
    let bytes = (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16));
    bytes.collect::<Result<_, _>>().map(Some).map_err(|_| wrong())
}

/// A subtree, each level behind the one above (`ZKUtil.listSubTreeBFS`).
async fn tree_by_level(client: &Client, path: &str) -> Result<Vec<String>, Error> {
    let mut queue = VecDeque::from([path.to_owned()]);
    let mut tree = vec![path.to_owned()];
    while let Some(parent) = queue.pop_front() {
        for name in client.get_children(&parent, false).await? {
            let child = path::child(&parent, &name);
            tree.push(child.clone());
            queue.push_back(child);
        }
    }
    Ok(tree)
}

/// Deletes these in their order; after a failure no further request is begun. Whether all went well.
async fn delete_in_batches(client: &Client, paths: &[String], batch: usize) -> bool {
    // Polled first in the order in which they were added, which is that in which the requests leave.
    let mut under_way = FuturesUnordered::new();
    let mut went_well = true;
    for chunk in paths.chunks(batch) {
        if under_way.len() == BATCHES_MAX {
            went_well &= under_way.next().await.is_none_or(|deleted| deleted);
        }
        if !went_well {
            break;
        }
        let ops = chunk.iter().map(|path| Op::Delete { path: path.clone(), version: -1 }).collect();
        under_way.push(async move { client.multi(ops).await.is_ok() });
    }
    while let Some(deleted) = under_way.next().await {
        went_well &= deleted;
    }
    went_well
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::options::{Group, parse};
    use crate::shell::table;

    fn parsed(line: &str) -> Parsed {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        parse(&words, table::find(&words[0]).unwrap().options, Group::Free).unwrap()
    }

    #[test]
    fn the_seven_modes() {
        for (line, mode, ttl_ms) in [
            ("create /a", CreateMode::Persistent, None),
            ("create -e /a", CreateMode::Ephemeral, None),
            ("create -s /a", CreateMode::PersistentSequential, None),
            ("create -se /a", CreateMode::EphemeralSequential, None),
            ("create -c /a", CreateMode::Container, None),
            ("create -t 5 /a", CreateMode::PersistentTtl, Some(5)),
            ("create -s -t 5 /a", CreateMode::PersistentSequentialTtl, Some(5)),
        ] {
            assert_eq!(create_mode(&parsed(line)), Ok((mode, ttl_ms)), "{line}");
        }
        for line in ["create -c -e /a", "create -t x /a", "create -t 5 -e /a", "create -t 5 -c /a", "create -t 0 /a"] {
            assert!(create_mode(&parsed(line)).is_err(), "{line}");
        }
    }

    #[test]
    fn data_in_hexadecimal() {
        assert_eq!(data_from_elsewhere(&parsed("set /a --hex 00fF")), Ok(Some(vec![0, 255])));
        assert_eq!(data_from_elsewhere(&parsed("set /a x")), Ok(None));
        for line in ["set /a --hex 0", "set /a --hex 0g", "set /a --hex é"] {
            assert!(data_from_elsewhere(&parsed(line)).is_err(), "{line}");
        }
        assert!(data_from_elsewhere(&parsed("set /a --data-file /nowhere/at/all")).is_err());
    }
}
