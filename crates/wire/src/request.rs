//! Requests as a client writes them: the encoders of the records that [`crate::client`] reads.
//!
//! Text that was never checked as a path is written as Java writes it ([`Writer::java_string`]); a checked path cannot
//! hold what would differ.

use crate::acl::Acl;
use crate::client::{
    AuthPacket, CreateRequest, MultiHeader, MultiOp, OpCode, PathNumber, PathVersion, PathWatch, ReconfigRequest,
    RequestHeader, SetAclRequest, SetDataRequest, SetWatches,
};
use crate::jute::Writer;

fn text(value: Option<&str>, out: &mut impl Writer) {
    match value {
        None => out.buffer(None),
        Some(value) => out.java_string(value),
    }
}

fn acls(value: Option<&[Acl]>, out: &mut impl Writer) {
    match value {
        None => out.i32(-1),
        Some(acls) => Acl::encode_vec(acls, out),
    }
}

impl RequestHeader {
    /// Appends the header.
    pub fn encode(&self, out: &mut impl Writer) {
        out.i32(self.xid.0);
        out.i32(self.opcode);
    }
}

impl CreateRequest<'_> {
    /// Appends the body; the time to live is written where there is one, which only createTTL reads.
    pub fn encode(&self, out: &mut impl Writer) {
        text(self.path, out);
        out.buffer(self.data);
        acls(self.acl.as_deref(), out);
        out.i32(self.flags);
        if let Some(ttl) = self.ttl {
            out.i64(ttl);
        }
    }
}

impl PathVersion<'_> {
    /// Appends the body.
    pub fn encode(&self, out: &mut impl Writer) {
        text(self.path, out);
        out.i32(self.version.0);
    }
}

impl SetDataRequest<'_> {
    /// Appends the body.
    pub fn encode(&self, out: &mut impl Writer) {
        text(self.path, out);
        out.buffer(self.data);
        out.i32(self.version.0);
    }
}

impl SetAclRequest<'_> {
    /// Appends the body.
    pub fn encode(&self, out: &mut impl Writer) {
        text(self.path, out);
        acls(self.acl.as_deref(), out);
        out.i32(self.version.0);
    }
}

impl ReconfigRequest<'_> {
    /// Appends the body.
    pub fn encode(&self, out: &mut impl Writer) {
        text(self.joining, out);
        text(self.leaving, out);
        text(self.members, out);
        out.i64(self.config_version);
    }
}

impl PathWatch<'_> {
    /// Appends the body.
    pub fn encode(&self, out: &mut impl Writer) {
        text(self.path, out);
        out.bool(self.watch);
    }
}

impl PathNumber<'_> {
    /// Appends the body.
    pub fn encode(&self, out: &mut impl Writer) {
        text(self.path, out);
        out.i32(self.number);
    }
}

impl AuthPacket<'_> {
    /// Appends the body.
    pub fn encode(&self, out: &mut impl Writer) {
        out.i32(0); // The type, which nobody reads.
        out.java_string(self.scheme);
        out.buffer(Some(self.auth));
    }
}

impl SetWatches<'_> {
    /// The operation that says it: the older one as long as no persistent watch needs the newer, for the sake of old
    /// servers (`ClientCnxn.SendThread.primeConnection`).
    #[must_use]
    pub fn opcode(&self) -> OpCode {
        let plain = self.persistent.is_empty() && self.persistent_recursive.is_empty();
        if plain { OpCode::SetWatches } else { OpCode::SetWatches2 }
    }

    /// Appends the body of [`Self::opcode`].
    pub fn encode(&self, out: &mut impl Writer) {
        out.i64(self.relative_zxid.0);
        out.strings(&self.data);
        out.strings(&self.exist);
        out.strings(&self.child);
        if self.opcode() == OpCode::SetWatches2 {
            out.strings(&self.persistent);
            out.strings(&self.persistent_recursive);
        }
    }
}

impl MultiOp<'_> {
    /// Appends all operations of a multi or multiRead (`MultiOperationRecord.serialize`).
    pub fn encode_all(ops: &[MultiOp<'_>], out: &mut impl Writer) {
        for op in ops {
            MultiHeader { kind: op.opcode() as i32, done: false, error: -1 }.encode(out);
            match op {
                MultiOp::Create(_, request) => request.encode(out),
                MultiOp::Delete(request) | MultiOp::Check(request) => request.encode(out),
                MultiOp::SetData(request) => request.encode(out),
                MultiOp::GetChildren(request) | MultiOp::GetData(request) => request.encode(out),
            }
        }
        MultiHeader::END.encode(out);
    }

    /// The operation's number.
    #[must_use]
    pub fn opcode(&self) -> OpCode {
        match self {
            MultiOp::Create(opcode, _) => *opcode,
            MultiOp::Delete(_) => OpCode::Delete,
            MultiOp::SetData(_) => OpCode::SetData,
            MultiOp::Check(_) => OpCode::Check,
            MultiOp::GetChildren(_) => OpCode::GetChildren,
            MultiOp::GetData(_) => OpCode::GetData,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Version, Zxid};
    use crate::jute::Reader;

    fn bytes(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }

    #[test]
    fn what_is_written_reads_back() {
        for (opcode, ttl) in [(OpCode::Create, None), (OpCode::CreateTtl, Some(5))] {
            for data in [None, Some(&b""[..]), Some(b"x")] {
                let request = CreateRequest { path: Some("/a"), data, acl: Some(Acl::open()), flags: 2, ttl };
                let out = bytes(|out| request.encode(out));
                assert_eq!(CreateRequest::decode(opcode, &mut Reader::new(&out)), Ok(request));
            }
        }
        let request = SetDataRequest { path: Some("/a"), data: None, version: Version::ANY };
        let out = bytes(|out| request.encode(out));
        assert_eq!(SetDataRequest::decode(&mut Reader::new(&out)), Ok(request));
        let request = SetAclRequest { path: Some("/a"), acl: None, version: Version(3) };
        let out = bytes(|out| request.encode(out));
        assert_eq!(SetAclRequest::decode(&mut Reader::new(&out)), Ok(request));
        let request = ReconfigRequest { joining: Some("a"), leaving: None, members: Some(""), config_version: -1 };
        let out = bytes(|out| request.encode(out));
        assert_eq!(ReconfigRequest::decode(&mut Reader::new(&out)), Ok(request));
        let request = AuthPacket { scheme: "digest", auth: b"u:p" };
        let out = bytes(|out| request.encode(out));
        assert_eq!(AuthPacket::decode(&mut Reader::new(&out)), Ok(request));
        let request = PathNumber { path: Some("/a"), number: 5 };
        let out = bytes(|out| request.encode(out));
        assert_eq!(PathNumber::decode(&mut Reader::new(&out)), Ok(request));
    }

    #[test]
    fn set_watches_takes_the_older_form_while_it_can() {
        let mut request = SetWatches { relative_zxid: Zxid(7), data: vec!["/a"], ..SetWatches::default() };
        let old = bytes(|out| request.encode(out));
        assert_eq!(request.opcode(), OpCode::SetWatches);
        assert_eq!(SetWatches::decode(OpCode::SetWatches, &mut Reader::new(&old)).as_ref(), Ok(&request));
        request.persistent_recursive.push("/b");
        let new = bytes(|out| request.encode(out));
        assert_eq!(request.opcode(), OpCode::SetWatches2);
        assert_eq!(SetWatches::decode(OpCode::SetWatches2, &mut Reader::new(&new)).as_ref(), Ok(&request));
    }

    #[test]
    fn a_multi_reads_back() {
        let version = PathVersion { path: Some("/a"), version: Version(1) };
        let create = CreateRequest { path: Some("/b"), data: None, acl: Some(Acl::open()), flags: 5, ttl: Some(9) };
        let set = SetDataRequest { path: Some("/c"), data: Some(b"x"), version: Version::ANY };
        let ops = vec![
            MultiOp::Check(version),
            MultiOp::Create(OpCode::CreateTtl, create),
            MultiOp::SetData(set),
            MultiOp::Delete(version),
        ];
        let out = bytes(|out| MultiOp::encode_all(&ops, out));
        let mut input = Reader::new(&out);
        assert_eq!(MultiOp::decode_all(&mut input, false), Ok(ops));
        assert!(input.is_empty());
    }
}
