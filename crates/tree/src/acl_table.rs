//! The distinct ACLs, counted and shared by the nodes that have them (`ReferenceCountedACLCache`).
//!
//! A node keeps a slot number. What snapshots call an ACL's id is a second, ever growing number: slots are used again, ids
//! never are, and that is what lets an image writer tell whether an ACL was in the map it has already written.

use crate::hash::{Seeded, spread};
use hashbrown::HashTable;
use std::hash::BuildHasher;
use std::sync::Arc;
use wire::{Acl, Perms};

/// The slot of "everything to everyone", which has no entry (`OPEN_UNSAFE_ACL_ID`).
pub(crate) const OPEN: u32 = u32::MAX;
/// How snapshots write [`OPEN`].
pub(crate) const OPEN_ID: i64 = -1;

/// The largest id taken over from a snapshot. Ids count up from 1, so that no server comes near; behind it there is room for
/// new ones, and for those that replace impossible ones.
const LOADED_ID_MAX: i64 = i64::MAX / 2;

/// One distinct ACL.
#[derive(Debug)]
struct Entry {
    acl: Arc<[Acl]>,
    /// What the ACL grants to everyone; answers nearly every check.
    world: Perms,
    id: i64,
    /// Nodes that have it; 0 in a vacant slot.
    uses: u32,
    hash: u32,
}

/// All distinct ACLs.
#[derive(Debug)]
pub(crate) struct AclTable {
    entries: Vec<Entry>,
    vacant: Vec<u32>,
    by_acl: HashTable<u32>,
    last_id: i64,
    last_used: u32,
    hasher: Seeded,
}

impl AclTable {
    pub(crate) fn new(seed: u64) -> AclTable {
        AclTable {
            entries: Vec::new(),
            vacant: Vec::new(),
            by_acl: HashTable::new(),
            last_id: 0,
            last_used: OPEN,
            hasher: Seeded(seed),
        }
    }

    /// The slot of an ACL, used once more.
    pub(crate) fn intern(&mut self, acl: &[Acl]) -> u32 {
        // Neighbouring creates nearly always carry the same ACL.
        if let Some(entry) = self.entries.get(self.last_used as usize)
            && entry.uses > 0
            && *entry.acl == *acl
        {
            self.entries[self.last_used as usize].uses += 1;
            return self.last_used;
        }
        let slot = match self.find(acl) {
            Some(slot) => slot,
            None => {
                self.last_id += 1;
                self.add(acl, self.last_id)
            }
        };
        self.entries[slot as usize].uses += 1;
        self.last_used = slot;
        slot
    }

    fn find(&self, acl: &[Acl]) -> Option<u32> {
        let hash = self.hasher.hash_one(acl) as u32;
        self.by_acl.find(spread(hash), |&slot| *self.entries[slot as usize].acl == *acl).copied()
    }

    fn add(&mut self, acl: &[Acl], id: i64) -> u32 {
        let hash = self.hasher.hash_one(acl) as u32;
        let open = acl.iter().filter(|acl| acl.id.scheme == "world" && acl.id.id == "anyone");
        let world = open.fold(Perms(0), |all, acl| all.union(acl.perms));
        let entry = Entry { acl: Arc::from(acl), world, id, uses: 0, hash };
        let slot = match self.vacant.pop() {
            Some(slot) => {
                self.entries[slot as usize] = entry;
                slot
            }
            None => {
                self.entries.push(entry);
                u32::try_from(self.entries.len() - 1).expect("there are at most as many ACLs as znodes")
            }
        };
        let AclTable { by_acl, entries, .. } = self;
        by_acl.insert_unique(spread(hash), slot, |&slot| spread(entries[slot as usize].hash));
        slot
    }

    /// One node less has this ACL.
    pub(crate) fn release(&mut self, slot: u32) {
        if slot == OPEN {
            return;
        }
        let entry = &mut self.entries[slot as usize];
        assert!(entry.uses > 0, "ACL {} released once too often", entry.id);
        entry.uses -= 1;
        if entry.uses > 0 {
            return;
        }
        entry.acl = Arc::from([]);
        match self.by_acl.find_entry(spread(entry.hash), |&other| other == slot) {
            Ok(found) => drop(found.remove()),
            Err(_) => panic!("ACL {} is not in its own index", entry.id),
        }
        self.vacant.push(slot);
    }

    /// The ACL of a slot; `None` is the open one.
    pub(crate) fn get(&self, slot: u32) -> Option<&Arc<[Acl]>> {
        if slot == OPEN { None } else { Some(&self.entries[slot as usize].acl) }
    }

    /// What the ACL of a slot grants to everyone.
    pub(crate) fn world(&self, slot: u32) -> Perms {
        if slot == OPEN { Perms::ALL } else { self.entries[slot as usize].world }
    }

    /// A slot's id in snapshots.
    pub(crate) fn id(&self, slot: u32) -> i64 {
        if slot == OPEN { OPEN_ID } else { self.entries[slot as usize].id }
    }

    /// The largest id given so far.
    pub(crate) fn last_id(&self) -> i64 {
        self.last_id
    }

    /// Number of distinct ACLs, the open one not counted.
    pub(crate) fn len(&self) -> usize {
        self.by_acl.len()
    }

    /// Ids and ACLs in use, in slot order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, &[Acl])> {
        self.entries.iter().filter(|entry| entry.uses > 0).map(|entry| (entry.id, &*entry.acl))
    }

    /// Takes an ACL from a snapshot, with the id it has there unless no server gives such ids. The loader holds one use until [`AclTable::release`].
    pub(crate) fn load(&mut self, acl: &[Acl], id: i64) -> u32 {
        let id = if (0..=LOADED_ID_MAX).contains(&id) { id } else { self.last_id.max(LOADED_ID_MAX) + 1 };
        self.last_id = self.last_id.max(id);
        let slot = self.find(acl).unwrap_or_else(|| self.add(acl, id));
        self.entries[slot as usize].uses += 1;
        slot
    }

    /// One node more has the ACL of this slot.
    pub(crate) fn share(&mut self, slot: u32) {
        if slot != OPEN {
            self.entries[slot as usize].uses += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Id;

    #[test]
    fn ids_grow_and_slots_return() {
        let mut table = AclTable::new(7);
        let read = [Acl { perms: Perms::READ, id: Id::new("world", "anyone") }];
        let open = Acl::open();
        let first = table.intern(&read);
        assert_eq!(table.intern(&read), first);
        let second = table.intern(&open);
        assert_eq!((table.id(first), table.id(second), table.len()), (1, 2, 2));
        assert_eq!((table.world(first), table.world(second)), (Perms::READ, Perms::ALL));
        table.release(first);
        table.release(first);
        assert_eq!(table.len(), 1);
        let third = table.intern(&read);
        assert_eq!((third, table.id(third)), (first, 3));
    }
}
