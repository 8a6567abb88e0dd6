//! Servers over ZooKeeper's own protocol: what only a client can do, as the superuser. A session is opened for each step and closed
//! behind it: steps are rare, and a session that stays would be one more thing that can be lost.

use super::superuser::Superuser;
use plan::{ConfigVersion, Role, ServerId, Uid, Znode};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use zookeeper_client::{Acls, Client, CreateMode, EnsembleUpdate, Error};

/// The operator's znode.
const PATH: &str = "/zookeeper/operator/cluster";
/// How long a step may take. The lease of the operator outlives it.
const PATIENCE: Duration = Duration::from_secs(8);
/// Of sessions that live for one step.
const SESSION_TIMEOUT: Duration = Duration::from_secs(6);

/// Why a step was not done, or is not known to be.
#[derive(Debug, thiserror::Error)]
pub enum ZooKeeperError {
    /// The ensemble does not know the superuser; nothing was changed.
    #[error(
        "the ensemble refused: NoAuth: the superuser of the Secret is not theirs. hint: replace the pods, so that they read it"
    )]
    NotSuperuser,
    /// The ensemble refused; nothing was changed.
    #[error("the ensemble refused: {0}")]
    Refused(&'static str),
    /// Nobody knows what became of it.
    #[error("{0}")]
    Unknown(String),
}

impl From<Error> for ZooKeeperError {
    fn from(error: Error) -> Self {
        match error {
            Error::BadVersion => Self::Refused("BadVersion: it has changed since it was looked at"),
            // `KeeperException.Code`: NEWCONFIGNOQUORUM and RECONFIGINPROGRESS.
            Error::UnexpectedErrorCode(-13) => {
                Self::Refused("NewConfigNoQuorum: too few of those who would vote are connected and in sync")
            }
            Error::UnexpectedErrorCode(-14) => Self::Refused("ReconfigInProgress: another change is under way"),
            Error::NoAuth => Self::NotSuperuser,
            other => Self::Unknown(other.to_string()),
        }
    }
}

impl ZooKeeperError {
    /// Whether another password could help.
    #[must_use]
    pub fn is_about_the_superuser(&self) -> bool {
        matches!(self, Self::NotSuperuser)
    }
}

/// What the znode holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    cluster_uid: String,
    config_version: String,
}

/// Who joins: id, role and line as in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joiner {
    /// The id.
    pub sid: ServerId,
    /// The role.
    pub role: Role,
    /// What is behind `server.N=`.
    pub line: String,
}

/// How servers are reached.
#[derive(Debug, Clone, Copy)]
pub struct ZooKeeper {
    port: u16,
}

impl ZooKeeper {
    /// At this port.
    #[must_use]
    pub fn new(port: u16) -> Self {
        Self { port }
    }

    /// The operator's znode.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn read(&self, server: IpAddr, user: &Superuser) -> Result<Znode, ZooKeeperError> {
        self.with(server, user, async |client| match client.get_data(PATH).await {
            // Whoever has written something else there: it is written anew, as if there were none.
            Ok((data, _)) => Ok(parse(&data).unwrap_or_else(|why| {
                tracing::warn!("{why}");
                Znode::Absent
            })),
            Err(Error::NoNode) => Ok(Znode::Absent),
            Err(error) => Err(error.into()),
        })
        .await
    }

    /// Writes it, whether it is there or not: with this the configuration that it was written under is known to be in force.
    ///
    /// # Errors
    /// When it is not known to be written.
    pub async fn write(
        &self,
        server: IpAddr,
        user: &Superuser,
        cluster_uid: &Uid,
        after: ConfigVersion,
    ) -> Result<(), ZooKeeperError> {
        let content = Content { cluster_uid: cluster_uid.0.clone(), config_version: after.to_string() };
        let content = serde_json::to_vec(&content).map_err(|error| ZooKeeperError::Unknown(error.to_string()))?;
        self.with(server, user, async |client| {
            // Everybody may read whose ensemble it is; nobody but the superuser may write.
            let options = CreateMode::Persistent.with_acls(Acls::anyone_read());
            match client.set_data(PATH, &content, None).await {
                Ok(_) => return Ok(()),
                Err(Error::NoNode) => {}
                Err(error) => return Err(error.into()),
            }
            client.mkdir("/zookeeper/operator", &options).await?;
            match client.create(PATH, &content, &options).await {
                Ok(_) => Ok(()),
                // Its predecessor's request came late.
                Err(Error::NodeExists) => Ok(client.set_data(PATH, &content, None).await.map(drop)?),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    /// Changes the configuration, if its version is still the expected one.
    ///
    /// # Errors
    /// When it is refused or not known to be done.
    pub async fn reconfig(
        &self,
        server: IpAddr,
        user: &Superuser,
        expected: ConfigVersion,
        joining: &[Joiner],
        leaving: &[ServerId],
    ) -> Result<(), ZooKeeperError> {
        let joining: Vec<String> = joining.iter().map(|it| format!("server.{}={}", it.sid, it.line)).collect();
        let leaving: Vec<String> = leaving.iter().map(ToString::to_string).collect();
        self.with(server, user, async |client| {
            let joinings = joining.iter().map(String::as_str).collect::<Vec<_>>();
            let leavings = leaving.iter().map(String::as_str).collect::<Vec<_>>();
            let update =
                EnsembleUpdate::Incremental { joinings: joinings.iter().copied(), leavings: leavings.iter().copied() };
            client.update_ensemble(update, Some(expected.0)).await.map(drop).map_err(ZooKeeperError::from)
        })
        .await
    }

    async fn with<T>(
        &self,
        server: IpAddr,
        user: &Superuser,
        step: impl AsyncFnOnce(&Client) -> Result<T, ZooKeeperError>,
    ) -> Result<T, ZooKeeperError> {
        let address = SocketAddr::new(server, self.port);
        let all = async {
            let connector = Client::connector()
                .with_session_timeout(SESSION_TIMEOUT)
                .with_auth("digest", user.credentials().as_bytes())
                .with_fail_eagerly();
            let client = connector.connect(&address.to_string()).await?;
            step(&client).await
        };
        let late = |_| ZooKeeperError::Unknown(format!("nothing within {} s", PATIENCE.as_secs()));
        let outcome = tokio::time::timeout(PATIENCE, all).await.map_err(late)?;
        outcome.map_err(|error| match error {
            ZooKeeperError::Unknown(why) => ZooKeeperError::Unknown(format!("{address}: {why}")),
            refused => refused,
        })
    }
}

fn parse(data: &[u8]) -> Result<Znode, String> {
    let wrong = |why: String| format!("{PATH} does not hold what the operator wrote: {why}");
    let content: Content = serde_json::from_slice(data).map_err(|error| wrong(error.to_string()))?;
    let digits = content.config_version.strip_prefix("0x").unwrap_or_default();
    let version = u64::from_str_radix(digits, 16).map_err(|error| wrong(error.to_string()))?;
    Ok(Znode::Present { cluster_uid: Uid(content.cluster_uid), barrier: ConfigVersion(version.cast_signed()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let content = Content { cluster_uid: "u".to_owned(), config_version: ConfigVersion(0x1_0000_0002).to_string() };
        let read = parse(&serde_json::to_vec(&content).unwrap()).unwrap();
        assert_eq!(read, Znode::Present { cluster_uid: "u".into(), barrier: ConfigVersion(0x1_0000_0002) });
        for wrong in ["", "{}", r#"{"clusterUid":"u","configVersion":"7"}"#] {
            assert!(parse(wrong.as_bytes()).unwrap_err().contains(PATH));
        }
    }
}
