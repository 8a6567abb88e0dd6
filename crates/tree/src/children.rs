//! Walks over a [`Store`]: siblings, and a whole subtree in pre-order. None recurses, because a path may be as deep as a
//! frame is long.

use crate::node::{Node, NodeId};
use crate::store::Store;

/// The children of one node, newest first.
pub(crate) struct Children<'a> {
    store: &'a Store,
    next: NodeId,
}

impl<'a> Iterator for Children<'a> {
    type Item = (NodeId, &'a Node);

    fn next(&mut self) -> Option<Self::Item> {
        let id = self.next.some()?;
        let node = self.store.get(id);
        self.next = node.next;
        Some((id, node))
    }
}

/// A subtree, parents before their children.
pub(crate) struct Subtree<'a> {
    store: &'a Store,
    top: NodeId,
    next: NodeId,
}

impl Iterator for Subtree<'_> {
    type Item = NodeId;

    fn next(&mut self) -> Option<NodeId> {
        let id = self.next.some()?;
        self.next = self.store.following(id, self.top);
        Some(id)
    }
}

impl Store {
    /// The children of a node.
    pub(crate) fn children(&self, id: NodeId) -> Children<'_> {
        Children { store: self, next: self.get(id).first_child }
    }

    /// A node and everything below it.
    pub(crate) fn subtree(&self, top: NodeId) -> Subtree<'_> {
        Subtree { store: self, top, next: top }
    }

    /// The node behind `id` in pre-order, within the subtree of `top`.
    pub(crate) fn following(&self, id: NodeId, top: NodeId) -> NodeId {
        let first_child = self.get(id).first_child;
        if first_child == NodeId::NONE { self.following_beside(id, top) } else { first_child }
    }

    /// The node behind `id` and everything below it in pre-order, within the subtree of `top`.
    pub(crate) fn following_beside(&self, id: NodeId, top: NodeId) -> NodeId {
        let mut at = id;
        while at != top {
            let node = self.get(at);
            if node.next != NodeId::NONE {
                return node.next;
            }
            at = node.parent;
        }
        NodeId::NONE
    }

    /// Writes a node's path into `path`; the root's is `""`.
    pub(crate) fn path_into(&self, id: NodeId, path: &mut String) {
        path.clear();
        let mut names = Vec::new();
        let mut at = id;
        while at != NodeId::ROOT {
            let node = self.get(at);
            names.push(node.name.as_str());
            at = node.parent;
        }
        for name in names.iter().rev() {
            path.push('/');
            path.push_str(name);
        }
    }

    /// A node's path; the root's is `""`.
    pub(crate) fn path_of(&self, id: NodeId) -> String {
        let mut path = String::new();
        self.path_into(id, &mut path);
        path
    }
}
