//! What a `ZooKeeperCluster` is, and the Kubernetes objects that belong to one.
//!
//! ```text
//! resource --validate--> ValidatedCluster --build--> objects, in the order in which they are applied
//! ```
//!
//! Nothing here speaks to a cluster, looks at a clock or draws lots: the same resource always makes the same objects. What is to be
//! done with servers that run, and when, is the planner's business (`crates/plan`).

pub mod build;
mod causes;
pub mod controller;
pub mod crd;
pub mod ended;
pub mod events;
pub mod http;
pub mod lease;
pub mod metrics;
pub mod observe;
pub mod quantity;
pub mod servers;
pub mod status;
pub mod validate;
