//! How long the tree takes for what a server does most: a figure to look at while working on it, not a test.
//! `cargo run --release -p zookube-tree --example speed`
#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use bytes::{Bytes, BytesMut};
use std::time::{Duration, Instant};
use tree::image::{Loader, LoaderSettings, Writer};
use tree::{ConnId, Events, Prep, PrepSettings, ReadContext, Tree, TreeSettings, WriteRequest};
use wire::client::OpCode;
use wire::txn::{TxnEntry, TxnHeader};
use wire::{Acl, Millis, SessionId, Writer as _, Xid, Zxid};

const NODES: usize = 1_000_000;
const READS: usize = 2_000_000;
const SESSION: SessionId = SessionId(1);

fn request(write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut body = Vec::new();
    write(&mut body);
    body.into()
}

fn path(n: usize) -> String {
    format!("/service-{:03}/node-{n:07}", n % 1000)
}

fn create(path: &str) -> Bytes {
    request(|out| {
        out.string(path);
        out.buffer(Some(&[7; 100]));
        Acl::encode_vec(&Acl::open(), out);
        out.i32(0);
    })
}

fn report(what: &str, count: usize, took: Duration) {
    println!(
        "{what:<28} {:>8.0} ns each, {:.2} s for {count}",
        took.as_nanos() as f64 / count as f64,
        took.as_secs_f64()
    );
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

fn main() {
    let mut tree = Tree::new(TreeSettings { hash_seed: 1, ..TreeSettings::default() });
    let mut prep = Prep::new(PrepSettings::default());
    let mut events = Events::new();
    let mut zxid = 0;
    let mut write = |tree: &mut Tree, opcode: OpCode, body: &Bytes| -> (Duration, Duration) {
        zxid += 1;
        let header = TxnHeader { session: SESSION, cxid: Xid(1), zxid: Zxid(zxid), time: Millis(zxid) };
        let request = WriteRequest {
            header,
            opcode,
            body,
            identities: &[],
            session_error: None,
            ephemeral_error: None,
            next_config: None,
        };
        let start = Instant::now();
        let entry: TxnEntry = prep.prepare(tree, &request);
        let prepared = start.elapsed();
        let start = Instant::now();
        let result = tree.apply(&entry, &mut events);
        prep.applied(entry.zxid());
        let applied = start.elapsed();
        assert_eq!(result.error_code(), 0, "{result:?}");
        (prepared, applied)
    };
    let add = |sum: &mut (Duration, Duration), one: (Duration, Duration)| *sum = (sum.0 + one.0, sum.1 + one.1);
    for n in 0..1000 {
        write(&mut tree, OpCode::Create, &create(&format!("/service-{n:03}")));
    }
    let before = resident_kib();
    let (mut sum, mut slowest) = ((Duration::ZERO, Duration::ZERO), Duration::ZERO);
    for n in 0..NODES {
        let took = write(&mut tree, OpCode::Create, &create(&path(n)));
        slowest = slowest.max(took.1);
        add(&mut sum, took);
    }
    report("prepare create", NODES, sum.0);
    report("apply create", NODES, sum.1);
    println!("slowest apply                {:>8.0} us", slowest.as_secs_f64() * 1e6);
    let bytes = (resident_kib() - before) * 1024 / NODES as u64;
    println!("memory                       {bytes:>8} bytes a znode, 12 of name and 100 of data included");
    reads(&tree);
    let mut sum = (Duration::ZERO, Duration::ZERO);
    for n in 0..NODES {
        let set = request(|out| {
            out.string(&path(n * 7919 % NODES));
            out.buffer(Some(&[8; 100]));
            out.i32(-1);
        });
        add(&mut sum, write(&mut tree, OpCode::SetData, &set));
    }
    report("prepare setData", NODES, sum.0);
    report("apply setData", NODES, sum.1);
    images(&tree);
}

fn reads(tree: &Tree) {
    let bodies: Vec<Bytes> = (0..4096)
        .map(|n| n * 7919 % NODES)
        .map(|n| {
            request(|out| {
                out.string(&path(n));
                out.bool(false);
            })
        })
        .collect();
    let context = ReadContext { conn: ConnId(1), session: SESSION, identities: &[], skip_acl: false };
    let mut out = BytesMut::with_capacity(1 << 20);
    for (name, opcode) in [("getData", OpCode::GetData), ("exists", OpCode::Exists)] {
        let start = Instant::now();
        for n in 0..READS {
            if out.len() > 1 << 19 {
                out.clear();
            }
            tree.read(opcode, Xid(1), &bodies[n % bodies.len()], &context, &mut out);
        }
        report(name, READS, start.elapsed());
    }
}

fn images(tree: &Tree) {
    let mut image = Vec::new();
    let (start, mut writer, mut slowest) = (Instant::now(), Writer::new(tree), Duration::ZERO);
    loop {
        let chunk = Instant::now();
        let more = writer.next_chunk(tree, &mut image, 256 << 10).expect("the tree stays");
        slowest = slowest.max(chunk.elapsed());
        if !more {
            break;
        }
    }
    report("write image", NODES, start.elapsed());
    println!("slowest chunk of 256 KiB     {:>8.0} us", slowest.as_secs_f64() * 1e6);
    let start = Instant::now();
    let mut loader = Loader::new(LoaderSettings { tree: tree.settings(), record_bytes_max: 1 << 21 });
    for piece in image.chunks(64 << 10) {
        loader.push(piece).expect("our own image");
    }
    let loaded = loader.finish().expect("our own image");
    report("load image", NODES, start.elapsed());
    assert_eq!(loaded.digest(), tree.digest());
}
