//! What goes wrong: with calls, with watches, with the operator itself, with servers and pods; and what people change meanwhile.

use crate::kubernetes::text;
use crate::rng::Rng;
use crate::store::{CLUSTERS, PODS, SETS};
use crate::world::{NAME, World};
use operator::observe::{pod_name, slot_of};
use plan::Slot;
use serde_json::json;
use std::time::Duration;

/// How often things go wrong, in a thousand.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Weather {
    /// Calls, of the API server and of servers.
    pub calls: u64,
    /// Watches.
    pub watches: u64,
    /// The operator ends, of its calls.
    pub kills: u64,
    /// Servers, pods and people, of quarters of a second.
    pub world: u64,
}

impl Weather {
    pub const CALM: Self = Self { calls: 0, watches: 0, kills: 0, world: 0 };

    /// Some of it bad, and sometimes all of it: what goes wrong alone shows other things than what goes wrong together.
    pub fn by_chance(rng: &mut Rng) -> Self {
        let mut one = |of: &[u64]| rng.pick(of).unwrap_or(0);
        Self {
            calls: one(&[0, 10, 30, 80]),
            watches: one(&[0, 200, 600]),
            kills: one(&[0, 2, 8]),
            world: one(&[0, 8, 16, 16]),
        }
    }
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fate {
    Done,
    /// It fails before it is carried out.
    Lost,
    /// It is not carried out, and nobody says so.
    Late,
    /// The API server refuses it, for no reason that has to do with it.
    Refused(u16),
    /// It is carried out, and fails.
    AnswerLost,
    /// It is carried out, and nobody says so.
    AnswerLate,
}

impl World {
    pub fn is_calm(&self) -> bool {
        self.weather == Weather::CALM
    }

    /// What will become of a call, and how long each way takes.
    pub fn set_out(&mut self, operator: u64, is_write: bool) -> (Fate, Duration) {
        let way = Duration::from_millis(self.call_rng.among(1..8));
        if self.operator != Some(operator) {
            return (Fate::Late, way);
        }
        let (weather, rng) = (self.weather, &mut self.call_rng);
        if rng.in_1000(weather.kills) {
            self.meet("operator killed before a call");
            self.kill();
            return (Fate::Late, way);
        }
        if !rng.in_1000(weather.calls) {
            return (Fate::Done, way);
        }
        let fate = match rng.among(0..10) {
            0..2 => Fate::Lost,
            2 => Fate::Late,
            3 => Fate::Refused(409),
            4 => Fate::Refused(429),
            5 => Fate::Refused(500),
            6..9 => Fate::AnswerLost,
            _ => Fate::AnswerLate,
        };
        self.meet(match fate {
            Fate::AnswerLost | Fate::AnswerLate if is_write => "answer of a write lost",
            Fate::AnswerLost | Fate::AnswerLate => "answer of a read lost",
            Fate::Refused(_) => "call refused",
            _ => "call lost",
        });
        (fate, way)
    }

    /// Something has been changed by the operator. Whether that was its end.
    pub fn has_changed(&mut self, operator: u64) -> bool {
        if self.operator != Some(operator) {
            return true;
        }
        self.effects += 1;
        let weather = self.weather;
        if self.kill_behind == Some(self.effects) || self.call_rng.in_1000(weather.kills) {
            self.meet("operator killed behind a call");
            self.kill();
            return true;
        }
        false
    }

    fn kill(&mut self) {
        self.operator = None;
        self.say("the operator is killed");
    }

    pub fn watches_fail(&mut self) -> bool {
        let weather = self.weather;
        self.call_rng.in_1000(weather.watches)
    }

    /// How long a watch lasts, and after how long it hears nothing any more.
    pub fn watch_lasts(&mut self, usual: Duration) -> (Duration, Option<Duration>) {
        let weather = self.weather;
        if !self.call_rng.in_1000(weather.watches) {
            return (usual, None);
        }
        let lasts = Duration::from_millis(self.call_rng.among(10..60_000));
        let is_deaf = self.call_rng.in_1000(500);
        self.meet(if is_deaf { "watch went deaf" } else { "watch ended" });
        (lasts, is_deaf.then_some(lasts / 4))
    }

    /// Perhaps something in this quarter of a second.
    pub fn go_wrong(&mut self) {
        let weather = self.weather;
        let pods: Vec<Slot> = self.keys(&PODS).iter().filter_map(|key| slot_of(NAME, &key.name)).collect();
        let Some(any) = self.rng.pick(&pods).filter(|_| self.rng.in_1000(weather.world)) else { return };
        match self.rng.among(0..100) {
            0..15 => {
                self.wrong("crash", &format!("{any} crashes"));
                self.crash(any);
            }
            15..30 => {
                if let Some((leader, _)) = self.leader() {
                    self.wrong("leader crash", &format!("{leader}, the leader, crashes"));
                    self.crash(leader);
                }
            }
            30..42 => self.drain(any),
            42..50 => {
                self.wrong("pod deleted", &format!("somebody deletes the pod of {any}"));
                self.delete(&Self::key(&PODS, pod_name(NAME, any)));
            }
            50..60 => {
                self.wrong("cut", &format!("{any} is cut off from the other servers"));
                let until = self.in_seconds(1, 12);
                self.cut.insert(any, until);
            }
            60..72 => {
                self.wrong("silence", &format!("{any} does not answer the operator"));
                let until = self.in_seconds(1, 40);
                self.silent.insert(any, until);
            }
            72..74 => {
                self.wrong("all pods deleted", "somebody deletes all pods");
                for slot in pods {
                    self.delete(&Self::key(&PODS, pod_name(NAME, slot)));
                }
            }
            74..79 => {
                self.wrong("history forgotten", "the API server forgets what has changed");
                self.store.compact();
            }
            _ => self.wish_something(),
        }
    }

    fn wrong(&mut self, what: &'static str, words: &str) {
        self.meet(what);
        self.say(words);
    }

    /// Somebody drains a machine: through the budget.
    fn drain(&mut self, slot: Slot) {
        let key = Self::key(&PODS, pod_name(NAME, slot));
        let Some(pod) = self.store.get(&key).cloned() else { return };
        if self.budget_allows(&pod) {
            self.wrong("drain", &format!("{slot} is drained"));
            self.delete(&key);
        }
    }

    /// People change what they want.
    fn wish_something(&mut self) {
        let what = match self.rng.among(0..21) {
            0..8 => {
                let voters = self.rng.pick(&[1, 3, 3, 5]).unwrap_or(3);
                json!({ "spec": { "replicas": voters } })
            }
            8..12 => json!({ "spec": { "observers": { "replicas": self.rng.among(0..3) } } }),
            12..15 => json!({ "spec": { "pause": self.rng.in_1000(300) } }),
            15..18 => json!({ "spec": { "config": { "tickTimeMs": 2000 + self.rng.among(0..100) } } }),
            18 => return self.restart_pods(),
            19 => {
                let size = self.rng.among(0..4);
                self.wrong("StatefulSet scaled by hand", &format!("somebody scales the StatefulSet to {size}"));
                return self.store.change(&Self::key(&SETS, NAME), |set| set["spec"]["replicas"] = json!(size));
            }
            _ => {
                self.wrong("StatefulSet deleted", "somebody deletes the StatefulSet and leaves its pods");
                let time = self.time();
                return self.store.change(&Self::key(&SETS, NAME), |set| {
                    set["metadata"]["finalizers"] = json!([crate::kubernetes::ORPHAN]);
                    set["metadata"]["deletionTimestamp"] = json!(time);
                });
            }
        };
        self.wish(&what);
    }

    /// `kubectl patch zk main`.
    pub fn wish(&mut self, what: &serde_json::Value) {
        self.meet("wish");
        self.say(format!("somebody wishes {what}"));
        self.store.change(&Self::key(&CLUSTERS, NAME), |cluster| crate::store::merge(cluster, what));
    }

    /// `kubectl rollout restart sts`.
    pub fn restart_pods(&mut self) {
        self.meet("restart");
        self.say("somebody asks for all pods to be restarted");
        let time = self.time();
        for key in self.keys(&SETS) {
            self.store.change(&key, |set| {
                let annotations = &mut set["spec"]["template"]["metadata"]["annotations"];
                annotations["kubectl.kubernetes.io/restartedAt"] = json!(time);
            });
        }
    }

    /// Nothing goes wrong from here on.
    pub fn heal(&mut self) {
        self.say("nothing goes wrong from here on");
        self.weather = Weather::CALM;
        self.cut.clear();
        self.silent.clear();
        self.kill_behind = None;
        let is_paused = self.object(&CLUSTERS, NAME).is_some_and(|it| it["spec"]["pause"] == true);
        if is_paused {
            self.wish(&json!({ "spec": { "pause": false } }));
        }
    }

    /// What a condition of the resource says: status and reason.
    pub fn condition(&self, kind: &str) -> (String, String) {
        let cluster = self.object(&CLUSTERS, NAME);
        let all = cluster.and_then(|it| it["status"]["conditions"].as_array().cloned()).unwrap_or_default();
        let found = all.iter().find(|condition| condition["type"] == kind);
        found.map_or_else(Default::default, |it| (text(it, "/status").to_owned(), text(it, "/reason").to_owned()))
    }
}
