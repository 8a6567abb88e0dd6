//! Takes out of a transcript what no two runs have in common, and nothing else: what is replaced has the form it must
//! have, and anything of another form stays and shows.

use support::server::Ports;

/// Times, sessions and versions.
pub fn line(line: &str) -> String {
    if let Some((name, value)) = line.split_once(" = ") {
        let masked = match name {
            "ctime" | "mtime" if is_java_date(value) => Some("{time}"),
            "ephemeralOwner" if is_session(value) => Some("{session}"),
            _ => None,
        };
        if let Some(masked) = masked {
            return format!("{name} = {masked}");
        }
    }
    match line.strip_prefix("ZooKeeper CLI version: ") {
        Some(version) if is_version(version) => "ZooKeeper CLI version: {version}".to_owned(),
        _ => line.to_owned(),
    }
}

/// `Sun Nov 22 19:04:37 UTC 2026`, and not the beginning of time, which all servers have in common.
fn is_java_date(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    let parts: Vec<&str> = shape.split(' ').collect();
    let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let [day, month, rest @ ..] = parts.as_slice() else { return false };
    days.contains(day) && months.contains(month) && rest == ["99", "99:99:99", "UTC", "9999"] && !text.ends_with("1970")
}

/// A session, but neither the absence of one nor the marks of containers and of times to live.
fn is_session(text: &str) -> bool {
    let number = text.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
    number.is_some_and(|number| number != 0 && number != 1 << 63 && number >> 56 != 0xff)
}

/// `3.9.5-293c895a8d966a3ecb92872be4a1daf87d725da2, built on 2026-02-11 20:18 UTC`.
fn is_version(text: &str) -> bool {
    let Some((version, built)) = text.split_once(", built on ") else { return false };
    let shape: String = built.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    let Some((number, commit)) = version.split_once('-') else { return false };
    let numbers: Vec<&str> = number.split('.').collect();
    let is_number = |part: &&str| part.parse::<u32>().is_ok();
    shape == "9999-99-99 99:99 UTC"
        && numbers.len() == 3
        && numbers.iter().all(is_number)
        && !commit.is_empty()
        && commit.chars().all(|c| c.is_ascii_alphanumeric())
}

/// What a server's addresses are called in scripts and transcripts, longest first.
pub fn names(ports: &Ports) -> [(String, &'static str); 4] {
    [
        (format!("127.0.0.1:{}", ports.client), "{server}"),
        (ports.client.to_string(), "{client}"),
        (ports.quorum.to_string(), "{quorum}"),
        (ports.election.to_string(), "{election}"),
    ]
}

/// From the names to the addresses.
pub fn fill(text: &str, ports: &Ports) -> String {
    names(ports).iter().fold(text.to_owned(), |text, (address, name)| text.replace(name, address))
}

/// From the addresses to the names. A port counts where no digit or letter is beside it.
pub fn name(text: &str, ports: &Ports) -> String {
    names(ports).iter().fold(text.to_owned(), |text, (address, name)| replace_word(&text, address, name))
}

fn replace_word(text: &str, from: &str, to: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(from) {
        let (before, found) = rest.split_at(at);
        let after = &found[from.len()..];
        let before_is_word = before.chars().next_back().is_some_and(char::is_alphanumeric);
        let after_is_word = after.chars().next().is_some_and(char::is_alphanumeric);
        out.push_str(before);
        out.push_str(if before_is_word || after_is_word { from } else { to });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_by_nature() {
        let kept = [
            "ctime = Thu Jan 01 00:00:00 UTC 1970",
            "ctime = Sun Nov 22 19:04:37 CET 2026",
            "mtime = 2026-11-22 19:04:37",
            "ephemeralOwner = 0x0",
            "ephemeralOwner = 0x8000000000000000",
            "ephemeralOwner = 0xff00000000001388",
            "cZxid = 0x100000001",
            "ZooKeeper CLI version: 3.9.5",
        ];
        for text in kept {
            assert_eq!(line(text), text);
        }
        assert_eq!(line("ctime = Sun Nov 22 19:04:37 UTC 2026"), "ctime = {time}");
        assert_eq!(line("ephemeralOwner = 0x1000123ab450001"), "ephemeralOwner = {session}");
        let version = "ZooKeeper CLI version: 3.9.5-293c8, built on 2026-02-11 20:18 UTC";
        assert_eq!(line(version), "ZooKeeper CLI version: {version}");
    }

    #[test]
    fn ports_have_names() {
        let ports = Ports { client: 20100, quorum: 20101, election: 20102 };
        let text = "server.1=127.0.0.1:20101:20102:participant;127.0.0.1:20100 120100 0x20100";
        let named = "server.1=127.0.0.1:{quorum}:{election}:participant;{server} 120100 0x20100";
        assert_eq!(name(text, &ports), named);
        assert_eq!(fill(named, &ports), text);
    }
}
