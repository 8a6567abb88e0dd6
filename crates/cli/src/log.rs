//! `zk log`: what Apache's `zkTxnLogToolkit.sh` prints, one transaction a line.

use anyhow::Context;
use bytes::Bytes;
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use store::{ENTRY_BYTES_MAX_DEFAULT, LogReader, RealFs, Vfs};
use wire::Zxid;
use wire::txn::{CreateKind, Txn, TxnEntry};

/// Prints the transactions with `from <= zxid <= upto`.
pub fn print(dir: &Path, from: Zxid, upto: Zxid, out: &mut impl Write) -> anyhow::Result<()> {
    let vfs: Arc<dyn Vfs> = Arc::new(RealFs);
    let mut reader = LogReader::open(&vfs, dir, from, upto, ENTRY_BYTES_MAX_DEFAULT)
        .with_context(|| format!("read the log in {}", dir.display()))?;
    let mut count = 0_u64;
    for entry in reader.by_ref() {
        let entry = entry?;
        let decoded = TxnEntry::decode(entry.bytes)
            .with_context(|| format!("read transaction {} at byte {}", entry.zxid, entry.offset))?;
        writeln!(out, "{}", line(&decoded))?;
        count += 1;
    }
    writeln!(out, "{count} transactions")?;
    if let Some(gap) = reader.gap() {
        writeln!(out, "gap: {} follows {}", gap.next, gap.after)?;
    }
    if let Some(tail) = reader.bad_tail() {
        writeln!(out, "torn tail: {} from byte {}; a server cuts it at start", tail.path.display(), tail.offset)?;
    }
    Ok(())
}

/// One transaction.
fn line(entry: &TxnEntry) -> String {
    let header = &entry.header;
    let mut line = format!("{} {} session {} cxid {} ", header.zxid, header.time, header.session, header.cxid);
    body(&entry.txn, &mut line);
    if let Some(digest) = entry.digest {
        // Writing to a string cannot fail.
        let _ = write!(line, " digest {}", digest.digest);
    }
    line
}

fn body(txn: &Txn, line: &mut String) {
    let bytes = |data: &Option<Bytes>| data.as_ref().map_or("null".to_owned(), |data| data.len().to_string());
    let text = match txn {
        Txn::CreateSession { timeout } => format!("createSession timeout {timeout}"),
        Txn::CloseSession { paths } => format!("closeSession {:?}", paths.as_deref().unwrap_or_default()),
        Txn::Error { code } => format!("error {code}"),
        Txn::Create(create) => {
            let kind = match create.kind {
                CreateKind::Create { ephemeral: true } | CreateKind::Create2 { ephemeral: true } => "create ephemeral",
                CreateKind::Create { .. } | CreateKind::Create2 { .. } => "create",
                CreateKind::Container => "createContainer",
                CreateKind::Ttl(_) => "createTTL",
            };
            format!("{kind} {} data {} acl {}", create.path, bytes(&create.data), create.acl.len())
        }
        Txn::Delete { path } => format!("delete {path}"),
        Txn::DeleteContainer { path } => format!("deleteContainer {path}"),
        Txn::SetData { path, data, version } => format!("setData {path} data {} version {version}", bytes(data)),
        Txn::Reconfig { data, .. } => format!("reconfig data {}", bytes(data)),
        Txn::SetAcl { path, acl, version } => format!("setACL {path} acl {} version {version}", acl.len()),
        Txn::Check { path, version } => format!("check {path} version {version}"),
        Txn::Multi(parts) => {
            line.push_str("multi [");
            for (index, part) in parts.iter().enumerate() {
                line.push_str(if index == 0 { "" } else { "; " });
                body(part, line);
            }
            "]".to_owned()
        }
    };
    line.push_str(&text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::{LogSettings, TxnLog};
    use wire::txn::TxnHeader;
    use wire::{Millis, SessionId, Xid};

    #[test]
    fn prints_what_was_logged() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = TxnLog::open(Arc::new(RealFs), dir.path(), LogSettings::default(), Zxid(0));
        for zxid in 1..=3 {
            let header = TxnHeader { session: SessionId(7), cxid: Xid(1), zxid: Zxid(zxid), time: Millis(5) };
            let entry = TxnEntry::new(header, Txn::Delete { path: format!("/n{zxid}") }, None);
            log.append(Zxid(zxid), &entry.bytes).unwrap();
        }
        log.sync().unwrap();
        let mut out = Vec::new();
        print(dir.path(), Zxid(2), Zxid(9), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "0x2 5 session 0x7 cxid 1 delete /n2\n0x3 5 session 0x7 cxid 1 delete /n3\n2 transactions\n");
    }
}
