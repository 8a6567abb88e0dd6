//! What a measurement leaves room for.

use super::*;

fn gauge() -> Gauge {
    Gauge { cgroups: Cgroups::default(), growth_limit: GrowthLimit::default(), largest_tree_bytes: 0 }
}

fn measured(used_bytes: u64) -> Measured {
    Measured { used_bytes, limit_bytes: 1000, growth_limit_bytes: 800 }
}

#[test]
fn below_the_growth_limit_the_rest_is_room() {
    assert_eq!(gauge().room(measured(500), 300), GrowthRoom { left_bytes: 300, resume_bytes: 50 });
}

#[test]
fn what_is_deleted_makes_room_although_the_heap_keeps_its_pages() {
    let mut gauge = gauge();
    assert_eq!(gauge.room(measured(810), 600).left_bytes, 0);
    assert_eq!(gauge.room(measured(815), 610).left_bytes, 0);
    // A third of the tree was deleted, and half of that counts; the kernel sees little of it.
    assert_eq!(gauge.room(measured(805), 400).left_bytes, 100);
    assert_eq!(gauge.room(measured(795), 400).left_bytes, 110);
    assert_eq!(gauge.room(measured(805), 600).left_bytes, 0);
    // Close to the kernel's limit more must have been deleted.
    assert_eq!(gauge.room(measured(950), 400).left_bytes, 0);
    assert_eq!(gauge.room(measured(950), 10).left_bytes, 150);
    // With a good deal given back, the kernel's figure is all that counts.
    assert_eq!(gauge.room(measured(740), 10).left_bytes, 60);
}

#[test]
fn a_small_memory_has_small_queues() {
    let small = Bounds::within(Some(64 << 20));
    assert_eq!((small.disk_queue_bytes_max, small.request_bytes_per_connection_max), (8 << 20, 1 << 20));
    assert_eq!(small.history_bytes_max, 2 << 20);
    assert_eq!(Bounds::within(Some(u64::MAX)).disk_queue_bytes_max, DISK_QUEUE_BYTES_MAX);
    assert_eq!(Bounds::within(None), Bounds::default());
}

#[test]
fn this_process_uses_memory() {
    assert!(resident_bytes().is_some_and(|bytes| bytes > 0));
}
