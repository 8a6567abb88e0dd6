//! Quotas: `setquota`, `listquota`, `delquota`.

use super::super::answer::Answer;
use super::super::failure::Failure;
use super::super::options::Parsed;
use super::super::quota::{OPTIONS, exceeded};
use super::{Outcome, Run, subtree};
use crate::path;
use client::{Client, Error};
use tree::quota::{LIMITS, Number, QUOTA_PATH, StatsTrack, limits_path, stats_path};
use wire::client::CreateMode;
use wire::{Acl, ErrorCode};

/// Why a quota could not be set.
enum Refusal {
    Client(Error),
    /// Apache's words.
    Words(String),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal::Client(error)
    }
}

impl Run<'_> {
    pub(super) async fn set_quota(&mut self, parsed: &Parsed) -> Outcome {
        let path = &parsed.words[1];
        if path.starts_with(QUOTA_PATH) {
            return Err(Failure::new(format!("cannot set a quota under the path: {QUOTA_PATH}")));
        }
        let (number, value) = limit_of(parsed)?;
        match create_quota(self.client, path, number, value).await {
            Ok(warnings) => {
                self.notes.out.extend(warnings);
                Ok(Answer::Nothing)
            }
            Err(Refusal::Client(error)) => Err(self.failure(&error)),
            Err(Refusal::Words(words)) => {
                Err(Failure::new(words).hint("a quota is for a znode that is there, and none is within another"))
            }
        }
    }

    pub(super) async fn list_quota(&mut self, parsed: &Parsed) -> Outcome {
        let path = &parsed.words[1];
        self.notes.err.push(format!("absolute path is {}", limits_path(path)));
        match read_quota(self.client, path).await {
            Ok((limit, used)) => Ok(Answer::Quota { path: path.clone(), limit, used }),
            Err(Refusal::Client(error)) => self.no_quota(path, &error),
            Err(Refusal::Words(words)) => Err(Failure::new(words)),
        }
    }

    pub(super) async fn delete_quota(&mut self, parsed: &Parsed) -> Outcome {
        let path = &parsed.words[1];
        let only = OPTIONS.into_iter().find(|(name, _)| parsed.has(name)).map(|(_, number)| number);
        match delete_quota(self.client, path, only).await {
            Ok(true) => Ok(Answer::Nothing),
            Ok(false) => {
                self.notes.out.push(format!("Quota does not exist for {path}"));
                Ok(Answer::Nothing)
            }
            Err(Refusal::Client(error)) => self.no_quota(path, &error),
            Err(Refusal::Words(words)) => Err(Failure::new(words)),
        }
    }

    /// That there is no quota is no failure, as there.
    fn no_quota(&mut self, path: &str, error: &Error) -> Outcome {
        if error.is(ErrorCode::NoNode) {
            self.notes.err.push(format!("quota for {path} does not exist."));
            return Ok(Answer::Nothing);
        }
        Err(self.failure(error))
    }
}

/// Which number is to be set to what (`SetQuotaCommand.checkOptionValue`).
fn limit_of(parsed: &Parsed) -> Result<(Number, i64), Failure> {
    let given = OPTIONS.into_iter().find_map(|(name, number)| Some((name, number, parsed.value(name)?)));
    let (name, number, text) = given.ok_or_else(|| Failure::new("setquota -n|-b|-N|-B val path"))?;
    let is_count = matches!(number, Number::Count | Number::CountHardLimit);
    let value = if is_count { text.parse::<i32>().map(i64::from) } else { text.parse::<i64>() };
    let value = value.map_err(|_| {
        Failure::new("NumberFormatException happens when parsing the option value")
            .hint(format!("-{name} takes a whole number, not {text:?}"))
    })?;
    match (is_count, value) {
        (true, ..=0) => Err(Failure::new("the num quota must be greater than zero")),
        (false, ..0) => Err(Failure::new("the bytes quota must be greater than or equal to zero")),
        _ => Ok((number, value)),
    }
}

/// `SetQuotaCommand.createQuota`; answers warnings.
async fn create_quota(client: &Client, path: &str, number: Number, value: i64) -> Result<Vec<String>, Refusal> {
    if client.exists(path, false).await?.is_none() {
        return Err(Refusal::Words(format!("{path} does not exist.")));
    }
    refuse_below(client, path).await?;
    refuse_above(client, path).await?;
    create_parents(client, path).await?;
    let (limits_at, stats_at) = (limits_path(path), stats_path(path));
    let is_new = client.exists(&limits_at, false).await?.is_none();
    if is_new {
        let mut limits = StatsTrack::unlimited();
        limits.set(number, value);
        create_node(client, &limits_at, Some(&limits.to_string())).await?;
        create_node(client, &stats_at, Some(&StatsTrack::of(0, 0).to_string())).await?;
    }
    let (mut limits, used) = (track(client, &limits_at).await?, track(client, &stats_at).await?);
    if !is_new {
        limits.set(number, value);
    }
    let (count, bytes) = exceeded(&limits, &used);
    let mut warnings = Vec::new();
    if count {
        let used = used.get(Number::Count);
        warnings.push(format!("[Warning]: the count quota you create is less than the existing count:{used}"));
    }
    if bytes {
        let used = used.get(Number::Bytes);
        warnings.push(format!("[Warning]: the bytes quota you create is less than the existing bytes:{used}"));
    }
    if !is_new {
        client.set_data(&limits_at, Some(limits.to_string().as_bytes()), -1).await?;
    }
    Ok(warnings)
}

/// Below a path with a quota there may be none (`SetQuotaCommand.checkIfChildQuota`).
async fn refuse_below(client: &Client, path: &str) -> Result<(), Refusal> {
    let own = format!("{QUOTA_PATH}{path}");
    let places = match subtree(client, &own, false).await {
        Ok(places) => places,
        Err(error) if error.is(ErrorCode::NoNode) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let holder =
        |place: &String| place.strip_suffix(LIMITS).and_then(|place| place.strip_suffix('/')).map(str::to_owned);
    match places.iter().filter_map(holder).find(|place| *place != own) {
        Some(place) => {
            let place = &place[QUOTA_PATH.len()..];
            Err(Refusal::Words(format!("{path} has a child {place} which has a quota")))
        }
        None => Ok(()),
    }
}

/// Nor above it (`SetQuotaCommand.checkIfParentQuota`).
async fn refuse_above(client: &Client, path: &str) -> Result<(), Refusal> {
    for (at, _) in path.match_indices('/').skip(1) {
        let place = format!("{QUOTA_PATH}{}", &path[..at]);
        let names = match client.get_children(&place, false).await {
            Ok(names) => names,
            Err(error) if error.is(ErrorCode::NoNode) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if names.iter().any(|name| name == LIMITS) {
            return Err(Refusal::Words(format!("{path} has a parent {} which has a quota", &path[..at])));
        }
    }
    Ok(())
}

/// The nodes above those of a quota; below a chroot the first two may be missing, too.
async fn create_parents(client: &Client, path: &str) -> Result<(), Refusal> {
    if client.exists(QUOTA_PATH, false).await?.is_none() {
        for place in ["/zookeeper", QUOTA_PATH] {
            create_unless_there(client, place).await?;
        }
    }
    let mut place = QUOTA_PATH.to_owned();
    for name in path.split('/').filter(|name| !name.is_empty()) {
        place = path::child(&place, name);
        if client.exists(&place, false).await?.is_some() {
            continue;
        }
        create_unless_there(client, &place).await?;
    }
    Ok(())
}

async fn create_unless_there(client: &Client, place: &str) -> Result<(), Refusal> {
    match create_node(client, place, None).await {
        Err(Refusal::Client(error)) if error.is(ErrorCode::NodeExists) => Ok(()),
        outcome => outcome,
    }
}

async fn create_node(client: &Client, path: &str, text: Option<&str>) -> Result<(), Refusal> {
    client.create(path, text.map(str::as_bytes), &Acl::open(), CreateMode::Persistent, None).await?;
    Ok(())
}

async fn track(client: &Client, path: &str) -> Result<StatsTrack, Refusal> {
    let (data, _) = client.get_data(path, false).await?;
    StatsTrack::parse(data.as_deref().unwrap_or_default())
        .map_err(|part| Refusal::Words(format!("{path}: {part:?} is not name=number, of a quota")))
}

async fn read_quota(client: &Client, path: &str) -> Result<(StatsTrack, StatsTrack), Refusal> {
    Ok((track(client, &limits_path(path)).await?, track(client, &stats_path(path)).await?))
}

/// `DelQuotaCommand.delQuota`: one number, or the whole quota and what above it is empty then. Whether there was one.
async fn delete_quota(client: &Client, path: &str, only: Option<Number>) -> Result<bool, Refusal> {
    let limits_at = limits_path(path);
    if client.exists(&limits_at, false).await?.is_none() {
        return Ok(false);
    }
    if let Some(number) = only {
        let mut limits = track(client, &limits_at).await?;
        limits.set(number, -1);
        client.set_data(&limits_at, Some(limits.to_string().as_bytes()), -1).await?;
        return Ok(true);
    }
    let mut place = format!("{QUOTA_PATH}{path}");
    for name in client.get_children(&place, false).await? {
        client.delete(&path::child(&place, &name), -1).await?;
    }
    while place != QUOTA_PATH && client.get_children(&place, false).await?.is_empty() {
        client.delete(&place, -1).await?;
        place.truncate(place.rfind('/').unwrap_or(0));
    }
    Ok(true)
}
