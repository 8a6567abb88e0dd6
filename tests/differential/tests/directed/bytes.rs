//! Bytes that are no requests, and four-letter words.

use differential::compare::check_all;
use differential::request::short::{create, get, set};
use differential::script::{Script, Step};
use differential::target::{Target, spec};
use support::ServerKind;
use support::client::{ConnectRequest, frame};
use support::jute::Encoder;

use crate::common::check_standalone;

#[test]
fn bytes_that_are_no_requests() {
    let hello = frame(&ConnectRequest::new_session(30_000).encode());
    let bytes = |server: usize, bytes: Vec<u8>| Step::Bytes { server, bytes, frames: 2 };
    let on = |bytes: Vec<u8>| Step::BytesOn { conn: 0, bytes, frames: 1 };
    let header_only = frame(&Encoder::new().int(1).int(4).0);
    let length = |n: i32| Encoder::new().int(n).0;
    check_standalone(&[
        Script::new("a length that cannot be")
            .step(bytes(0, length(-1)))
            .step(bytes(0, length(1_048_576)))
            .step(bytes(0, b"GET / HTTP/1.1\r\n\r\n".to_vec()))
            .step(bytes(0, frame(&[]))),
        Script::new("a connect request cut short").step(bytes(0, frame(&[0; 4]))).step(bytes(0, frame(&[0; 27]))),
        Script::new("a first request that is none").step(bytes(0, header_only.clone())),
        Script::new("row 67: a four-letter word after the handshake").connect(0).step(on(b"ruok".to_vec())),
        Script::new("a frame too long in a session").connect(0).step(on(length(1_048_576))),
        Script::new("a negative frame in a session").connect(0).step(on(length(-5))),
        Script::new("a frame too short for a header").connect(0).step(on(frame(&[0, 0, 0])).clone()),
        Script::new("a request without its body").connect(0).step(on(header_only)),
        Script::new("two connect requests").connect(0).step(on(hello)),
        Script::new("row 75: the longest frame there may be").connect(0).each(
            0,
            vec![
                create("/big", "", 0),
                set("/big", &"x".repeat(1_048_575 - 8 - 8 - 4 - 4), -1),
                get("/big", false),
                set("/big", "small", -1),
            ],
        ),
        Script::new("row 75: one byte too many")
            .connect(0)
            .each(0, vec![set("/big", &"x".repeat(1_048_575 - 8 - 8 - 4 - 3), -1)]),
    ]);
}

#[test]
fn four_letter_words() {
    let reference = Target::standalone_as(spec(ServerKind::Apache39).set("4lw.commands.whitelist", ""));
    let tested = Target::standalone_as(spec(ServerKind::under_test()).set("4lw.commands.whitelist", ""));
    let words = ["srvr", "stat", "ruok", "mntr", "conf", "cons", "dump", "envi", "wchs", "wchp", "wchc", "dirs"];
    let words = words.iter().chain(&["isro", "srst", "crst", "gtmk", "stmk", "hash", "xxxx", "SRVR"]);
    let ask = |script: Script, word: &&str| script.step(Step::Word { server: 0, word: (*word).to_owned() });
    check_all(&reference, &tested, &[words.fold(Script::new("row 68: nothing but srvr is allowed"), ask)]);

    let words = ["ruok", "isro", "srvr", "dirs", "wchs", "wchp", "wchc", "crst", "srst", "gtmk", "xxxx"];
    check_standalone(&[words.iter().fold(Script::new("row 68: all are allowed"), ask)]);
}
