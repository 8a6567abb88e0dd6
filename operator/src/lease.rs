//! One operator at a time: a Lease, as client-go's leader election keeps one (`k8s.io/client-go/tools/leaderelection`).
//!
//! Clocks of two machines are never compared. Who does not hold the Lease measures with its own clock for how long it has not been
//! renewed; every write goes over the version that was read. `Candidate` decides, without clock and API; [`Election`] carries out.

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt};
use std::time::Duration;
use tokio::time::Instant;

/// After so long without renewal the Lease is free. Longer than any request of the one who held it takes.
pub const DURATION: Duration = Duration::from_secs(30);
/// Who could not renew for so long stops.
const RENEW_DEADLINE: Duration = Duration::from_secs(15);
/// How often it is looked at.
const RETRY: Duration = Duration::from_secs(3);
/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What to do with the Lease.
#[derive(Debug, PartialEq)]
enum Step {
    /// There is none.
    Create(Box<Lease>),
    /// It is ours, or free: written over what was read.
    Replace(Box<Lease>),
    /// Somebody else holds it.
    Wait,
}

/// Somebody who wants the Lease, or has it.
#[derive(Debug)]
struct Candidate {
    name: String,
    /// The version of somebody else's Lease, and since when, by our clock, it is that.
    watched: Option<(String, Duration)>,
}

impl Candidate {
    /// What to do at a time, measured from any beginning, and by the clock for people.
    fn step(&mut self, seen: Option<&Lease>, now: Duration, clock: Timestamp) -> Step {
        let Some(lease) = seen else { return Step::Create(Box::new(self.written(None, clock))) };
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
        if holder == self.name || holder.is_empty() {
            return Step::Replace(Box::new(self.written(Some(lease), clock)));
        }
        let version = lease.resource_version().unwrap_or_default();
        let since = match &self.watched {
            Some((known, since)) if *known == version => *since,
            _ => now,
        };
        self.watched = Some((version, since));
        if now.saturating_sub(since) < DURATION {
            return Step::Wait;
        }
        Step::Replace(Box::new(self.written(Some(lease), clock)))
    }

    fn written(&self, over: Option<&Lease>, clock: Timestamp) -> Lease {
        let known = over.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let is_ours = known.holder_identity.as_deref() == Some(&self.name);
        let transitions = known.lease_transitions.unwrap_or(0);
        let spec = LeaseSpec {
            holder_identity: Some(self.name.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: if is_ours { known.acquire_time.clone() } else { Some(MicroTime(clock)) },
            renew_time: Some(MicroTime(clock)),
            lease_transitions: Some(if is_ours || over.is_none() {
                transitions
            } else {
                transitions.saturating_add(1)
            }),
            ..known
        };
        Lease { metadata: over.map(|lease| lease.metadata.clone()).unwrap_or_default(), spec: Some(spec) }
    }
}

/// The Lease and who wants it.
pub struct Election {
    api: Api<Lease>,
    lease: String,
    candidate: Candidate,
    origin: Instant,
}

impl Election {
    /// Of this Lease, for somebody of this name, which nobody else may have.
    #[must_use]
    pub fn new(client: Client, namespace: &str, lease: &str, name: String) -> Self {
        let api = Api::namespaced(client, namespace);
        let candidate = Candidate { name, watched: None };
        Self { api, lease: lease.to_owned(), candidate, origin: Instant::now() }
    }

    /// Waits until the Lease is ours.
    pub async fn win(&mut self) {
        let mut told = false;
        loop {
            match self.attempt().await {
                Ok(true) => return,
                Ok(false) if !told => {
                    tracing::info!(lease = self.lease, "another operator works; this one waits");
                    told = true;
                }
                Ok(false) => {}
                Err(why) => tracing::warn!(lease = self.lease, "the Lease cannot be had: {why}"),
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Renews the Lease until that fails for too long, or it is somebody else's. Then nothing may be done any more.
    pub async fn keep(&mut self) -> String {
        let mut renewed = Instant::now();
        loop {
            tokio::time::sleep(RETRY).await;
            let begun = Instant::now();
            match self.attempt().await {
                Ok(true) => renewed = begun,
                Ok(false) => return "another operator has the Lease".to_owned(),
                Err(why) if renewed.elapsed() >= RENEW_DEADLINE => return format!("it could not be renewed: {why}"),
                Err(why) => tracing::warn!(lease = self.lease, "the Lease was not renewed: {why}"),
            }
        }
    }

    /// Gives the Lease back, so that nobody has to wait for it.
    pub async fn release(&self) {
        let give = async {
            let Ok(mut lease) = self.api.get(&self.lease).await else { return };
            let is_ours = |spec: &&mut LeaseSpec| spec.holder_identity.as_deref() == Some(&self.candidate.name);
            let Some(spec) = lease.spec.as_mut().filter(is_ours) else { return };
            spec.holder_identity = None;
            if let Err(error) = self.api.replace(&self.lease, &PostParams::default(), &lease).await {
                tracing::warn!(lease = self.lease, "the Lease was not given back: {error}");
            }
        };
        if tokio::time::timeout(PATIENCE, give).await.is_err() {
            tracing::warn!(lease = self.lease, "the Lease was not given back in time");
        }
    }

    /// Whether it is ours now.
    async fn attempt(&mut self) -> Result<bool, String> {
        let late = |_| format!("no answer within {} s", PATIENCE.as_secs());
        let seen = self.api.get_opt(&self.lease);
        let seen = tokio::time::timeout(PATIENCE, seen).await.map_err(late)?.map_err(|error| error.to_string())?;
        let params = PostParams::default();
        let written = match self.candidate.step(seen.as_ref(), self.origin.elapsed(), Timestamp::now()) {
            Step::Wait => return Ok(false),
            Step::Create(mut lease) => {
                lease.metadata = ObjectMeta { name: Some(self.lease.clone()), ..ObjectMeta::default() };
                tokio::time::timeout(PATIENCE, self.api.create(&params, &lease)).await
            }
            Step::Replace(lease) => {
                tokio::time::timeout(PATIENCE, self.api.replace(&self.lease, &params, &lease)).await
            }
        };
        match written.map_err(late)? {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(holder: &str, version: &str) -> Lease {
        let spec = LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_transitions: Some(4),
            acquire_time: Some(MicroTime(Timestamp::UNIX_EPOCH)),
            ..LeaseSpec::default()
        };
        let metadata = ObjectMeta { resource_version: Some(version.to_owned()), ..ObjectMeta::default() };
        Lease { metadata, spec: Some(spec) }
    }

    fn candidate() -> Candidate {
        Candidate { name: "me".to_owned(), watched: None }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn clock() -> Timestamp {
        Timestamp::from_second(1_000).unwrap()
    }

    #[test]
    fn a_lease_that_is_renewed_stays_with_its_holder() {
        let mut candidate = candidate();
        for at in 0..10 {
            let seen = lease("other", &at.to_string());
            assert_eq!(candidate.step(Some(&seen), seconds(at * 20), clock()), Step::Wait);
        }
    }

    #[test]
    fn one_that_is_not_is_taken_after_its_duration_by_our_clock() {
        let mut candidate = candidate();
        let seen = lease("other", "7");
        assert_eq!(candidate.step(Some(&seen), seconds(100), clock()), Step::Wait, "however old it says it is");
        assert_eq!(candidate.step(Some(&seen), seconds(129), clock()), Step::Wait);
        let Step::Replace(taken) = candidate.step(Some(&seen), seconds(130), clock()) else {
            panic!("expected to take it")
        };
        assert_eq!(taken.metadata.resource_version.as_deref(), Some("7"), "over what was read");
        let spec = taken.spec.unwrap();
        assert_eq!((spec.holder_identity.as_deref(), spec.lease_transitions), (Some("me"), Some(5)));
        assert_eq!(spec.acquire_time, Some(MicroTime(clock())));
    }

    #[test]
    fn one_that_was_given_back_is_taken_at_once_and_our_own_is_renewed() {
        let mut candidate = candidate();
        assert!(matches!(candidate.step(Some(&lease("", "7")), seconds(0), clock()), Step::Replace(_)));
        let Step::Replace(renewed) = candidate.step(Some(&lease("me", "8")), seconds(0), clock()) else {
            panic!("expected to renew it")
        };
        let spec = renewed.spec.unwrap();
        assert_eq!((spec.lease_transitions, spec.acquire_time), (Some(4), Some(MicroTime(Timestamp::UNIX_EPOCH))));
        assert_eq!(spec.renew_time, Some(MicroTime(clock())));
        assert!(matches!(candidate.step(None, seconds(0), clock()), Step::Create(_)));
    }
}
