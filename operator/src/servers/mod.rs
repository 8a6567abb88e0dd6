//! The servers of an ensemble, as `docs/contract.md` has them: what they say of themselves over HTTP, and what they are told.

mod answer;
mod http;
mod superuser;
mod zookeeper;

pub use answer::{Answer, lag_txns};
pub use http::{Http, HttpError};
pub(crate) use superuser::DIGEST;
pub use superuser::Superuser;
pub use zookeeper::{Joiner, ZooKeeper, ZooKeeperError};
