//! What happens next: events by their simulated time, those of the same time in the order in which they were planned.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Planned events.
#[derive(Debug)]
pub struct Agenda<E> {
    heap: BinaryHeap<Planned<E>>,
    planned: u64,
}

#[derive(Debug)]
struct Planned<E> {
    at_us: i64,
    number: u64,
    event: E,
}

impl<E> Default for Agenda<E> {
    fn default() -> Agenda<E> {
        Agenda { heap: BinaryHeap::new(), planned: 0 }
    }
}

impl<E> Agenda<E> {
    /// Plans an event.
    pub fn plan(&mut self, at_us: i64, event: E) {
        self.planned += 1;
        self.heap.push(Planned { at_us, number: self.planned, event });
    }

    /// When the next event is due.
    #[must_use]
    pub fn next_at_us(&self) -> Option<i64> {
        self.heap.peek().map(|planned| planned.at_us)
    }

    /// Takes the next event with its time.
    pub fn pop(&mut self) -> Option<(i64, E)> {
        self.heap.pop().map(|planned| (planned.at_us, planned.event))
    }
}

impl<E> PartialEq for Planned<E> {
    fn eq(&self, other: &Planned<E>) -> bool {
        self.number == other.number
    }
}

impl<E> Eq for Planned<E> {}

impl<E> PartialOrd for Planned<E> {
    fn partial_cmp(&self, other: &Planned<E>) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Planned<E> {
    /// The heap gives the greatest first: the earliest is the greatest.
    fn cmp(&self, other: &Planned<E>) -> Ordering {
        (other.at_us, other.number).cmp(&(self.at_us, self.number))
    }
}
