//! The format of an export: lines of JSON with a head and an end (docs/zk-export.md). Pure: any reader and writer will do.

use super::kind::Kind;
use super::node::{Item, Node, read_perms};
use crate::path;
use crate::shell::text;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::fmt::{self, Write as _};
use std::io::{self, BufRead, Read, Write};
use wire::client::CreateMode;
use wire::{Acl, Id};

/// What the head calls the format.
const FORMAT: &str = "zookube-export";
/// The version of the format that is written, and the only one that is read.
const VERSION: u64 = 1;
/// The longest line, in bytes: a znode of the largest size that anybody configures, in base64.
const LINE_BYTES_MAX: u64 = 128 << 20;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The path that was exported.
    pub root: String,
    /// When it was begun, RFC 3339.
    pub time: String,
    /// How far the server was then.
    pub zxid: i64,
    /// Whether the types were known: if not, containers and znodes with a time to live look like persistent ones.
    pub types: bool,
}

/// The last line, without its checksum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct End {
    /// How many znodes there are.
    pub count: u64,
    /// How many ephemerals were left out since the export was begun, or last resumed.
    pub ephemerals: u64,
    /// How many znodes could not be read.
    pub closed: u64,
    /// Whether it was interrupted and resumed: then it is of more than one time.
    pub resumed: bool,
}

/// What is wrong with a file.
#[derive(Debug)]
pub struct DumpError {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong there.
    pub what: String,
    /// Whether the file merely ends too early: an export that was interrupted.
    pub is_cut: bool,
}

impl fmt::Display for DumpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}\nhint: ", self.line, self.what)?;
        f.write_str(if self.is_cut {
            "the export was interrupted, or the file cut on its way; run the same `zk export` again to complete it, or copy the file anew"
        } else {
            "the file is damaged or was changed by hand; take another copy, or export anew (docs/zk-export.md has the format)"
        })
    }
}

impl std::error::Error for DumpError {}

/// Writes an export.
pub struct DumpWriter<W> {
    out: W,
    sums: Sums,
}

/// What the last line says, while the lines before it are written or read.
#[derive(Debug, Clone, Default)]
pub struct Sums {
    hasher: Sha256,
    /// How many znodes there are so far.
    pub count: u64,
    /// How many that could not be read.
    pub closed: u64,
}

impl<W: Write> DumpWriter<W> {
    /// Begins with a head.
    ///
    /// # Errors
    /// The writer's.
    pub fn begin(out: W, head: &Head) -> io::Result<DumpWriter<W>> {
        let mut writer = DumpWriter { out, sums: Sums::default() };
        let head = json!({
            "root": head.root, "time": head.time, "types": head.types, "zxid": format!("0x{:x}", head.zxid)
        });
        let rest = head.to_string();
        writer.line(&format!("{{\"format\":\"{FORMAT}\",\"version\":{VERSION},{}", &rest[1..]))?;
        Ok(writer)
    }

    /// Goes on behind lines that were written before, of which [`DumpReader::progress`] tells.
    pub fn go_on(out: W, sums: Sums) -> DumpWriter<W> {
        DumpWriter { out, sums }
    }

    /// Appends a znode. Returns the line's length in bytes.
    ///
    /// # Errors
    /// The writer's.
    pub fn node(&mut self, node: &Node) -> io::Result<usize> {
        self.sums.count += 1;
        let line = node_line(node);
        self.line(&line)?;
        Ok(line.len())
    }

    /// Appends that a znode could not be read: whoever makes another tree like this one must not take it for absent.
    ///
    /// # Errors
    /// The writer's.
    pub fn closed(&mut self, path: &str) -> io::Result<()> {
        self.sums.closed += 1;
        self.line(&format!("{{\"path\":{},\"unreadable\":true}}", Value::from(path)))
    }

    /// Appends the last line and gives the writer back. The count and that of unreadable znodes are this writer's.
    ///
    /// # Errors
    /// The writer's.
    pub fn end(mut self, end: End) -> io::Result<W> {
        let sha256 = hex(&self.sums.hasher.finalize_reset());
        let (Sums { count, closed, .. }, End { ephemerals, resumed, .. }) = (&self.sums, end);
        self.line(&format!(
            "{{\"count\":{count},\"ephemerals\":{ephemerals},\"unreadable\":{closed},\"resumed\":{resumed},\"sha256\":\"{sha256}\"}}"
        ))?;
        self.out.flush()?;
        Ok(self.out)
    }

    /// Everything so far is on its way.
    ///
    /// # Errors
    /// The writer's.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn line(&mut self, text: &str) -> io::Result<()> {
        self.sums.hasher.update(text.as_bytes());
        self.sums.hasher.update(b"\n");
        self.out.write_all(text.as_bytes())?;
        self.out.write_all(b"\n")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A znode's line; the path first, for people who look into the file.
fn node_line(node: &Node) -> String {
    let data = node.data.as_ref().map_or(Value::Null, |data| Value::String(BASE64.encode(data)));
    let entry = |acl: &Acl| json!({"scheme": acl.id.scheme, "id": acl.id.id, "perms": text::perms(acl.perms)});
    let acl: Vec<Value> = node.acl.iter().map(entry).collect();
    let mut line =
        format!("{{\"path\":{},\"data\":{data},\"acl\":{}", Value::from(node.path.as_str()), Value::Array(acl));
    match node.kind {
        Some(Kind::Ttl(ms)) => line += &format!(",\"ttlMs\":{ms}"),
        Some(Kind::Container) => line += ",\"container\":true",
        Some(Kind::Persistent | Kind::Ephemeral(_)) | None => {}
    }
    line + "}"
}

/// Reads an export, and checks it on the way: what [`DumpReader::next_item`] gives is only known to be whole when it has given `None`.
pub struct DumpReader<R> {
    input: R,
    /// The first line.
    pub head: Head,
    sums: Sums,
    line: u64,
    bytes: u64,
    last: Option<String>,
    end: Option<End>,
}

impl<R: BufRead> DumpReader<R> {
    /// Reads the head.
    ///
    /// # Errors
    /// When it is none, or of a version that this program does not know.
    pub fn begin(mut input: R) -> Result<DumpReader<R>, DumpError> {
        let line = read_line(&mut input, 1)?;
        let wrong = |what: String| DumpError { line: 1, what, is_cut: false };
        let not_one =
            || wrong(format!("expected the head of an export, {{\"format\":\"{FORMAT}\",...}}, found something else"));
        let fields: Map<String, Value> = serde_json::from_slice(&line).map_err(|_| not_one())?;
        if fields.get("format").and_then(Value::as_str) != Some(FORMAT) {
            return Err(not_one());
        }
        if fields.get("version").and_then(Value::as_u64) != Some(VERSION) {
            let found = fields.get("version").map(ToString::to_string).unwrap_or_default();
            return Err(wrong(format!(
                "expected version {VERSION} of the format, found {found}; a newer program may read it"
            )));
        }
        let text = |name: &str| {
            let value = fields.get(name).and_then(Value::as_str).map(str::to_owned);
            value.ok_or_else(|| wrong(format!("expected a text {name:?} in the head")))
        };
        let zxid = text("zxid")?;
        let zxid = zxid.strip_prefix("0x").and_then(|digits| i64::from_str_radix(digits, 16).ok());
        let zxid = zxid.ok_or_else(|| wrong("expected a hexadecimal zxid in the head".to_owned()))?;
        let types = fields.get("types").and_then(Value::as_bool);
        let types = types.ok_or_else(|| wrong("expected a boolean \"types\" in the head".to_owned()))?;
        let head = Head { root: text("root")?, time: text("time")?, zxid, types };
        let mut reader = DumpReader { input, head, sums: Sums::default(), line: 1, bytes: 0, last: None, end: None };
        reader.accept(&line);
        Ok(reader)
    }

    /// The next znode, which may be one that could not be read; `None` at the end, which has been checked then.
    ///
    /// # Errors
    /// The first line that is not what it should be.
    pub fn next_item(&mut self) -> Result<Option<Item>, DumpError> {
        if self.end.is_some() {
            return Ok(None);
        }
        let number = self.line + 1;
        let wrong = |what: String| DumpError { line: number, what, is_cut: false };
        let line = read_line(&mut self.input, number)?;
        let fields: Map<String, Value> =
            serde_json::from_slice(&line).map_err(|error| wrong(format!("expected an object of JSON: {error}")))?;
        if fields.contains_key("sha256") {
            let end = self.check_end(&fields).map_err(wrong)?;
            self.end = Some(end);
            return Ok(None);
        }
        let mut item = read_item(&fields).map_err(wrong)?;
        if let Item::Node(node) = &mut item
            && !self.head.types
            && node.kind == Some(Kind::Persistent)
        {
            node.kind = None;
        }
        if self.last.as_ref().is_some_and(|last| path::order(last, item.path()).is_ge()) {
            return Err(wrong(format!("{:?} is not where its place in the tree's order is", item.path())));
        }
        self.last = Some(item.path().to_owned());
        match &item {
            Item::Node(_) => self.sums.count += 1,
            _ => self.sums.closed += 1,
        }
        self.line = number;
        self.accept(&line);
        Ok(Some(item))
    }

    /// The last line, once it was read.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// How far it was read: the path of the last znode, the length of the good lines in bytes, and what a writer needs to go on.
    #[must_use]
    pub fn progress(&self) -> (Option<&str>, u64, Sums) {
        (self.last.as_deref(), self.bytes, self.sums.clone())
    }

    fn accept(&mut self, line: &[u8]) {
        self.sums.hasher.update(line);
        self.bytes += line.len() as u64;
    }

    fn check_end(&mut self, fields: &Map<String, Value>) -> Result<End, String> {
        let number = |name: &str| {
            fields
                .get(name)
                .and_then(Value::as_u64)
                .ok_or_else(|| format!("expected a number {name:?} in the last line"))
        };
        let end = End {
            count: number("count")?,
            ephemerals: number("ephemerals")?,
            closed: number("unreadable")?,
            resumed: fields.get("resumed").and_then(Value::as_bool).unwrap_or_default(),
        };
        if (end.count, end.closed) != (self.sums.count, self.sums.closed) {
            return Err(format!(
                "the file says that it has {} znodes and {} unreadable ones, found {} and {}",
                end.count, end.closed, self.sums.count, self.sums.closed
            ));
        }
        let (found, said) = (hex(&self.sums.hasher.clone().finalize()), fields.get("sha256").and_then(Value::as_str));
        if said != Some(found.as_str()) {
            return Err(format!("the lines above have the SHA-256 {found}, expected {}", said.unwrap_or("a text")));
        }
        let mut more = [0];
        match self.input.read(&mut more) {
            Ok(0) => Ok(end),
            Ok(_) => Err("something follows behind the last line".to_owned()),
            Err(error) => Err(format!("read: {error}")),
        }
    }
}

/// Reads a line with its end; no more than the longest there may be is ever held.
fn read_line(input: &mut impl BufRead, line: u64) -> Result<Vec<u8>, DumpError> {
    let mut bytes = Vec::new();
    let cut = |what: &str| DumpError { line, what: what.to_owned(), is_cut: true };
    match input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes) {
        Ok(_) if bytes.ends_with(b"\n") => Ok(bytes),
        Ok(0) => Err(cut("the file ends before its last line")),
        Ok(length) if length as u64 == LINE_BYTES_MAX => {
            let what = format!("expected a line of less than {LINE_BYTES_MAX} bytes, found a longer one");
            Err(DumpError { line, what, is_cut: false })
        }
        Ok(_) => Err(cut("the file ends within this line")),
        // A compressed file that was cut.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(cut("the compressed file ends within this line"))
        }
        Err(error) => Err(DumpError { line, what: format!("read: {error}"), is_cut: false }),
    }
}

fn read_item(fields: &Map<String, Value>) -> Result<Item, String> {
    if let Some(name) =
        fields.keys().find(|name| !["path", "data", "acl", "ttlMs", "container", "unreadable"].contains(&name.as_str()))
    {
        return Err(format!("expected path, data, acl, ttlMs, container or unreadable, found {name:?}"));
    }
    let path = fields.get("path").and_then(Value::as_str).ok_or("expected a text \"path\"")?.to_owned();
    if !path.is_empty() {
        client::path::validate(&format!("/{path}")).map_err(|reason| format!("path {path:?}: {reason}"))?;
    }
    if fields.get("unreadable") == Some(&Value::Bool(true)) && fields.len() == 2 {
        return Ok(Item::Closed { path, reason: "it could not be read when it was exported".to_owned() });
    }
    let data = match fields.get("data") {
        Some(Value::Null) => None,
        Some(Value::String(text)) => Some(BASE64.decode(text).map_err(|error| format!("data of {path:?}: {error}"))?),
        _ => return Err(format!("data of {path:?}: expected base64 or null")),
    };
    let kind = match (fields.get("ttlMs"), fields.get("container")) {
        (None, None | Some(Value::Bool(false))) => Kind::Persistent,
        (None, Some(Value::Bool(true))) => Kind::Container,
        (Some(ttl), None) => match ttl.as_i64() {
            Some(ms @ 1..=CreateMode::TTL_MS_MAX) => Kind::Ttl(ms),
            _ => return Err(format!("ttlMs of {path:?}: expected 1 to {}, found {ttl}", CreateMode::TTL_MS_MAX)),
        },
        _ => return Err(format!("{path:?}: expected either ttlMs or container, a boolean")),
    };
    let acl = fields.get("acl").and_then(Value::as_array).ok_or_else(|| format!("acl of {path:?}: expected a list"))?;
    let acl: Option<Vec<Acl>> = acl.iter().map(read_acl).collect();
    let acl = acl.filter(|acl| !acl.is_empty());
    let acl = acl.ok_or_else(|| format!("acl of {path:?}: expected one or more of {{\"scheme\",\"id\",\"perms\"}}"))?;
    Ok(Item::Node(Node { path, data, acl, kind: Some(kind), stat: None }))
}

fn read_acl(value: &Value) -> Option<Acl> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    Some(Acl { perms: read_perms(text("perms")?)?, id: Id::new(text("scheme")?, text("id")?) })
}
