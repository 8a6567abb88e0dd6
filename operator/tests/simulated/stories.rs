//! What people do every day, with nothing going wrong meanwhile.

use crate::kubernetes::text;
use crate::lab::{Lab, Told, claims, pods};
use crate::store::{CLAIMS, CLUSTERS, CONFIG_MAPS, PODS, SETS};
use crate::world::{NAME, World};
use serde_json::{Value, json};

/// A story and its name.
pub type Story = (&'static str, fn(&mut Lab) -> futures::future::LocalBoxFuture<'_, Told>);

macro_rules! stories {
    ($($name:ident),* $(,)?) => {
        /// All of them.
        pub const STORIES: &[Story] = &[$((stringify!($name), |lab| Box::pin($name(lab)))),*];
    };
}
stories![
    apply_to_ready,
    up_and_down_with_data,
    one_by_one,
    observers_come_and_go,
    a_rolling_update_ends_with_the_leader,
    pods_are_restarted_on_demand,
    a_bad_image_stops_at_the_first_pod,
    deleted_and_made_again,
    deleted_with_its_volumes,
    a_dry_run_and_a_pause,
    a_larger_volume,
    without_a_budget_and_with_a_policy,
    what_is_changed_by_hand_is_put_right,
    the_record_is_lost,
    a_leader_that_does_not_hand_over,
    two_operators_one_after_the_other,
    one_namespace_alone,
    a_whole_life,
];

fn must(is_so: bool, what: &str) -> Told {
    if is_so { Ok(()) } else { Err(format!("expected that {what}")) }
}

fn replicas(voters: u32) -> Value {
    json!({ "spec": { "replicas": voters } })
}

/// A cluster that is ready.
async fn running(lab: &mut Lab, spec: &Value) -> Told {
    lab.apply(spec);
    lab.ready().await
}

async fn apply_to_ready(lab: &mut Lab) -> Told {
    running(lab, &json!({})).await?;
    lab.rest().await
}

/// 1, 3, 5, 3, 1, 3; what was written is there as long as no leader lacks it.
async fn up_and_down_with_data(lab: &mut Lab) -> Told {
    running(lab, &json!({ "replicas": 1 })).await?;
    for voters in [3, 5, 3, 1, 3] {
        let written = lab.world.lock().acked.len();
        lab.wish(&replicas(voters));
        lab.ready().await?;
        must(lab.world.lock().acked.len() > written, "clients write meanwhile")?;
    }
    must(claims(&lab.world.lock()).len() == 5, "volumes are retained")?;
    lab.rest().await
}

async fn one_by_one(lab: &mut Lab) -> Told {
    running(lab, &json!({ "replicas": 1, "scaling": { "joint": false } })).await?;
    for voters in [5, 1] {
        lab.wish(&replicas(voters));
        lab.ready().await?;
    }
    lab.rest().await
}

async fn observers_come_and_go(lab: &mut Lab) -> Told {
    running(lab, &json!({ "replicas": 1 })).await?;
    for observers in [2, 0] {
        lab.wish(&json!({ "spec": { "observers": { "replicas": observers } } }));
        lab.ready().await?;
    }
    lab.rest().await
}

/// That the leader goes last is looked at whenever a pod is removed.
async fn a_rolling_update_ends_with_the_leader(lab: &mut Lab) -> Told {
    running(lab, &json!({ "observers": { "replicas": 1 } })).await?;
    let before = pods(&lab.world.lock());
    lab.wish(&json!({ "spec": { "config": { "tickTimeMs": 3000 } } }));
    lab.ready().await?;
    let after = pods(&lab.world.lock());
    must(before.iter().zip(&after).all(|(old, new)| old.0 == new.0 && old.1 != new.1), "every pod is another one")?;
    lab.rest().await
}

async fn pods_are_restarted_on_demand(lab: &mut Lab) -> Told {
    running(lab, &json!({})).await?;
    let before = pods(&lab.world.lock());
    lab.world.lock().restart_pods();
    // Until it is seen everything is as wished.
    lab.until("another pod", |world| pods(world) != before).await?;
    lab.ready().await?;
    let after = pods(&lab.world.lock());
    must(before.iter().zip(&after).all(|(old, new)| old.0 == new.0 && old.1 != new.1), "every pod is another one")?;
    lab.rest().await
}

async fn a_bad_image_stops_at_the_first_pod(lab: &mut Lab) -> Told {
    running(lab, &json!({})).await?;
    let before = pods(&lab.world.lock());
    lab.wish(&json!({ "spec": { "image": { "tag": "missing" } } }));
    lab.until("a word about it", |world| world.condition("RolloutBlocked").0 == "True").await?;
    lab.pass(120).await?;
    let now = pods(&lab.world.lock());
    must(before.iter().filter(|pod| !now.contains(pod)).count() == 1, "one pod is replaced")?;
    lab.wish(&json!({ "spec": { "image": { "tag": "1.0.0" } } }));
    lab.ready().await?;
    lab.rest().await
}

/// Deleted with its volumes retained, made again: what is there is not begun upon, nor thrown away.
async fn deleted_and_made_again(lab: &mut Lab) -> Told {
    running(lab, &json!({})).await?;
    let old = lab.world.lock().object(&CLUSTERS, NAME).map(|it| text(it, "/metadata/uid").to_owned());
    let is_empty = |world: &World| pods(world).is_empty() && world.object(&SETS, NAME).is_none();
    lab.delete();
    lab.until("nothing but volumes", is_empty).await?;
    must(claims(&lab.world.lock()).len() == 3, "volumes are retained")?;
    lab.apply(&json!({}));
    lab.until("a word about them", |world| world.condition("Ready").1 == "ForeignVolume").await?;
    lab.pass(90).await?;
    must(is_empty(&lab.world.lock()), "nothing is started on them")?;
    lab.delete();
    lab.pass(5).await?;
    let written = lab.world.lock().acked.len();
    running(lab, &json!({ "bootstrap": { "adoptVolumesOf": old } })).await?;
    must(lab.world.lock().acked.len() > written, "the ensemble goes on")?;
    lab.rest().await
}

/// Volumes go with the resource where that is wished, and only then.
async fn deleted_with_its_volumes(lab: &mut Lab) -> Told {
    running(lab, &json!({ "storage": { "retention": { "onDelete": "Delete", "onScaleDown": "Delete" } } })).await?;
    lab.wish(&replicas(1));
    lab.ready().await?;
    lab.until("the volumes of those who left to be gone", |world| claims(world) == ["data-main-0"]).await?;
    lab.wish(&replicas(3));
    lab.ready().await?;
    let is_owned = |claim: &Value| claim["metadata"]["ownerReferences"][0]["kind"] == "ZooKeeperCluster";
    lab.until("claims to belong to the resource", |world| world.store.all(&CLAIMS).all(|(_, it)| is_owned(it))).await?;
    lab.rest().await?;
    lab.delete();
    lab.until("everything to be gone", |world| claims(world).is_empty() && pods(world).is_empty()).await?;
    lab.world.lock().acked.clear();
    running(lab, &json!({ "replicas": 1 })).await
}

/// The operator says what it would do, and does not; and it lets go and takes up again.
async fn a_dry_run_and_a_pause(lab: &mut Lab) -> Told {
    running(lab, &json!({ "replicas": 1 })).await?;
    let annotate = |value: Value| json!({ "metadata": { "annotations": { "zookube.dev/dry-run": value } } });
    lab.wish(&annotate(json!("true")));
    lab.wish(&replicas(3));
    lab.until("a word about it", |world| world.condition("Ready").1 == "DryRun").await?;
    lab.pass(60).await?;
    must(pods(&lab.world.lock()).len() == 1, "nothing is done")?;
    lab.wish(&json!({ "spec": { "pause": true } }));
    lab.wish(&annotate(Value::Null));
    lab.until("the pause to be told", |world| world.condition("Paused").0 == "True").await?;
    lab.world.lock().store.change(&World::key(&SETS, NAME), |set| set["spec"]["replicas"] = json!(0));
    lab.until("the pod to be gone", |world| pods(world).is_empty()).await?;
    lab.pass(60).await?;
    must(lab.world.lock().size(plan::Kind::Voter) == Some(0), "what was done by hand stays")?;
    lab.wish(&json!({ "spec": { "pause": false } }));
    lab.ready().await?;
    lab.rest().await
}

/// A larger volume for each server, without a pod being replaced.
async fn a_larger_volume(lab: &mut Lab) -> Told {
    running(lab, &json!({ "storage": { "data": { "size": "64Mi" } } })).await?;
    let before = pods(&lab.world.lock());
    lab.wish(&json!({ "spec": { "storage": { "data": { "size": "128Mi" } } } }));
    let asked = |claim: &Value| claim["spec"]["resources"]["requests"]["storage"] == "128Mi";
    lab.until("all claims to ask for more", |world| world.store.all(&CLAIMS).all(|(_, claim)| asked(claim))).await?;
    let is_made =
        |world: &World| world.object(&SETS, NAME).is_some_and(|set| asked(&set["spec"]["volumeClaimTemplates"][0]));
    lab.until("new servers to get as much", is_made).await?;
    lab.ready().await?;
    must(pods(&lab.world.lock()) == before, "no pod is replaced")?;
    lab.rest().await
}

async fn without_a_budget_and_with_a_policy(lab: &mut Lab) -> Told {
    running(lab, &json!({ "networkPolicy": { "enabled": true } })).await?;
    lab.wish(
        &json!({ "spec": { "networkPolicy": { "enabled": false }, "podDisruptionBudget": { "enabled": false } } }),
    );
    lab.pass(5).await?;
    lab.wish(&json!({ "spec": { "config": { "tickTimeMs": 3000 } } }));
    lab.ready().await?;
    lab.rest().await
}

async fn what_is_changed_by_hand_is_put_right(lab: &mut Lab) -> Told {
    running(lab, &json!({})).await?;
    for size in [0, 1, 5] {
        lab.world.lock().say(format!("somebody scales the StatefulSet to {size}"));
        lab.world.lock().store.change(&World::key(&SETS, NAME), |set| set["spec"]["replicas"] = json!(size));
        lab.pass(20).await?;
        lab.ready().await?;
    }
    lab.world.lock().delete(&World::key(&PODS, "main-0"));
    lab.pass(20).await?;
    lab.ready().await?;
    lab.rest().await
}

async fn the_record_is_lost(lab: &mut Lab) -> Told {
    running(lab, &json!({})).await?;
    let key = World::key(&CONFIG_MAPS, format!("{NAME}-ensemble"));
    let before = lab.world.lock().store.get(&key).map(|record| record["data"].clone());
    lab.world.lock().delete(&key);
    lab.until("the record to be there", |world| world.store.get(&key).map(|it| it["data"].clone()) == before).await?;
    lab.ready().await?;
    lab.rest().await
}

/// It is ended instead, and hands over then.
async fn a_leader_that_does_not_hand_over(lab: &mut Lab) -> Told {
    running(lab, &json!({})).await?;
    lab.world.lock().is_stubborn = true;
    let before = pods(&lab.world.lock());
    lab.wish(&json!({ "spec": { "config": { "tickTimeMs": 3000 } } }));
    lab.ready().await?;
    let after = pods(&lab.world.lock());
    must(before.iter().zip(&after).all(|(old, new)| old.1 != new.1), "every pod is another one")?;
    lab.rest().await
}

/// The first stops, the second is killed, the third goes on.
async fn two_operators_one_after_the_other(lab: &mut Lab) -> Told {
    lab.kill();
    let both = lab.candidates(["operator-a", "operator-b"]);
    lab.apply(&json!({ "replicas": 1 }));
    lab.ready().await?;
    let holder = |world: &World| {
        let lease = world.store.everything().find(|(key, _)| key.resource.kind == "Lease");
        lease.map(|(_, lease)| text(lease, "/spec/holderIdentity").to_owned()).unwrap_or_default()
    };
    let first = holder(&lab.world.lock());
    let (mut works, mut waits) = match both {
        [a, b] if first == "operator-a" => (a, b),
        [a, b] => (b, a),
    };
    works.stop();
    lab.until("the other to hold the Lease", |world| !["", &first].contains(&&*holder(world))).await?;
    must(works.is_over() && !waits.is_over(), "one works and the other has ended")?;
    lab.wish(&replicas(3));
    lab.pass(3).await?;
    waits.kill();
    let [third] = lab.candidates(["operator-c"]);
    lab.ready().await?;
    lab.wish(&replicas(1));
    lab.ready().await?;
    must(!third.is_over(), "it works")
}

/// An operator that may look at one namespace asks for nothing beyond it.
async fn one_namespace_alone(lab: &mut Lab) -> Told {
    lab.kill();
    lab.watch(&[crate::world::NAMESPACE]);
    lab.world.lock().rights.clear();
    lab.start();
    running(lab, &json!({ "replicas": 1, "observers": { "replicas": 1 } })).await?;
    lab.wish(&replicas(3));
    lab.ready().await?;
    let rights = lab.world.lock().rights.clone();
    let beyond: Vec<_> = rights.iter().filter(|right| right.scope == crate::rbac::Scope::Cluster).collect();
    must(beyond.is_empty(), &format!("nothing is asked of the whole cluster: {beyond:?}"))?;
    lab.rest().await
}

/// Founded, made larger, observed, replaced pod by pod, made smaller: every step that there is.
async fn a_whole_life(lab: &mut Lab) -> Told {
    let storage = json!({ "retention": { "onScaleDown": "Delete" } });
    running(lab, &json!({ "replicas": 1, "storage": storage, "rollout": { "minReadySeconds": 1 } })).await?;
    for wish in [
        json!({ "replicas": 3, "observers": { "replicas": 1 } }),
        json!({ "config": { "tickTimeMs": 3000 } }),
        json!({ "replicas": 1, "observers": { "replicas": 0 } }),
    ] {
        lab.wish(&json!({ "spec": wish }));
        lab.ready().await?;
    }
    lab.until("the volumes of those who left to be gone", |world| claims(world) == ["data-main-0"]).await
}

/// Everything goes wrong, and then nothing does.
pub async fn bad_times(lab: &mut Lab) -> Told {
    let (spec, seconds) = {
        let mut world = lab.world.lock();
        let rng = &mut world.rng;
        let mut pick = |of: &[&str]| rng.pick(&(0..of.len()).collect::<Vec<_>>()).map_or("", |at| of[at]).to_owned();
        let retention = pick(&["Retain", "Delete"]);
        let spec = json!({
            "replicas": pick(&["1", "3", "3", "5"]).parse::<u64>().unwrap_or(3),
            "storage": { "retention": { "onScaleDown": retention } },
            "scaling": { "joint": pick(&["", "joint"]) == "joint" },
            "podDisruptionBudget": { "enabled": pick(&["", "yes", "yes"]) == "yes" },
        });
        (spec, rng.among(60..240))
    };
    lab.apply(&spec);
    lab.pass(seconds).await?;
    lab.settle().await
}
