//! What servers answer the operator, each call with a network in between.

use crate::ensemble::{Data, Does, Refusal, Said};
use crate::faults::Fate;
use crate::world::{Shared, TICK, World};
use axum::http::StatusCode;
use futures::FutureExt;
use futures::future::BoxFuture;
use operator::servers::{Answer, HttpError, Joiner, Servers, Superuser, ZooKeeperError};
use plan::{ConfigVersion, Role, ServerId, Slot, Uid, Znode};
use serde_json::{Map, Value, json};
use std::net::IpAddr;
use std::time::Duration;

/// As the real ones wait.
const PATIENCE: Duration = Duration::from_secs(2);
const ORDER_PATIENCE: Duration = Duration::from_secs(8);
const POLL: Duration = Duration::from_secs(25);

/// The servers as one operator reaches them.
pub struct SimulatedServers {
    pub world: Shared,
    pub operator: u64,
}

enum Ask {
    Status,
    Order,
}

impl World {
    fn at(&self, address: IpAddr) -> Option<Slot> {
        let found = self.servers.iter().find(|(_, server)| server.address == address);
        found.map(|(slot, _)| *slot).filter(|slot| !self.silent.contains_key(slot))
    }

    fn knows(&self, slot: Slot, user: &Superuser) -> bool {
        self.servers.get(&slot).is_some_and(|server| server.digest == user.digest())
    }

    /// What it says of itself now, and how often that was something new.
    fn says(&mut self, slot: Slot) -> Option<(Said, u64)> {
        let does = self.does(slot)?;
        let disk = self.disks.get(&slot)?;
        let data = disk.data.as_ref();
        let role = data.and_then(|data| data.config().1.get(&slot.sid()).copied());
        let (state, leader, epoch, synced) = match does {
            Does::Loading { .. } => ("loading", None, None, false),
            Does::Idle if role == Some(Role::Voter) => ("looking", None, None, false),
            Does::Idle | Does::Refuses => ("joining", None, None, false),
            Does::Retired => ("retired", None, None, false),
            // A leader without a quorum of its own has not finished: it says so only when it is established.
            Does::Leads { established: false, epoch, .. } => ("looking", None, Some(epoch), false),
            Does::Leads { epoch, .. } => ("leading", Some(slot.sid()), Some(epoch), true),
            Does::Follows { epoch, synced: false, .. } => ("joining", None, Some(epoch), false),
            Does::Follows { leader, epoch, .. } if role == Some(Role::Observer) => {
                ("observing", Some(leader.sid()), Some(epoch), true)
            }
            Does::Follows { leader, epoch, .. } => ("following", Some(leader.sid()), Some(epoch), true),
        };
        let said = Said {
            state,
            leader,
            epoch,
            synced,
            has_data: data.is_some(),
            retired_at: disk.retired_at,
            config_version: data.map_or(0, |data| data.config().0),
            pending: data.and_then(|data| data.pending()).map(|(version, _)| version),
        };
        let server = self.servers.get_mut(&slot)?;
        if server.said != Some(said) {
            (server.said, server.generation) = (Some(said), server.generation + 1);
        }
        Some((said, server.generation))
    }

    /// `GET /v1/status`.
    fn status(&mut self, slot: Slot) -> Option<Value> {
        let (said, generation) = self.says(slot)?;
        let data = self.data(slot);
        let config = data.map(|data| data.config().1.clone()).unwrap_or_default();
        let members = config
            .iter()
            .map(|(sid, role)| (sid.to_string(), json!(if *role == Role::Voter { "voter" } else { "observer" })));
        Some(json!({
            "generation": generation, "sid": slot.sid().get(), "state": said.state, "hasData": said.has_data,
            "ensemble": data.map(|data| data.ensemble.clone()), "incarnation": 1,
            "retiredAt": said.retired_at.map(|version| format!("{version:#x}")),
            "leader": said.leader.map(ServerId::get), "epoch": said.epoch, "synced": said.synced, "ready": said.synced,
            "reason": if said.synced { None } else { Some("it does not serve") },
            "lastZxid": format!("{:#x}", data.map_or(0, Data::last_zxid)),
            "configVersion": format!("{:#x}", said.config_version), "config": members.collect::<Map<_, _>>(),
            "pending": said.pending.map(|version| format!("{version:#x}")), "version": "0.1.0",
        }))
    }
}

fn late(what: &str) -> HttpError {
    HttpError::Silent(what.to_owned())
}

fn unknown(what: &str) -> ZooKeeperError {
    ZooKeeperError::Unknown(what.to_owned())
}

impl SimulatedServers {
    /// A call with a way there and a way back; `None`: nobody knows what became of it.
    async fn call<T>(&self, ask: Ask, patience: Duration, does: impl FnOnce(&mut World) -> T) -> Option<T> {
        let (fate, way) = self.world.lock().set_out(self.operator, matches!(ask, Ask::Order));
        tokio::time::sleep(way).await;
        if matches!(fate, Fate::Lost | Fate::Refused(_)) {
            tokio::time::sleep(patience).await;
            return None;
        }
        let Some(answer) = self.carry_out(&ask, does) else { return std::future::pending().await };
        tokio::time::sleep(if fate == Fate::AnswerLost { patience } else { way }).await;
        (fate != Fate::AnswerLost).then_some(answer)
    }

    /// `None`: whoever asked is no more.
    fn carry_out<T>(&self, ask: &Ask, does: impl FnOnce(&mut World) -> T) -> Option<T> {
        let mut world = self.world.lock();
        if world.operator != Some(self.operator) {
            return None;
        }
        let answer = does(&mut world);
        let is_killed = matches!(ask, Ask::Order) && world.has_changed(self.operator);
        (!is_killed).then_some(answer)
    }

    /// What the server says, if it is something else than what it said with `generation`.
    fn news(&self, server: IpAddr, generation: u64, is_late: bool) -> Option<Option<Value>> {
        let mut world = self.world.lock();
        let slot = world.at(server)?;
        let (_, now) = world.says(slot)?;
        if now == generation && !is_late {
            return Some(None);
        }
        world.status(slot).map(Some)
    }

    /// A request of a session of the superuser that begins a transaction; done when that is committed.
    async fn change(
        &self,
        leader: IpAddr,
        user: &Superuser,
        does: impl FnOnce(&mut World, Slot) -> Result<i64, ZooKeeperError>,
    ) -> Result<(), ZooKeeperError> {
        let outcome = self.call(Ask::Order, ORDER_PATIENCE, |world| {
            let slot = world.at(leader).ok_or_else(|| unknown("no answer"))?;
            if !world.knows(slot, user) {
                return Err(ZooKeeperError::NotSuperuser);
            }
            Ok((slot, does(world, slot)?))
        });
        let (slot, zxid) = outcome.await.unwrap_or_else(|| Err(unknown("no answer")))?;
        self.committed(slot, zxid).await
    }

    /// Waits until a transaction is committed.
    async fn committed(&self, leader: Slot, zxid: i64) -> Result<(), ZooKeeperError> {
        let deadline = tokio::time::Instant::now() + ORDER_PATIENCE;
        while tokio::time::Instant::now() < deadline {
            tokio::time::sleep(TICK).await;
            let world = self.world.lock();
            let known = world.data(leader).map(|data| &data.log[..data.committed]).unwrap_or_default();
            if known.iter().rev().any(|entry| entry.zxid == zxid) {
                return Ok(());
            }
            if world.leader().is_none_or(|(now, _)| now != leader) {
                break;
            }
        }
        Err(unknown("the connection is lost"))
    }

    async fn order(
        &self,
        server: IpAddr,
        user: &Superuser,
        does: impl FnOnce(&mut World, Slot) -> bool,
    ) -> Result<(), HttpError> {
        let outcome = self.call(Ask::Order, PATIENCE, |world| {
            let slot = world.at(server)?;
            if !world.knows(slot, user) {
                return Some(StatusCode::UNAUTHORIZED);
            }
            Some(if does(world, slot) { StatusCode::OK } else { StatusCode::CONFLICT })
        });
        match outcome.await.flatten().ok_or_else(|| late("no answer"))? {
            StatusCode::OK => Ok(()),
            status => Err(HttpError::Refused { status, body: "it does not do that".to_owned() }),
        }
    }
}

impl Servers for SimulatedServers {
    fn status(&self, server: IpAddr) -> BoxFuture<'_, Result<Answer, HttpError>> {
        async move {
            let said = self.call(Ask::Status, PATIENCE, |world| world.at(server).and_then(|slot| world.status(slot)));
            let said = said.await.flatten().ok_or_else(|| late("no answer"))?;
            Answer::parse(said.to_string().as_bytes()).map_err(HttpError::Senseless)
        }
        .boxed()
    }

    fn status_after(&self, server: IpAddr, generation: u64) -> BoxFuture<'_, Result<Answer, HttpError>> {
        async move {
            let deadline = tokio::time::Instant::now() + POLL;
            loop {
                let said = self.news(server, generation, tokio::time::Instant::now() >= deadline);
                if let Some(said) = said.ok_or_else(|| late("the connection is lost"))? {
                    return Answer::parse(said.to_string().as_bytes()).map_err(HttpError::Senseless);
                }
                tokio::time::sleep(TICK).await;
            }
        }
        .boxed()
    }

    fn hand_over<'a>(
        &'a self,
        leader: IpAddr,
        to: ServerId,
        user: &'a Superuser,
    ) -> BoxFuture<'a, Result<(), HttpError>> {
        self.order(leader, user, move |world, slot| {
            let is_done = !world.is_stubborn && world.hand_over(slot, Slot::of(to));
            world.say(format!("{slot} is asked to let server {to} lead: {is_done}"));
            is_done
        })
        .boxed()
    }

    fn retire<'a>(
        &'a self,
        server: IpAddr,
        version: ConfigVersion,
        user: &'a Superuser,
    ) -> BoxFuture<'a, Result<(), HttpError>> {
        self.order(server, user, move |world, slot| {
            let is_done = world.retire(slot, version.0);
            world.say(format!("{slot} is retired at {version}: {is_done}"));
            is_done
        })
        .boxed()
    }

    fn read<'a>(&'a self, leader: IpAddr, user: &'a Superuser) -> BoxFuture<'a, Result<Znode, ZooKeeperError>> {
        async move {
            let read = self.call(Ask::Status, PATIENCE, |world| {
                let slot = world.at(leader)?;
                Some(if world.knows(slot, user) { world.znode(slot) } else { Some(Znode::Unread) })
            });
            match read.await.flatten().flatten() {
                Some(Znode::Unread) => Err(ZooKeeperError::NotSuperuser),
                Some(znode) => Ok(znode),
                None => Err(unknown("no answer")),
            }
        }
        .boxed()
    }

    fn write<'a>(
        &'a self,
        leader: IpAddr,
        user: &'a Superuser,
        cluster_uid: &'a Uid,
        after: ConfigVersion,
    ) -> BoxFuture<'a, Result<(), ZooKeeperError>> {
        async move {
            let znode = Znode::Present { cluster_uid: cluster_uid.clone(), barrier: after };
            self.change(leader, user, |world, slot| {
                world.say(format!("the znode is written under configuration {after}"));
                world.write_znode(slot, znode).ok_or_else(|| unknown("it does not lead"))
            })
            .await
        }
        .boxed()
    }

    fn reconfig<'a>(
        &'a self,
        leader: IpAddr,
        user: &'a Superuser,
        expected: ConfigVersion,
        joining: &'a [Joiner],
        leaving: &'a [ServerId],
    ) -> BoxFuture<'a, Result<(), ZooKeeperError>> {
        async move {
            self.change(leader, user, |world, slot| {
                let who: Vec<(ServerId, Role)> = joining.iter().map(|joiner| (joiner.sid, joiner.role)).collect();
                let outcome = world.reconfig(slot, expected.0, &who, leaving);
                world.say(format!("reconfig {who:?} join, {leaving:?} leave, over {expected}: {outcome:x?}"));
                outcome.map_err(|refusal| refused(world, &refusal))
            })
            .await
        }
        .boxed()
    }
}

fn refused(world: &mut World, refusal: &Refusal) -> ZooKeeperError {
    world.meet("reconfig refused");
    match refusal {
        Refusal::NoLeader => unknown("it does not lead"),
        Refusal::BadVersion => ZooKeeperError::Refused("BadVersion"),
        Refusal::ReconfigInProgress => ZooKeeperError::Refused("ReconfigInProgress"),
        Refusal::NewConfigNoQuorum => ZooKeeperError::Refused("NewConfigNoQuorum"),
    }
}
