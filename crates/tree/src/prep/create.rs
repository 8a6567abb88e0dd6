//! The four creates (`PrepRequestProcessor.pRequest2TxnCreate`).

use super::outstanding::Record;
use super::{Decision, Prep, Refusal, Task, ZNODE_BYTES};
use crate::node::{Owner, StoredStat};
use crate::{digest, path};
use planted::Bug;
use std::sync::Arc;
use wire::client::{CreateMode, CreateRequest, OpCode};
use wire::txn::{CreateKind, CreateTxn, Txn};
use wire::{ErrorCode, Perms, Reader};

impl Prep {
    pub(super) fn decide_create(&mut self, task: Task<'_>) -> Decision {
        let opcode = task.request.opcode;
        let request = CreateRequest::decode(opcode, &mut Reader::new(task.request.body))?;
        self.create(task, opcode, &request)
    }

    pub(super) fn create(&mut self, task: Task<'_>, opcode: OpCode, request: &CreateRequest<'_>) -> Decision {
        let mode = CreateMode::from_flags(request.flags).ok_or(ErrorCode::BadArguments)?;
        check_ttl(task, mode, request.ttl)?;
        if mode.is_ephemeral() {
            task.request.ephemeral_error.map_or(Ok(()), Err)?;
        }
        task.check_session()?;
        let given = request.path.ok_or(Refusal::Broken)?;
        let (parent_path, _) = path::split(given).ok_or(ErrorCode::BadArguments)?;
        if given.contains('\0') {
            return Err(ErrorCode::BadArguments.into());
        }
        let acl = self.fix_up(task, request.acl.as_deref())?;
        let mut parent = self.record(task, parent_path)?;
        self.check_acl(task, &parent, Perms::CREATE)?;
        let full = match mode.is_sequential() {
            true if planted::is(Bug::SequenceFromChildCount) => format!("{given}{:010}", parent.child_count),
            true => format!("{given}{:010}", parent.stat.cversion),
            false => given.to_owned(),
        };
        if mode.is_sequential() {
            self.ceiling.watch(parent_path, parent.stat.cversion);
        }
        if !path::is_valid(&full) {
            return Err(ErrorCode::BadArguments.into());
        }
        if self.record(task, &full).is_ok() {
            return Err(ErrorCode::NodeExists.into());
        }
        if matches!(task.owner(&parent.stat), Owner::Session(_)) {
            return Err(ErrorCode::NoChildrenForEphemerals.into());
        }
        let data_len = request.data.map_or(0, <[u8]>::len);
        self.check_quota(task, &full, 1, data_len as i64)?;
        self.room.take(ZNODE_BYTES + (full.len() + data_len) as u64)?;
        let kind = kind(opcode, mode, request.ttl)?;
        let parent_cversion = parent.stat.cversion.wrapping_add(1);
        parent.child_count += 1;
        parent.stat.child_created(parent_cversion, task.zxid().0);
        self.put(task, parent_path, parent);
        self.put_created(task, &full, request.data, &acl, kind);
        let data = task.share(request.data);
        Ok(Txn::Create(CreateTxn { path: full, data, acl, kind, parent_cversion }))
    }

    /// Records the new node as applying the transaction will make it. (Apache records what the request's *flags* say, which
    /// differs for a createContainer without the container flag and makes its digest wrong.)
    fn put_created(&mut self, task: Task<'_>, path: &str, data: Option<&[u8]>, acl: &[wire::Acl], kind: CreateKind) {
        let header = &task.request.header;
        let owner = match kind {
            CreateKind::Create { ephemeral: true } | CreateKind::Create2 { ephemeral: true } => header.session.0,
            CreateKind::Create { .. } | CreateKind::Create2 { .. } => 0,
            CreateKind::Container => Owner::CONTAINER,
            CreateKind::Ttl(ttl) => Owner::stored_ttl(ttl),
        };
        let counts = task.tree.settings.digest_enabled && !digest::is_excluded(path);
        let record = Record {
            stat: StoredStat::created(header.zxid.0, header.time.0, owner),
            child_count: 0,
            acl: Some(Arc::from(acl)),
            data_len: data.map_or(0, <[u8]>::len),
            content_crc: counts.then(|| digest::content_crc(path, data)),
            digest: 0,
        };
        self.put(task, path, record);
    }
}

/// A time to live belongs to the TTL modes and to nothing else (`EphemeralType.validateTTL`).
fn check_ttl(task: Task<'_>, mode: CreateMode, ttl: Option<i64>) -> Result<(), ErrorCode> {
    if mode.is_ttl() && !task.tree.settings.extended_types {
        return Err(ErrorCode::Unimplemented);
    }
    let ttl = ttl.unwrap_or(-1);
    let valid = if mode.is_ttl() { (1..=CreateMode::TTL_MS_MAX).contains(&ttl) } else { ttl < 0 };
    if valid { Ok(()) } else { Err(ErrorCode::BadArguments) }
}

/// The transaction's type follows the opcode, not the flags. A createTTL whose flags name another mode would be a
/// transaction that Apache's `processTxn` cannot apply: it is refused.
fn kind(opcode: OpCode, mode: CreateMode, ttl: Option<i64>) -> Result<CreateKind, ErrorCode> {
    let ephemeral = mode.is_ephemeral();
    Ok(match opcode {
        OpCode::CreateContainer => CreateKind::Container,
        OpCode::CreateTtl if mode.is_ttl() => CreateKind::Ttl(ttl.unwrap_or(-1)),
        OpCode::CreateTtl => return Err(ErrorCode::BadArguments),
        OpCode::Create2 => CreateKind::Create2 { ephemeral },
        _ => CreateKind::Create { ephemeral },
    })
}
