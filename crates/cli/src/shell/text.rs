//! How Apache's shell writes things: dates, Stats, ACLs, bytes.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt::Write;
use wire::{Acl, Perms, Stat};

/// A time as `java.util.Date.toString` writes it, `Thu Jan 01 00:00:00 UTC 1970`, in the zone of this process.
#[must_use]
pub fn date(ms: i64, zone: &TimeZone) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(time) => time.to_zoned(zone.clone()).strftime("%a %b %d %H:%M:%S %Z %Y").to_string(),
        // A server may send any number.
        Err(_) => format!("{ms} ms"),
    }
}

/// `StatPrinter`: eleven lines.
#[must_use]
pub fn stat(stat: &Stat, zone: &TimeZone) -> String {
    format!(
        "cZxid = 0x{:x}\nctime = {}\nmZxid = 0x{:x}\nmtime = {}\npZxid = 0x{:x}\ncversion = {}\ndataVersion = {}\naclVersion = {}\n\
         ephemeralOwner = 0x{:x}\ndataLength = {}\nnumChildren = {}\n",
        stat.czxid,
        date(stat.ctime, zone),
        stat.mzxid,
        date(stat.mtime, zone),
        stat.pzxid,
        stat.cversion,
        stat.version,
        stat.aversion,
        stat.ephemeral_owner,
        stat.data_length,
        stat.num_children,
    )
}

/// `ZKUtil.getPermString`.
#[must_use]
pub fn perms(perms: Perms) -> String {
    Perms::LETTERS.iter().filter(|(_, bit)| perms.intersects(*bit)).map(|(letter, _)| letter).collect()
}

/// An entry as `getAcl` writes it: the identity as a record's text, whose line ends before the colon.
#[must_use]
pub fn acl(acl: &Acl) -> String {
    format!("'{},'{}\n: {}\n", acl.id.scheme, acl.id.id, perms(acl.perms))
}

/// Reads `scheme:id:perms,...`; the id may contain colons. What cannot be read is left out and told of, as there (`AclParser`).
#[must_use]
pub fn read_acl(text: &str) -> (Vec<Acl>, Vec<String>) {
    let (mut acls, mut complaints) = (Vec::new(), Vec::new());
    // Java's split takes no notice of empty parts at the end, unless there is nothing at all.
    let said = text.trim_end_matches(',');
    for part in said.split(',').filter(|_| !said.is_empty() || text.is_empty()) {
        let ends = part.split_once(':').zip(part.rsplit_once(':'));
        let Some(((scheme, rest), (_, letters))) = ends.filter(|((_, rest), _)| rest.contains(':')) else {
            complaints.push(format!("{part} does not have the form scheme:id:perm"));
            continue;
        };
        let id = rest.rsplit_once(':').map_or(rest, |(id, _)| id);
        let perms = read_perms(letters, &mut complaints);
        acls.push(Acl { perms, id: wire::Id::new(scheme, id) });
    }
    (acls, complaints)
}

fn read_perms(letters: &str, complaints: &mut Vec<String>) -> Perms {
    letters.chars().fold(Perms(0), |perms, letter| match Perms::of_letter(letter) {
        Some(bit) => perms.union(bit),
        None => {
            complaints.push(format!("Unknown perm type: {letter}"));
            perms
        }
    })
}

/// A list in brackets, as Java writes one.
#[must_use]
pub fn list(items: &[String]) -> String {
    format!("[{}]", items.join(", "))
}

/// `ByteBufUtil.prettyHexDump` of Netty: sixteen bytes a line, with their letters; nothing for nothing.
#[must_use]
pub fn hex_dump(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return String::new();
    }
    let rule = format!("+--------+{}+----------------+", "-".repeat(49));
    let mut text = format!("         +{}+\n         |", "-".repeat(49));
    for column in 0..16 {
        let _ = write!(text, "  {column:x}");
    }
    text += &format!(" |\n{rule}");
    for (row, chunk) in bytes.chunks(16).enumerate() {
        let _ = write!(text, "\n|{:08x}|", row * 16);
        for byte in chunk {
            let _ = write!(text, " {byte:02x}");
        }
        text += &"   ".repeat(16 - chunk.len());
        text += " |";
        text.extend(chunk.iter().map(|byte| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' }));
        text += &" ".repeat(16 - chunk.len());
        text.push('|');
    }
    text + "\n" + &rule
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_java_writes_them() {
        assert_eq!(date(0, &TimeZone::UTC), "Thu Jan 01 00:00:00 UTC 1970");
        assert_eq!(date(1_790_000_000_123, &TimeZone::UTC), "Mon Sep 21 14:13:20 UTC 2026");
        assert_eq!(date(i64::MAX, &TimeZone::UTC), "9223372036854775807 ms");
    }

    #[test]
    fn acls_are_read() {
        let (acls, complaints) = read_acl("world:anyone:rx,ip:::1:cdrwa,digest,a:b,");
        assert_eq!(acls.iter().map(acl).collect::<String>(), "'world,'anyone\n: r\n'ip,'::1\n: cdrwa\n");
        assert_eq!(
            complaints,
            [
                "Unknown perm type: x",
                "digest does not have the form scheme:id:perm",
                "a:b does not have the form scheme:id:perm"
            ]
        );
        assert_eq!(read_acl(","), (Vec::new(), Vec::new()));
        assert_eq!(read_acl("").1, [" does not have the form scheme:id:perm"]);
    }

    #[test]
    fn bytes_are_dumped() {
        assert_eq!(hex_dump(b""), "");
        let expected = "         +-------------------------------------------------+
         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |
+--------+-------------------------------------------------+----------------+
|00000000| 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 00 |0123456789abcde.|
|00000010| ff 7e                                           |.~              |
+--------+-------------------------------------------------+----------------+";
        assert_eq!(hex_dump(b"0123456789abcde\x00\xff~"), expected);
    }
}
