//! What the tests of `deploy/monitoring` need: Prometheus as a child process, the names in an expression, rules in which an
//! hour lasts a minute, an ensemble with things that go wrong, and a picture of how that looks.

pub mod cluster;
pub mod faults;
pub mod figure;
pub mod files;
pub mod names;
pub mod prometheus;
pub mod slow_disk;
pub mod speed;
pub mod story;
