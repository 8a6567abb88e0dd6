//! Everything that is not a create (`PrepRequestProcessor.pRequest2Txn`).

use super::{CLOSE_SESSION_BYTES, Decision, Prep, Refusal, Task, next_version};
use crate::node::Owner;
use crate::{CONFIG_PATH, digest, path};
use planted::Bug;
use std::sync::Arc;
use wire::client::{PathVersion, ReconfigRequest, SetAclRequest, SetDataRequest};
use wire::txn::Txn;
use wire::{ErrorCode, Perms, Reader};

/// The data version that `/zookeeper/config` always has.
const CONFIG_VERSION: i32 = -1;

impl Prep {
    pub(super) fn decide_delete(&mut self, task: Task<'_>) -> Decision {
        let request = PathVersion::decode(&mut Reader::new(task.request.body))?;
        self.delete(task, &request)
    }

    pub(super) fn delete(&mut self, task: Task<'_>, request: &PathVersion<'_>) -> Decision {
        task.check_session()?;
        let path = request.path.ok_or(Refusal::Broken)?;
        let parent_path = parent_of_deletable(path)?;
        let parent = self.record(task, parent_path)?;
        if !planted::is(Bug::DeleteUnchecked) {
            self.check_acl(task, &parent, Perms::DELETE)?;
        }
        let node = self.record(task, path)?;
        next_version(node.stat.version, request.version)?;
        if node.child_count > 0 {
            return Err(ErrorCode::NotEmpty.into());
        }
        self.put_child_deleted(task, parent_path)?;
        self.put_deleted(task, path, &node);
        Ok(Txn::Delete { path: path.to_owned() })
    }

    fn put_child_deleted(&mut self, task: Task<'_>, parent_path: &str) -> Result<(), ErrorCode> {
        let mut parent = self.record(task, parent_path)?;
        parent.child_count = parent.child_count.saturating_sub(1);
        parent.stat.child_deleted(task.zxid().0);
        self.put(task, parent_path, parent);
        Ok(())
    }

    /// The server's own: a container or TTL node was found unused some time ago, which is checked again. Apache lets plain
    /// nodes and new containers pass here and does not look at the clock; that would delete what a client has created or
    /// renewed meanwhile.
    pub(super) fn decide_delete_container(&mut self, task: Task<'_>) -> Decision {
        let path = Reader::new(task.request.body).str("path")?;
        let parent_path = parent_of_deletable(path)?;
        let node = self.record(task, path)?;
        if node.child_count > 0 {
            return Err(ErrorCode::NotEmpty.into());
        }
        let since = if planted::is(Bug::TtlCountsFromCreate) { node.stat.ctime } else { node.stat.mtime };
        let unused_ms = task.request.header.time.0.saturating_sub(since);
        let is_unused = match task.owner(&node.stat) {
            Owner::Container if node.stat.cversion > 0 || planted::is(Bug::UnusedContainerDeleted) => true,
            Owner::Container => {
                let never_used_ms_max = self.settings.container_never_used_ms_max;
                never_used_ms_max != 0 && unused_ms > never_used_ms_max
            }
            Owner::Ttl(ttl) => unused_ms > ttl,
            Owner::Nobody | Owner::Session(_) => false,
        };
        if !is_unused {
            return Err(ErrorCode::BadVersion.into());
        }
        self.put_child_deleted(task, parent_path)?;
        self.put_deleted(task, path, &node);
        Ok(Txn::DeleteContainer { path: path.to_owned() })
    }

    pub(super) fn decide_set_data(&mut self, task: Task<'_>) -> Decision {
        let request = SetDataRequest::decode(&mut Reader::new(task.request.body))?;
        self.set_data(task, &request)
    }

    pub(super) fn set_data(&mut self, task: Task<'_>, request: &SetDataRequest<'_>) -> Decision {
        task.check_session()?;
        let path = valid(request.path)?;
        let mut node = self.record(task, path)?;
        self.check_acl(task, &node, Perms::WRITE)?;
        let data_len = request.data.map_or(0, <[u8]>::len);
        self.check_quota(task, path, 0, data_len as i64 - node.data_len as i64)?;
        let version = next_version(node.stat.version, request.version)?;
        if data_len > node.data_len {
            // The old data stays until this is applied.
            self.room.take(data_len as u64)?;
        }
        node.stat.version = version;
        node.stat.mtime = task.request.header.time.0;
        node.stat.mzxid = task.zxid().0;
        node.data_len = data_len;
        node.content_crc = if task.tree.settings.digest_enabled && !digest::is_excluded(path) {
            Some(digest::content_crc(path::canonical(path), request.data))
        } else {
            None
        };
        self.put(task, path, node);
        Ok(Txn::SetData { path: path.to_owned(), data: task.share(request.data), version })
    }

    pub(super) fn decide_set_acl(&mut self, task: Task<'_>) -> Decision {
        let request = SetAclRequest::decode(&mut Reader::new(task.request.body))?;
        task.check_session()?;
        let path = valid(request.path)?;
        let acl = self.fix_up(task, request.acl.as_deref())?;
        let mut node = self.record(task, path)?;
        self.check_acl(task, &node, Perms::ADMIN)?;
        let version = next_version(node.stat.aversion, request.version)?;
        node.stat.aversion = version;
        node.acl = Some(Arc::from(&acl[..]));
        self.put(task, path, node);
        Ok(Txn::SetAcl { path: path.to_owned(), acl, version })
    }

    /// Only inside a multi.
    pub(super) fn check(&mut self, task: Task<'_>, request: &PathVersion<'_>) -> Decision {
        task.check_session()?;
        let path = valid(request.path)?;
        let node = self.record(task, path)?;
        self.check_acl(task, &node, Perms::READ)?;
        let decided = next_version(node.stat.version, request.version);
        let version = if planted::is(Bug::CheckIgnoredInMulti) { node.stat.version } else { decided? };
        Ok(Txn::Check { path: path.to_owned(), version })
    }

    /// The next configuration is decided on by whoever knows the ensemble; what remains is who may ask for it, and that the
    /// text becomes the data of `/zookeeper/config`, always of version -1.
    pub(super) fn decide_reconfig(&mut self, task: Task<'_>) -> Decision {
        ReconfigRequest::decode(&mut Reader::new(task.request.body))?;
        if !self.settings.reconfig_enabled {
            return Err(ErrorCode::ReconfigDisabled.into());
        }
        task.check_session()?;
        let next = task.request.next_config.ok_or(ErrorCode::Unimplemented)?;
        let text = next.map_err(|code| match code {
            ErrorCode::MarshallingError => Refusal::Broken,
            code => Refusal::Code(code),
        })?;
        let mut node = self.record(task, CONFIG_PATH)?;
        self.check_acl(task, &node, Perms::WRITE)?;
        node.stat.version = CONFIG_VERSION;
        node.stat.mtime = task.request.header.time.0;
        node.stat.mzxid = task.zxid().0;
        node.data_len = text.len();
        node.content_crc = if task.tree.settings.digest_enabled && !digest::is_excluded(CONFIG_PATH) {
            Some(digest::content_crc(CONFIG_PATH, Some(text)))
        } else {
            None
        };
        self.put(task, CONFIG_PATH, node);
        Ok(Txn::Reconfig { path: CONFIG_PATH.to_owned(), data: Some(text.clone()), version: CONFIG_VERSION })
    }

    /// Lists the ephemerals the session will have when this is applied (I10). Unlike Apache, the parents' child counts go
    /// down at once, so that a delete of the parent behind this close is not refused.
    pub(super) fn close_session(&mut self, task: Task<'_>) -> Txn {
        let session = task.request.header.session;
        let paths = self.outstanding.ephemerals_of(session, task.tree.ephemerals_of(session));
        for path in &paths {
            let Ok(node) = self.record(task, path) else { continue };
            if let Some((parent_path, _)) = path::split(path)
                && let Err(code) = self.put_child_deleted(task, parent_path)
            {
                tracing::error!(%path, %code, "an ephemeral's parent is not there");
            }
            self.put_deleted(task, path, &node);
        }
        self.unlisted = paths.into_iter().collect();
        Txn::CloseSession { paths: Some(self.list_some()) }
    }

    /// As many of the ephemerals as fit into one transaction.
    fn list_some(&mut self) -> Vec<String> {
        let mut room = self.settings.txn_bytes_max.saturating_sub(CLOSE_SESSION_BYTES);
        let mut paths = Vec::new();
        while let Some(path) = self.unlisted.pop_front_if(|path| paths.is_empty() || 4 + path.len() <= room) {
            room = room.saturating_sub(4 + path.len());
            paths.push(path);
        }
        paths
    }

    /// See [`Prep::prepare_rest`].
    pub(super) fn list_rest(&mut self, task: Task<'_>) -> Txn {
        let paths = self.list_some();
        for path in &paths {
            let Some((parent_path, _)) = path::split(path) else { continue };
            let Ok(mut parent) = self.record(task, parent_path) else { continue };
            parent.stat.child_deleted(task.zxid().0);
            self.put(task, parent_path, parent);
        }
        Txn::CloseSession { paths: Some(paths) }
    }
}

pub(super) fn create_session(task: Task<'_>) -> Decision {
    Ok(Txn::CreateSession { timeout: Reader::new(task.request.body).i32()? })
}

fn valid(path: Option<&str>) -> Result<&str, ErrorCode> {
    path.filter(|path| path::is_valid(path)).ok_or(ErrorCode::BadArguments)
}

/// `PrepRequestProcessor.getParentPathAndValidate`.
fn parent_of_deletable(path: &str) -> Result<&str, ErrorCode> {
    let (parent, _) = path::split(path).ok_or(ErrorCode::BadArguments)?;
    if path.contains('\0') || path::is_special(path) {
        return Err(ErrorCode::BadArguments);
    }
    Ok(parent)
}
