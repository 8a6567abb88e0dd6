//! What a server runs with, key by key, and where each value comes from.

use std::collections::BTreeMap;

use wire::ServerId;

use super::honoured::HONOURED;
use super::keys::Key;
use super::kind::{Kind, Value};
use super::problem::Place;
use super::{Config, Mode};

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The key as in `zoo.cfg`.
    pub key: String,
    /// The value that counts, written as in `zoo.cfg`. Of a secret only that there is one.
    pub value: String,
    /// What set it, or which default holds.
    pub place: Place,
}

/// Shown in the place of a secret.
const SECRET: &str = "(hidden)";
const SECRET_KEY: &str = "DigestAuthenticationProvider.superDigest";

const METRICS_PROMETHEUS: &str = "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider";
const METRICS_NOWHERE: &str = "org.apache.zookeeper.metrics.impl.DefaultMetricsProvider";

/// Which keys were set, to what, and where.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources {
    /// Every key that was set, honoured or not, in order.
    pub(super) given: Vec<Effective>,
    /// The honoured keys that are no families.
    pub(super) set: BTreeMap<&'static str, (String, Place)>,
    /// The server lines.
    pub(super) servers: BTreeMap<ServerId, Place>,
    /// The server list as a whole.
    pub(super) list: Option<Place>,
    /// What gave the client port.
    pub(super) client: Option<Place>,
}

/// A value as the key's kind writes it.
pub(super) fn text_of(kind: Kind, value: &Value) -> String {
    match (kind, value) {
        (Kind::YesNo, Value::Bool(yes)) => if *yes { "yes" } else { "no" }.to_owned(),
        (_, Value::Bool(b)) => b.to_string(),
        (_, Value::Int(n)) => n.to_string(),
        (_, Value::Text(text)) => text.clone(),
    }
}

impl Config {
    /// Every honoured key that has a value, in the order of the documentation, then the server list.
    #[must_use]
    pub fn effective(&self) -> Vec<Effective> {
        let keys = HONOURED.iter().filter_map(|key| {
            let (value, place) = self.value_of(key)?;
            Some(Effective { key: key.name.to_owned(), value, place })
        });
        let list = self.sources.list.clone().unwrap_or(Place::Default("default"));
        let line = |key: String, value: String, place: &Place| Effective { key, value, place: place.clone() };
        let members = &self.membership;
        let servers = members.servers.iter().map(|(sid, spec)| {
            line(format!("server.{sid}"), spec.to_string(), self.sources.servers.get(sid).unwrap_or(&list))
        });
        let groups = members.groups.iter().map(|(group, sids)| {
            let sids: Vec<String> = sids.iter().map(ServerId::to_string).collect();
            line(format!("group.{group}"), sids.join(":"), &list)
        });
        let weights =
            members.weights.iter().map(|(sid, weight)| line(format!("weight.{sid}"), weight.to_string(), &list));
        keys.chain(servers).chain(groups).chain(weights).collect()
    }

    /// Every key that somebody or the official image set, as it was written and in the order of the file, whether or not
    /// it is honoured here: what another program would have to be given to run alike. The server list is that of
    /// [`Config::membership`].
    #[must_use]
    pub fn given(&self) -> &[Effective] {
        &self.sources.given
    }

    fn value_of(&self, key: &Key) -> Option<(String, Place)> {
        if key.name == "clientPort" {
            // The own line may give it, whatever the key says.
            return Some((self.client.port.to_string(), self.sources.client.clone()?));
        }
        if let Some((value, place)) = self.sources.set.get(key.name) {
            let is_secret = key.name == SECRET_KEY;
            return Some((if is_secret { SECRET.to_owned() } else { value.clone() }, place.clone()));
        }
        if let Some(text) = key.default.text() {
            return Some((text.to_owned(), Place::Default("default")));
        }
        let (timeout_min, timeout_max) = self.session_timeout_bounds_ms();
        let (value, which) = match key.name {
            "dataLogDir" => (self.data_log_dir().display().to_string(), "default: dataDir"),
            "minSessionTimeout" => (timeout_min.to_string(), "default: 2 × tickTime"),
            "maxSessionTimeout" => (timeout_max.to_string(), "default: 20 × tickTime"),
            "jute.maxbuffer.extrasize" => (self.settings.jute_maxbuffer_bytes.to_string(), "default: jute.maxbuffer"),
            // Where the environment is the configuration, the metrics are published (`crate::metrics`).
            "metricsProvider.className" if self.file.is_none() => {
                (METRICS_PROMETHEUS.to_owned(), "default in a container")
            }
            "metricsProvider.className" => (METRICS_NOWHERE.to_owned(), "default"),
            "admin.serverAddress" => {
                let which = if self.file.is_none() { "default in a container" } else { "default" };
                (self.admin_host().to_owned(), which)
            }
            _ => return None,
        };
        Some((value, Place::Default(which)))
    }

    /// Standalone, or which member of how many.
    #[must_use]
    pub fn described(&self) -> String {
        match (self.mode, self.myid) {
            (Mode::Standalone, _) => "a standalone server".to_owned(),
            (Mode::Ensemble, myid) => {
                let (voters, observers) = (self.membership.voters().count(), self.membership.observers().count());
                let myid = myid.map(|sid| sid.to_string()).unwrap_or_default();
                let role = self.role();
                format!("server {myid}, a {role}; the ensemble has {voters} participants and {observers} observers")
            }
        }
    }
}
