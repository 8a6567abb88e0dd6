//! The format of an export: what is written is read again, and nothing that was cut or changed is taken for whole.

use super::dump::{DumpError, DumpReader, DumpWriter, End, Head};
use super::kind::Kind;
use super::node::tests::node;
use super::node::{Item, Node};
use std::io::BufReader;
use wire::{Acl, Id, Perms};

fn head() -> Head {
    Head { root: "/app".into(), time: "2026-01-02T03:04:05Z".into(), zxid: 0x1_0000_0007, types: true }
}

fn nodes() -> Vec<Node> {
    let digest = Acl { perms: Perms::READ, id: Id::new("digest", "me:a=:b,c") };
    vec![
        node("", None),
        Node { kind: Some(Kind::Container), ..node("a", Some("")) },
        Node { kind: Some(Kind::Ttl(1000)), acl: vec![digest], ..node("a/é \"x\"", Some("\u{0}\u{1}")) },
        node("b", Some("two")),
    ]
}

fn written() -> Vec<u8> {
    let mut writer = DumpWriter::begin(Vec::new(), &head()).unwrap();
    for node in &nodes() {
        writer.node(node).unwrap();
    }
    writer.closed("c").unwrap();
    writer.end(End { ephemerals: 2, ..End::default() }).unwrap()
}

fn read(bytes: &[u8]) -> Result<(Head, Vec<Node>, End), DumpError> {
    let mut reader = DumpReader::begin(BufReader::new(bytes))?;
    let mut nodes = Vec::new();
    let mut closed = Vec::new();
    while let Some(item) = reader.next_item()? {
        match item {
            Item::Node(node) => nodes.push(node),
            other => closed.push(other.path().to_owned()),
        }
    }
    assert!(closed.is_empty() || closed == ["c"], "{closed:?}");
    Ok((reader.head.clone(), nodes, reader.end().expect("the end was read")))
}

#[test]
fn what_is_written_is_read() {
    let expected = End { count: 4, ephemerals: 2, closed: 1, resumed: false };
    assert_eq!(read(&written()).unwrap(), (head(), nodes(), expected));
    let text = String::from_utf8(written()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "{\"format\":\"zookube-export\",\"version\":1,\"root\":\"/app\",\"time\":\"2026-01-02T03:04:05Z\",\"types\":true,\"zxid\":\"0x100000007\"}"
    );
    assert_eq!(
        lines[2],
        "{\"path\":\"a\",\"data\":\"\",\"acl\":[{\"id\":\"anyone\",\"perms\":\"cdrwa\",\"scheme\":\"world\"}],\"container\":true}"
    );
    assert!(lines[3].ends_with(",\"ttlMs\":1000}"), "{text}");
}

#[test]
fn a_file_cut_anywhere_is_noticed() {
    let whole = written();
    for length in 0..whole.len() {
        let error = read(&whole[..length]).expect_err("a cut file");
        assert!(error.is_cut, "{length}: {error}");
    }
}

#[test]
fn a_changed_byte_is_noticed() {
    let whole = written();
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        let error = read(&changed).err().map(|error| error.to_string());
        // The counts of what was left out inform people, and are not covered.
        let is_count =
            String::from_utf8_lossy(&whole[..at]).lines().last().is_some_and(|line| line.starts_with("{\"count\""));
        assert!(error.is_some() || is_count, "byte {at}");
    }
}

#[test]
fn an_interrupted_export_goes_on() {
    let whole = written();
    let cut = whole.len() - 230;
    let mut reader = DumpReader::begin(BufReader::new(&whole[..cut])).unwrap();
    let mut known = 0;
    while let Ok(Some(_)) = reader.next_item() {
        known += 1;
    }
    let (last, bytes, sums) = reader.progress();
    assert_eq!((known, sums.count, last), (3, 3, Some("a/é \"x\"")));
    let rest = Vec::from(&whole[..usize::try_from(bytes).unwrap()]);
    let mut writer = DumpWriter::go_on(rest, sums);
    for node in &nodes()[3..] {
        writer.node(node).unwrap();
    }
    writer.closed("c").unwrap();
    let again = writer.end(End { ephemerals: 2, ..End::default() }).unwrap();
    assert_eq!(again, whole);
}

fn fault(lines: &[&str]) -> String {
    let head = r#"{"format":"zookube-export","version":1,"root":"/","time":"","types":true,"zxid":"0x0"}"#;
    let text: String = [head].iter().chain(lines).map(|line| format!("{line}\n")).collect();
    read(text.as_bytes()).expect_err("a fault").to_string().lines().next().unwrap_or_default().to_owned()
}

#[test]
fn faults_name_the_line_and_what_was_expected() {
    let acl = r#""acl":[{"scheme":"world","id":"anyone","perms":"r"}]"#;
    let good = format!(r#"{{"path":"b","data":null,{acl}}}"#);
    let with = |fields: &str| fault(&[&good, &format!("{{{fields}}}")]);
    assert_eq!(
        with(&format!(r#""path":"a","data":null,{acl}"#)),
        "line 3: \"a\" is not where its place in the tree's order is"
    );
    assert_eq!(
        with(&format!(r#""path":"c","data":null,{acl},"owner":1"#)),
        "line 3: expected path, data, acl, ttlMs, container or unreadable, found \"owner\""
    );
    assert!(with(&format!(r#""path":"c/../d","data":null,{acl}"#)).contains("relative paths not allowed"));
    assert_eq!(with(&format!(r#""path":"c",{acl}"#)), "line 3: data of \"c\": expected base64 or null");
    assert!(with(&format!(r#""path":"c","data":"!",{acl}"#)).starts_with("line 3: data of \"c\": Invalid"));
    assert!(with(r#""path":"c","data":null,"acl":[]"#).contains("acl of \"c\": expected one or more"));
    assert!(
        with(&format!(r#""path":"c","data":null,{acl},"ttlMs":0"#)).contains("expected 1 to 1099511627775, found 0")
    );
    assert_eq!(fault(&["[]"]).split(':').next(), Some("line 2"));
    let end =
        |count: u64| format!(r#"{{"count":{count},"ephemerals":0,"unreadable":0,"resumed":false,"sha256":"ab"}}"#);
    assert_eq!(
        fault(&[&good, &end(2)]),
        "line 3: the file says that it has 2 znodes and 0 unreadable ones, found 1 and 0"
    );
    assert!(fault(&[&good, &end(1)]).ends_with(", expected ab"));
}

#[test]
fn what_is_no_export_is_refused() {
    let fault = |text: &str| read(text.as_bytes()).expect_err("no export").to_string();
    assert!(fault("hello\n").starts_with("line 1: expected the head of an export"));
    assert!(fault("{\"format\":\"zookube-export\",\"version\":2}\n").contains("found 2; a newer program may read it"));
    assert!(fault("").starts_with("line 1: the file ends before its last line"));
}
