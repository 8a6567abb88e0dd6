//! The order in which a tree is read: many znodes asked for at once, each given out in its turn. Pure.
//!
//! A list of places, the next to be given out last (so that taking it is cheap). When a znode has arrived, its children are put
//! right behind it at once, whether its turn has come or not: so the requests for a wide and flat tree are under way together as
//! well as those for a narrow and deep one.

/// How many places ahead of the next may be asked for.
const WINDOW: usize = 512;
/// Beyond so many bytes that have arrived and wait for their turn, nothing more is asked for but the next.
const WAITING_BYTES_MAX: usize = 16 << 20;

/// A znode's place in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its path.
    pub path: String,
    /// How far below the root it is; 0 = the root.
    pub depth: usize,
    /// Whether it was the last child when its parent was read.
    pub is_last: bool,
}

/// What was read of a znode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read<T> {
    /// What whoever asked wanted.
    pub item: T,
    /// The children to be read, in any order.
    pub children: Vec<String>,
    /// How much memory the item takes, about.
    pub bytes: usize,
}

#[derive(Debug)]
enum Slot<T> {
    Waiting(Place),
    Asked(u64, Place),
    Arrived(Place, T, usize),
}

/// A tree that is being read; `T` is what is read of a znode.
#[derive(Debug)]
pub struct Frontier<T> {
    slots: Vec<Slot<T>>,
    asked: usize,
    asked_max: usize,
    waiting_bytes: usize,
    next_number: u64,
}

impl<T> Frontier<T> {
    /// A tree of which nothing is known but its root. At most `asked_max` requests are under way at any time.
    #[must_use]
    pub fn new(root: &str, asked_max: usize) -> Frontier<T> {
        let root = Place { path: root.to_owned(), depth: 0, is_last: true };
        Frontier { slots: vec![Slot::Waiting(root)], asked: 0, asked_max, waiting_bytes: 0, next_number: 0 }
    }

    /// The next znode to ask for, with the number by which it arrives; `None` while enough are.
    pub fn ask(&mut self) -> Option<(u64, Place)> {
        if self.asked >= self.asked_max {
            return None;
        }
        let window = if self.waiting_bytes > WAITING_BYTES_MAX { 1 } else { WINDOW };
        let slot = self.slots.iter_mut().rev().take(window).find(|slot| matches!(slot, Slot::Waiting(_)))?;
        let Slot::Waiting(place) = &*slot else { return None };
        let place = place.clone();
        self.next_number += 1;
        self.asked += 1;
        *slot = Slot::Asked(self.next_number, place.clone());
        Some((self.next_number, place))
    }

    /// A znode has arrived; `None` if it is gone, and with it whatever was below.
    pub fn arrive(&mut self, number: u64, read: Option<Read<T>>) {
        let Some(at) = self.slots.iter().rposition(|slot| matches!(slot, Slot::Asked(asked, _) if *asked == number))
        else {
            return;
        };
        self.asked -= 1;
        let Slot::Asked(_, place) = self.slots.remove(at) else { return };
        let Some(mut read) = read else { return };
        read.children.sort_unstable();
        let last = read.children.len();
        let below = |(index, name): (usize, &String)| {
            let path = crate::path::child(&place.path, name);
            Slot::Waiting(Place { path, depth: place.depth + 1, is_last: index + 1 == last })
        };
        let mut slots: Vec<Slot<T>> = read.children.iter().enumerate().rev().map(below).collect();
        slots.push(Slot::Arrived(place, read.item, read.bytes));
        self.waiting_bytes += read.bytes;
        self.slots.splice(at..at, slots);
    }

    /// Gives out the next znode if it has arrived.
    pub fn take(&mut self) -> Option<(Place, T)> {
        match self.slots.pop()? {
            Slot::Arrived(place, item, bytes) => {
                self.waiting_bytes -= bytes;
                Some((place, item))
            }
            other => {
                self.slots.push(other);
                None
            }
        }
    }

    /// Whether everything was given out.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.slots.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    fn children(path: &str) -> Vec<String> {
        let names: &[&str] = match path {
            "/" => &["b", "a", "gone", "c"],
            "/a" => &["2", "1"],
            "/b" => &["x"],
            _ => &[],
        };
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// Walks with answers in the given order: true = the oldest first. Returns the paths and the most that were under way.
    fn walk(asked_max: usize, oldest_first: bool, bytes: usize) -> (Vec<String>, usize) {
        let mut frontier = Frontier::new("/", asked_max);
        let (mut under_way, mut paths, mut most) = (VecDeque::new(), Vec::new(), 0);
        while !frontier.is_done() {
            while let Some(asked) = frontier.ask() {
                under_way.push_back(asked);
            }
            most = most.max(under_way.len());
            let next = if oldest_first { under_way.pop_front() } else { under_way.pop_back() };
            let (number, place) = next.expect("something is asked for while there is something left");
            let read = Read { item: (), children: children(&place.path), bytes };
            frontier.arrive(number, (place.path != "/gone").then_some(read));
            while let Some((place, ())) = frontier.take() {
                paths.push(format!("{}{} {}", place.path, if place.is_last { "." } else { "" }, place.depth));
            }
        }
        (paths, most)
    }

    #[test]
    fn a_tree_is_given_out_in_order_however_it_arrives() {
        let expected = ["/. 0", "/a 1", "/a/1 2", "/a/2. 2", "/b 1", "/b/x. 2", "/c 1"];
        for (asked_max, oldest_first) in [(1, true), (2, false), (64, true), (64, false)] {
            let (paths, most) = walk(asked_max, oldest_first, 1);
            assert_eq!(paths, expected, "{asked_max} {oldest_first}");
            assert!(most <= asked_max);
        }
        assert_eq!(walk(64, true, 1).1, 5, "siblings are asked for together with the children of the first");
    }

    #[test]
    fn memory_is_bounded_by_asking_for_less() {
        let (paths, most) = walk(64, false, WAITING_BYTES_MAX + 1);
        assert_eq!(paths.len(), 7);
        assert_eq!(most, 4, "what is on its way when the bound is reached still comes");
        let mut frontier: Frontier<()> = Frontier::new("/", 64);
        let (root, _) = frontier.ask().unwrap();
        frontier.arrive(root, Some(Read { item: (), children: children("/"), bytes: WAITING_BYTES_MAX + 1 }));
        assert_eq!(frontier.ask(), None, "the next is there: it is to be taken first");
        frontier.take().unwrap();
        assert_eq!(frontier.ask().unwrap().1.path, "/a");
    }
}
