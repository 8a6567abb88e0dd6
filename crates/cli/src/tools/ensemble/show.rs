//! The answer of `zk ensemble`, as a table or as JSON.

use super::verdict::{Lag, Row, Verdict};
use crate::shell::screen::Paint;
use crate::tools::servers::members::Members;
use crate::tools::servers::sample::{Role, Sample};
use crate::tools::servers::table::{Cell, Side, render};
use crate::tools::servers::{duration, zxid};
use serde_json::{Value, json};
use std::fmt::Write;

const HEADS: &[(&str, Side)] = &[
    ("SERVER", Side::Right),
    ("ADDRESS", Side::Left),
    ("ROLE", Side::Left),
    ("EPOCH", Side::Right),
    ("ZXID", Side::Right),
    ("LAG", Side::Right),
    ("CONNS", Side::Right),
    ("OUTST", Side::Right),
    ("UPTIME", Side::Right),
    ("VERSION", Side::Left),
    ("VIA", Side::Left),
];

/// For people: a row for each member, the sum, and what is wrong.
pub fn text(rows: &[Row], verdict: &Verdict, members: &Members, notes: &[String], colours: bool) -> String {
    let cells: Vec<Vec<Cell>> = rows.iter().map(|row| line(rows, row, verdict)).collect();
    let mut text = render(HEADS, &cells, colours);
    let paint = |paint: Paint, text: &str| if colours { paint.paint(text) } else { text.to_owned() };
    let sum = paint(if verdict.has_quorum { Paint::Green } else { Paint::Red }, &sum(rows, verdict));
    // Writing to a String cannot fail.
    let _ = write!(text, "\n{sum}\n");
    for problem in &verdict.problems {
        let _ = writeln!(text, "{}", paint(Paint::Red, &format!("! {problem}")));
    }
    let told = rows.iter().flat_map(|row| {
        let notes = row.sample.as_ref().map_or(&[][..], |sample| &sample.notes);
        notes.iter().map(|note| format!("{}: {note}", row.member.name()))
    });
    let source = (!notes.is_empty()).then(|| format!("members as in {}", members.source));
    for note in notes.iter().cloned().chain(source).chain(told) {
        let _ = writeln!(text, "{}", paint(Paint::Dim, &format!("note: {note}")));
    }
    text
}

/// The line below the table.
fn sum(rows: &[Row], verdict: &Verdict) -> String {
    let Some(leader) = verdict.leader.and_then(|at| rows.get(at)) else {
        return format!("no leader seen; {} of {} voters in step", verdict.in_step, verdict.voters);
    };
    let is_alone = leader.sample.as_ref().is_ok_and(|sample| sample.role == Some(Role::Standalone));
    let name = leader.member.name();
    if is_alone {
        return format!("{name} stands alone");
    }
    let epoch = verdict.epoch.map(|epoch| format!(", epoch {epoch}")).unwrap_or_default();
    let (in_step, voters, needed) = (verdict.in_step, verdict.voters, verdict.needed);
    format!("leader {name}{epoch}; {in_step} of {voters} voters in step, {needed} needed")
}

fn line(rows: &[Row], row: &Row, verdict: &Verdict) -> Vec<Cell> {
    let sid = Cell::known(row.sid().filter(|sid| *sid != 0));
    let address = Cell::from(row.member.address.to_string());
    let sample = match &row.sample {
        Ok(sample) => sample,
        Err(why) => {
            let mut cells = vec![sid, address, Cell::painted("no answer", Paint::Red)];
            cells.extend((0..7).map(|_| Cell::known(None::<u8>)));
            cells.push(Cell::painted(first(why), Paint::Red));
            return cells;
        }
    };
    vec![
        sid,
        address,
        role(sample.role),
        Cell::known(sample.epoch()),
        Cell::known(sample.zxid.map(zxid)),
        lag(verdict.lag(rows, row), sample),
        Cell::known(sample.connections),
        Cell::known(sample.outstanding),
        Cell::known(sample.uptime_ms.map(duration)),
        Cell::known(sample.version.as_deref()),
        Cell::from(sample.via.as_str()),
    ]
}

/// Of several reasons the first; the others are below the table.
fn first(why: &str) -> &str {
    why.split("; ").next().unwrap_or(why)
}

fn role(role: Option<Role>) -> Cell {
    match role {
        None => Cell::painted("unknown", Paint::Yellow),
        Some(role @ Role::Leader) => Cell::painted(role.name(), Paint::Green),
        Some(role) if role.is_in_step() => Cell::from(role.name()),
        Some(role) => Cell::painted(role.name(), Paint::Yellow),
    }
}

/// `0`, `3`, `3 (512 B)`, or `other epoch`; a leader is behind nobody.
fn lag(lag: Option<Lag>, sample: &Sample) -> Cell {
    let Some(lag) = lag.filter(|_| !matches!(sample.role, Some(Role::Leader | Role::Standalone))) else {
        return Cell::known(None::<u8>);
    };
    let Some(zxids) = lag.zxids else { return Cell::painted("other epoch", Paint::Yellow) };
    let bytes = lag.told.map(|told| told.bytes).filter(|bytes| *bytes > 0);
    let text = bytes.map_or_else(|| zxids.to_string(), |bytes| format!("{zxids} ({bytes} B)"));
    if zxids == 0 { Cell::from(text) } else { Cell::painted(text, Paint::Yellow) }
}

/// For programs.
pub fn json(rows: &[Row], verdict: &Verdict, members: &Members, notes: &[String]) -> Value {
    let leader = verdict.leader.and_then(|at| rows.get(at));
    let servers: Vec<Value> = rows.iter().map(|row| server(rows, row, verdict)).collect();
    json!({
        "healthy": verdict.is_well(),
        "leader": leader.and_then(Row::sid),
        "leader_address": leader.map(|row| row.member.address.to_string()),
        "epoch": verdict.epoch,
        "quorum": {"has": verdict.has_quorum, "voters": verdict.voters, "in_step": verdict.in_step, "needed": verdict.needed},
        "problems": verdict.problems,
        "members_from": members.source,
        "notes": notes,
        "servers": servers,
    })
}

fn server(rows: &[Row], row: &Row, verdict: &Verdict) -> Value {
    let mut value = json!({
        "sid": row.sid(),
        "address": row.member.address.to_string(),
        "votes": row.votes(),
        "answers": row.sample.is_ok(),
    });
    let more = match &row.sample {
        Err(why) => json!({"reason": why}),
        Ok(sample) => {
            let lag = verdict.lag(rows, row);
            let told = lag.and_then(|lag| lag.told);
            json!({
                "role": sample.role.map(Role::name),
                "reason": sample.reason,
                "epoch": sample.epoch(),
                "zxid": sample.zxid.map(zxid),
                "lag_zxids": lag.and_then(|lag| lag.zxids),
                "lag_unacknowledged_zxids": told.map(|told| told.zxids),
                "lag_bytes": told.map(|told| told.bytes),
                "propagation_p50_ms": sample.propagation_ms,
                "version": sample.version,
                "connections": sample.connections,
                "sessions": sample.sessions,
                "outstanding": sample.outstanding,
                "uptime_ms": sample.uptime_ms,
                "via": sample.via,
                "notes": sample.notes,
            })
        }
    };
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::servers::members::Member;
    use crate::tools::servers::sample::Behind;
    use client::HostPort;
    use std::collections::BTreeMap;

    fn rows() -> Vec<Row> {
        let row = |sid: i64, sample| {
            let address = HostPort { host: format!("zk{sid}"), port: 2181 };
            Row { member: Member { sid: Some(sid), votes: Some(true), address, is_guessed: false }, sample }
        };
        let sample = |role, zxid| Sample {
            role: Some(role),
            zxid: Some(zxid),
            connections: Some(4),
            outstanding: Some(0),
            uptime_ms: Some(61_000),
            version: Some("3.9.5".to_owned()),
            via: "srvr mntr".to_owned(),
            ..Sample::default()
        };
        let mut leader = sample(Role::Leader, 0x1_0000_0009);
        leader.behind = BTreeMap::from([(2, Behind { zxids: 2, bytes: 99 })]);
        let mut follower = sample(Role::Follower, 0x1_0000_0007);
        follower.notes = vec!["`conf` is not allowed there".to_owned()];
        vec![row(1, Ok(leader)), row(2, Ok(follower)), row(3, Err("nobody listens at zk3:2181; no admin port".into()))]
    }

    fn members() -> Members {
        Members { source: "/zookeeper/config", ..Members::default() }
    }

    #[test]
    fn the_table() {
        let rows = rows();
        let shown = text(&rows, &Verdict::of(&rows, false), &members(), &[], false);
        let expected = "\
SERVER  ADDRESS   ROLE       EPOCH         ZXID       LAG  CONNS  OUTST  UPTIME  VERSION  VIA
     1  zk1:2181  leader         1  0x100000009         -      4      0   1m 1s  3.9.5    srvr mntr
     2  zk2:2181  follower       1  0x100000007  2 (99 B)      4      0   1m 1s  3.9.5    srvr mntr
     3  zk3:2181  no answer      -            -         -      -      -       -  -        nobody listens at zk3:2181

leader server 1 (zk1:2181), epoch 1; 2 of 3 voters in step, 2 needed
! server 3 (zk3:2181) is missing: nobody listens at zk3:2181; no admin port
note: server 2 (zk2:2181): `conf` is not allowed there
";
        assert_eq!(shown, expected);
        assert!(text(&rows, &Verdict::of(&rows, false), &members(), &[], true).contains("\x1b[32mleader\x1b[0m"));
    }

    #[test]
    fn the_document() {
        let rows = rows();
        let value = json(&rows, &Verdict::of(&rows, false), &members(), &[]);
        assert_eq!(
            (&value["healthy"], &value["leader"], &value["quorum"]["has"]),
            (&json!(false), &json!(1), &json!(true))
        );
        assert_eq!((&value["servers"][1]["lag_zxids"], &value["servers"][1]["lag_bytes"]), (&json!(2), &json!(99)));
        assert_eq!(value["servers"][2]["answers"], json!(false));
    }
}
