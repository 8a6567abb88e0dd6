//! The operator, on a real Kubernetes: `cargo xtask e2e operator`.
//!
//! Each case has a namespace of its own. A kazoo client writes through the cluster's service all the while; whatever was acknowledged
//! must be there in the end, on every server.

mod operator {
    mod faults;
    mod hardship;
    mod lab;
    mod lifecycle;
    mod mishaps;
    mod resource;
    mod rollout;
    mod writer;
}
