//! multi: several writes, all or nothing (`PrepRequestProcessor.pRequestHelper`, `MultiOperationRecord`).

use super::{Decision, Prep, Refusal, Task};
use wire::client::{CreateMode, CreateRequest, MultiOp, OpCode};
use wire::txn::Txn;
use wire::{ErrorCode, Reader};

impl Prep {
    /// A failed multi is still a multi in the log: the parts before the failure stand as they were decided, the failing one
    /// is its error, the rest are RUNTIMEINCONSISTENCY, and nothing of it will be applied.
    pub(super) fn decide_multi(&mut self, task: Task<'_>) -> Decision {
        let ops = MultiOp::decode_all(&mut Reader::new(task.request.body), false)?;
        let ops = ops.into_iter().map(as_apache_reads_it).collect::<Decision<Vec<_>>>()?;
        let mark = self.outstanding.mark();
        let digest_before = self.digest;
        let mut parts = Vec::with_capacity(ops.len());
        for op in &ops {
            match self.part(task, op) {
                Ok(txn) => parts.push(txn),
                Err(Refusal::Broken) => return Err(Refusal::Broken),
                Err(Refusal::Code(code)) => {
                    self.outstanding.roll_back(mark);
                    self.digest = digest_before;
                    parts.push(Txn::error(code));
                    parts.resize(ops.len(), Txn::error(ErrorCode::RuntimeInconsistency));
                    break;
                }
            }
        }
        Ok(Txn::Multi(parts))
    }

    fn part(&mut self, task: Task<'_>, op: &MultiOp<'_>) -> Decision {
        match op {
            MultiOp::Create(opcode, request) => self.create(task, *opcode, request),
            MultiOp::Delete(request) => self.delete(task, request),
            MultiOp::SetData(request) => self.set_data(task, request),
            MultiOp::Check(request) => self.check(task, request),
            MultiOp::GetChildren(_) | MultiOp::GetData(_) => Err(Refusal::Broken),
        }
    }
}

/// Apache builds an `Op` of every part, which may change its opcode to what the flags mean, and fails the whole request
/// where it cannot: on a null path, and on creates (all but createTTL) with a null ACL or a mode that needs a time to live.
fn as_apache_reads_it(op: MultiOp<'_>) -> Decision<MultiOp<'_>> {
    let path = match &op {
        MultiOp::Create(_, request) => request.path,
        MultiOp::Delete(request) | MultiOp::Check(request) => request.path,
        MultiOp::SetData(request) => request.path,
        MultiOp::GetChildren(request) | MultiOp::GetData(request) => request.path,
    };
    if path.is_none() {
        return Err(Refusal::Broken);
    }
    let MultiOp::Create(opcode, request) = op else { return Ok(op) };
    let mode = CreateMode::from_flags(request.flags);
    if opcode == OpCode::CreateTtl {
        return Ok(match mode {
            Some(mode) if mode.is_ttl() => MultiOp::Create(OpCode::CreateTtl, request),
            Some(CreateMode::Container) => without_ttl(OpCode::CreateContainer, request),
            _ => without_ttl(OpCode::Create, request),
        });
    }
    let mode = mode.ok_or(Refusal::Broken)?;
    if mode.is_ttl() || request.acl.is_none() {
        return Err(Refusal::Broken);
    }
    let opcode = if mode == CreateMode::Container { OpCode::CreateContainer } else { opcode };
    Ok(MultiOp::Create(opcode, request))
}

fn without_ttl(opcode: OpCode, request: CreateRequest<'_>) -> MultiOp<'_> {
    MultiOp::Create(opcode, CreateRequest { ttl: None, ..request })
}
