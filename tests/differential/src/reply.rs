//! What a server sent, as lines to compare.

use support::jute::{Decoder, Malformed};

use crate::mask::Mask;
use crate::request::Request;

/// A frame after the session is open.
#[derive(Debug)]
pub struct Header {
    /// -1 marks a watch event.
    pub xid: i32,
    /// The server's last processed zxid, or the event's transaction.
    pub zxid: i64,
    /// Error code.
    pub err: i32,
}

/// Splits a frame into its header and the rest.
///
/// # Errors
/// When the frame is shorter than a header.
pub fn header(frame: &[u8]) -> Result<(Header, Decoder<'_>), Malformed> {
    let mut dec = Decoder::new(frame);
    let header = Header { xid: dec.int()?, zxid: dec.long()?, err: dec.int()? };
    Ok((header, dec))
}

/// The line for a watch event.
///
/// # Errors
/// When the bytes are no event.
pub fn event(header: &Header, dec: &mut Decoder<'_>, mask: &Mask) -> Result<String, Malformed> {
    let (kind, state, path) = (dec.int()?, dec.int()?, dec.string()?);
    let name = match kind {
        1 => "NodeCreated",
        2 => "NodeDeleted",
        3 => "NodeDataChanged",
        4 => "NodeChildrenChanged",
        _ => "unknown type",
    };
    let line = format!("event zxid={} err={} {name}({kind}) state={state} {path}", mask.zxid(header.zxid), header.err);
    Ok(line + &trailing(dec))
}

/// The line for the reply to `request`.
pub fn reply(request: &Request, xid: i32, header: &Header, dec: &mut Decoder<'_>, mask: &mut Mask) -> String {
    let xid = if header.xid == xid { String::new() } else { format!(" WRONG XID {}", header.xid) };
    let head = format!("reply{xid} zxid={} err={}", mask.zxid(header.zxid), header.err);
    if header.err != 0 {
        return head + &trailing(dec);
    }
    match body(request, dec, mask) {
        Ok(text) => format!("{head} {text}{}", trailing(dec)),
        Err(e) => format!("{head} {e}{}", trailing(dec)),
    }
}

fn trailing(dec: &Decoder<'_>) -> String {
    match dec.rest() {
        [] => String::new(),
        rest => format!(" + {} more bytes {:02x?}", rest.len(), &rest[..rest.len().min(64)]),
    }
}

fn body(request: &Request, dec: &mut Decoder<'_>, mask: &mut Mask) -> Result<String, Malformed> {
    Ok(match request {
        Request::Create { op, .. } => {
            let path = dec.string()?;
            if *op as i32 == 1 { path } else { format!("{path} {}", stat(dec, mask)?) }
        }
        Request::Exists { .. } | Request::SetData { .. } | Request::SetAcl { .. } => stat(dec, mask)?,
        Request::Reconfig { .. } => config_stat(dec, mask)?,
        Request::GetData { path, .. } if path.as_deref() == Some("/zookeeper/config") => config_stat(dec, mask)?,
        Request::GetData { .. } => data_stat(dec, mask)?,
        Request::GetAcl { .. } => {
            let acls = (0..dec.count()?).map(|_| Ok(format!("{}:{}:{}", dec.int()?, dec.string()?, dec.string()?)));
            format!("{} {}", set(acls.collect::<Result<_, _>>()?), stat(dec, mask)?)
        }
        Request::GetChildren { .. } | Request::GetEphemerals { .. } => set(dec.strings()?),
        Request::GetChildren2 { .. } => format!("{} {}", set(dec.strings()?), stat(dec, mask)?),
        Request::Sync { .. } => dec.string()?,
        Request::Multi(_) | Request::MultiRead(_) => multi(dec, mask)?,
        Request::GetAllChildrenNumber { .. } => dec.int()?.to_string(),
        Request::AddWatch { .. } => format!("ErrorResponse({})", dec.int()?),
        Request::WhoAmI => {
            let ids = (0..dec.count()?).map(|_| Ok(format!("{}:{}", dec.string()?, dec.string()?)));
            set(ids.collect::<Result<_, _>>()?)
        }
        Request::Delete { .. }
        | Request::Check { .. }
        | Request::Ping
        | Request::CheckWatches { .. }
        | Request::RemoveWatches { .. }
        | Request::Auth { .. }
        | Request::SetWatches { .. }
        | Request::SetWatches2 { .. }
        | Request::CloseSession
        | Request::Raw { .. } => String::new(),
    })
}

// Java's sets have no order that another server could be held to.
fn set(mut values: Vec<String>) -> String {
    values.sort();
    format!("{values:?}")
}

fn stat(dec: &mut Decoder<'_>, mask: &mut Mask) -> Result<String, Malformed> {
    Ok(mask.stat(&dec.stat()?))
}

/// The configuration that a reconfig has led to. Apache's lines are in the order of a Java hash map, which depends on how the
/// map came about.
fn config_stat(dec: &mut Decoder<'_>, mask: &mut Mask) -> Result<String, Malformed> {
    let text = dec.buffer()?.map(|text| String::from_utf8_lossy(text).into_owned());
    let mut lines: Vec<&str> = text.iter().flat_map(|text| text.lines()).collect();
    lines.sort_unstable();
    Ok(format!("{} {}", mask.data(Some(lines.join("\n").as_bytes())), stat(dec, mask)?))
}

fn data_stat(dec: &mut Decoder<'_>, mask: &mut Mask) -> Result<String, Malformed> {
    let data = mask.data(dec.buffer()?);
    Ok(format!("{data} {}", stat(dec, mask)?))
}

fn multi(dec: &mut Decoder<'_>, mask: &mut Mask) -> Result<String, Malformed> {
    let mut parts = Vec::new();
    loop {
        let (kind, done, err) = (dec.int()?, dec.bool()?, dec.int()?);
        if done {
            parts.push(format!("end({kind},{err})"));
            return Ok(parts.join("; "));
        }
        let result = match kind {
            -1 => format!("error {}", dec.int()?),
            1 => dec.string()?,
            15 | 19 | 21 => format!("{} {}", dec.string()?, stat(dec, mask)?),
            2 | 13 => String::new(),
            5 => stat(dec, mask)?,
            8 => set(dec.strings()?),
            4 => data_stat(dec, mask)?,
            other => return Err(Malformed(format!("multi result of type {other}"))),
        };
        parts.push(format!("{kind}({err}) {result}"));
    }
}
