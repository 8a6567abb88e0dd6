//! Who is told what, when, and how to stop it.

use differential::request::short::{
    add_watch, auth, check_watches, create, create_acl, delete, exists, get, ls, remove_watches, set, set_acl,
};
use differential::request::{Request, acl, open};
use differential::script::Script;

use crate::common::check_standalone;

#[test]
fn watches() {
    let closed = Some(vec![acl(30, "world", "anyone")]);
    check_standalone(&[
        Script::new("row 31: exists registers on a missing znode, the others do not")
            .connect(0)
            .each(0, vec![exists("/w31", true), get("/w31", true), ls("/w31", true), create("/w31", "", 0)])
            .each(0, vec![set("/w31", "x", -1), delete("/w31", -1)]),
        Script::new("rows 32, 33: one NodeDeleted for each connection, events before replies")
            .connect(0)
            .connect(1)
            .each(0, vec![create("/w32", "", 0), create("/w32/x", "", 0)])
            .each(0, vec![get("/w32/x", true), ls("/w32/x", true), exists("/w32/x", true), ls("/w32", true)])
            .each(1, vec![ls("/w32/x", true), ls("/w32", true)])
            .pipelined(0, vec![set("/w32/x", "1", -1), get("/w32/x", true), delete("/w32/x", -1), ls("/w32", false)]),
        Script::new("row 34: persistent and recursive watches")
            .connect(0)
            .connect(1)
            .each(0, vec![create("/w34", "", 0), add_watch("/w34", 0), add_watch("/w34", 1), get("/w34", true)])
            .each(1, vec![add_watch("/w34", 1), add_watch("/", 0), add_watch("/w34/a", 0), add_watch("/w34", 7)])
            .each(0, vec![create("/w34/a", "", 0), create("/w34/a/b", "", 0), set("/w34/a/b", "", -1)])
            .each(0, vec![set("/w34", "", -1), set("/w34", "", -1), delete("/w34/a/b", -1), delete("/w34/a", -1)])
            .each(0, vec![delete("/w34", -1), create("/w34", "", 0)]),
        Script::new("row 35: setWatches catches up")
            .connect(0)
            .each(
                0,
                vec![create("/w35", "", 0), create("/w35/a", "", 0), create("/w35/b", "", 0), set("/w35/a", "", 0)],
            )
            .each(
                0,
                (0..8).map(|behind| Request::SetWatches {
                    behind,
                    lists: [
                        vec!["/w35".into(), "/w35/a".into(), "/gone".into()],
                        vec!["/w35/b".into(), "/to-come".into()],
                        vec!["/w35".into(), "/w35/a".into(), "/gone".into()],
                    ],
                }),
            )
            .each(
                0,
                (0..3).map(|behind| Request::SetWatches2 {
                    behind: behind * 4,
                    lists: [
                        vec!["/w35/a".into()],
                        vec!["/to-come".into()],
                        vec!["/w35".into()],
                        vec!["/w35/p".into(), "/w35".into()],
                        vec!["/w35".into(), "/gone".into()],
                    ],
                }),
            )
            .each(0, vec![create("/to-come", "", 0), create("/w35/p", "", 0), set("/w35/p", "", -1)]),
        Script::new("row 37: who may not read is not told, and the watch is spent")
            .connect(0)
            .connect(1)
            .each(0, vec![create("/w37", "", 0), create("/w37/c", "", 0)])
            .each(1, vec![get("/w37", true), ls("/w37", true), exists("/w37/c", true), add_watch("/w37", 1)])
            .each(0, vec![auth("super", "secret"), set_acl("/w37", closed.clone(), -1), set("/w37", "secret", -1)])
            .each(0, vec![create("/w37/d", "", 0), set("/w37/c", "", -1), set_acl("/w37", open(), -1)])
            .each(0, vec![set("/w37", "public", -1), create("/w37/e", "", 0), create_acl("/w37/f", "", 0, closed)])
            .each(0, vec![set("/w37/f", "", -1), delete("/w37/f", -1)]),
        Script::new("row 38: setACL and failed operations fire nothing")
            .connect(0)
            .each(0, vec![create("/w38", "", 0), get("/w38", true), ls("/w38", true), set_acl("/w38", open(), -1)])
            .each(0, vec![set("/w38", "", 9), create("/w38", "", 0), delete("/w38", 9)])
            .each(0, vec![Request::Multi(vec![set("/w38", "", -1), delete("/nothing", -1)])])
            .each(0, vec![Request::Multi(vec![set("/w38", "", -1), create("/w38/x", "", 0), delete("/w38/x", 0)])]),
    ]);
}

#[test]
fn watch_removal() {
    let kinds = [1, 2, 3, 4, 5];
    let mut script = Script::new("checkWatches and removeWatches of every type").connect(0).connect(1);
    script = script.each(0, vec![create("/r", "", 0)]);
    for kind in kinds {
        let set_all = vec![get("/r", true), ls("/r", true), add_watch("/r", 0), add_watch("/r", 1)];
        script = script.each(0, set_all).each(0, kinds.map(|k| check_watches("/r", k)));
        script = script.each(0, vec![remove_watches("/r", kind), remove_watches("/r", kind)]);
        script = script.each(0, kinds.map(|k| check_watches("/r", k)));
        script = script.each(1, vec![set("/r", "", -1), create("/r/x", "", 0), delete("/r/x", -1)]);
        script = script.each(0, vec![remove_watches("/r", 3)]);
    }
    script = script.each(0, vec![check_watches("/r", 0), remove_watches("/r", 6), check_watches("/none", 3)]);
    script = script.each(1, vec![check_watches("/r", 3), set("/r", "", -1)]);
    check_standalone(&[script]);
}
