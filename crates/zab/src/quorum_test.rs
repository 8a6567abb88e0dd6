use proptest::prelude::*;

use super::*;

/// Parses a server line and prints it again; errors print with the mark `!`.
fn reprint(line: &str) -> String {
    parse_server_line(line).map_or_else(|error| format!("! {error}"), |spec| spec.to_string())
}

fn check_line(line: &str, expected: &str) {
    assert_eq!(reprint(line), expected, "{line:?}");
}

/// The message must begin with the text as found and must contain the reason.
fn check_bad_line(line: &str, found: &str, reason: &str) {
    let message = reprint(line);
    assert!(message.starts_with(&format!("! `{found}`")), "{line:?}: {message}");
    assert!(message.contains(reason), "{line:?}: {message}");
}

#[test]
fn server_lines() {
    check_line("zk1:2888:3888", "zk1:2888:3888:participant");
    check_line("zk1:2888:3888:participant", "zk1:2888:3888:participant");
    check_line("zk1:2888:3888:observer", "zk1:2888:3888:observer");
    check_line("zk1:2888:3888:OBSERVER", "zk1:2888:3888:observer");
    check_line("zk1:2888:3888: observer ", "zk1:2888:3888:observer");
    check_line(" zk1:2888:3888 ", "zk1:2888:3888:participant");
    check_line("zk1:2888:3888;2181", "zk1:2888:3888:participant;0.0.0.0:2181");
    check_line("zk1:2888:3888:observer;2181", "zk1:2888:3888:observer;0.0.0.0:2181");
    check_line("zk1:2888:3888;client.example:2181", "zk1:2888:3888:participant;client.example:2181");
    check_line("10.0.0.1:2888:3888;10.1.0.1:2181", "10.0.0.1:2888:3888:participant;10.1.0.1:2181");
    check_line("[::1]:2888:3888", "[0:0:0:0:0:0:0:1]:2888:3888:participant");
    check_line(
        "[2001:DB8::7]:2888:3888;[::]:2181",
        "[2001:db8:0:0:0:0:0:7]:2888:3888:participant;[0:0:0:0:0:0:0:0]:2181",
    );
    check_line("[fe80::1%eth0]:2888:3888", "[fe80:0:0:0:0:0:0:1%eth0]:2888:3888:participant");
    check_line("[::ffff:10.0.0.1]:2888:3888", "10.0.0.1:2888:3888:participant");
    check_line("[zk1]:2888:3888", "zk1:2888:3888:participant");
    check_line("b:2888:3888|a:2889:3889", "a:2889:3889|b:2888:3888:participant");
    check_line("b:1:2:observer|a:3:4:observer;2181", "a:3:4|b:1:2:observer;0.0.0.0:2181");
    check_line("a:1:2|a:1:2", "a:1:2:participant");
    check_line("a:1:2:observer|b:1:2", "a:1:2|b:1:2:observer");
    // What `String.split` drops in Java.
    check_line("zk1:2888:3888:", "zk1:2888:3888:participant");
    check_line("zk1:2888:3888;", "zk1:2888:3888:participant");
    check_line("zk1:2888:3888|", "zk1:2888:3888:participant");
    check_line("zk1:+2888:3888", "zk1:2888:3888:participant");
}

#[test]
fn bad_server_lines() {
    check_bad_line("", "", "a port is missing");
    check_bad_line(";", "", "a port is missing");
    check_bad_line("zk1", "zk1", "a port is missing");
    check_bad_line("zk1:2888", "zk1:2888", "a port is missing");
    check_bad_line("IP2.2888:3888", "IP2.2888:3888", "a port is missing");
    check_bad_line("zk1:2888:2888", "zk1:2888:2888", "must differ; use for example 2888 and 3888");
    check_bad_line("zk1:65535:65535", "zk1:65535:65535", "65535 and 64535");
    check_bad_line("zk1:2888:x", "x", "is not a port");
    check_bad_line("zk1:-1:3888", "-1", "is not a port");
    check_bad_line("zk1:2888:65536", "65536", "is not a port");
    check_bad_line("zk1::3888", "", "is not a port");
    check_bad_line("zk1:2888:3888:leader", "leader", "is not a role");
    check_bad_line("zk1:2888:3888:observer:2181", "zk1:2888:3888:observer:2181", "too many `:`");
    check_bad_line("::1:2888:3888", "::1:2888:3888", "IPv6 address needs brackets");
    check_bad_line("[::1:2888:3888", "[::1:2888:3888", "no matching `]`");
    check_bad_line("[::1]2888:3888", "[::1]2888:3888", "behind `]`");
    check_bad_line("[::1]", "[::1]", "behind `]`");
    check_bad_line("[::1::2]:2888:3888", "::1::2", "is not a host");
    check_bad_line(":2888:3888", "", "is not a host");
    check_bad_line("z k1:2888:3888", "z k1", "is not a host");
    check_bad_line("zk1:2888:3888;;2181", "zk1:2888:3888;;2181", "more than one `;`");
    check_bad_line("zk1:2888:3888;a:b:2181", "a:b:2181", "behind `;`");
    check_bad_line("zk1:2888:3888;client", "client", "is not a port");
    check_bad_line("zk1:2888:3888;:2181", "", "is not a host");
    check_bad_line("a:1:2:observer|b:1:2:participant", "a:1:2:observer|b:1:2:participant", "two roles");
    check_bad_line("a:1:2||b:1:2", "", "a port is missing");
    check_bad_line(&format!("{}:1:2", "a".repeat(256)), &"a".repeat(256), "is not a host");
}

fn check_text(text: &str, expected: &str) {
    let found = Membership::parse(text).map_or_else(|error| format!("! {error}"), |membership| membership.to_text());
    assert_eq!(found, expected, "{text:?}");
}

#[test]
fn texts_of_memberships() {
    check_text("", "version=0");
    check_text(
        "server.2=b\\:2888\\:3888\n# c\nserver.1=a:2888:3888;2181\nserver.10=c:2888:3888:observer\nversion=100000000",
        "server.1=a:2888:3888:participant;0.0.0.0:2181\nserver.2=b:2888:3888:participant\n\
         server.10=c:2888:3888:observer\nversion=100000000",
    );
    check_text(
        "weight.3=0\ngroup.2=3\ngroup.1=2:1\nserver.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2",
        "server.1=a:1:2:participant\nserver.2=b:1:2:participant\nserver.3=c:1:2:participant\n\
         group.1=1:2\ngroup.2=3\nweight.1=1\nweight.2=1\nweight.3=0\nversion=0",
    );
    check_text("version=FfF", "version=fff");
}

#[test]
fn bad_texts() {
    check_text(
        "clientPort=2181",
        "! unrecognised parameter `clientPort`: expected server.N, group.N, weight.N or version",
    );
    check_text("version=xyz", "! version: `xyz` is not a hexadecimal number");
    check_text("version=10000000000000000", "! version: `10000000000000000` is not a hexadecimal number");
    check_text("server.x=a:1:2", "! server.x: `x` is not a number");
    check_text("server.1=a:1:x", "! server.1: `x` in `a:1:x` is not a port: expected a number from 1 to 65535");
    check_text("server.1=a:1:2\nserver.01=b:1:2", "! server.01 is given twice");
    check_text("version=1\nversion=1", "! version is given twice");
    check_text("group=1", "! group: `` is not a number");
    check_text("group.1=a", "! group.1: `a` is not a list of server ids separated by `:`");
    check_text("group.1=", "! group.1: `` is not a list of server ids separated by `:`");
    check_text("weight.1=-1", "! weight.1: `-1` is not a weight: expected a number from 0");
    check_text("group.1=1:1", "! server 1 is in more than one group");
    check_text("group.1=1\ngroup.2=1", "! server 1 is in more than one group");
    check_text("group.1=7", "! group.1 lists server 7, which is not a participant and has no weight");
    check_text(
        "server.1=a:1:2\nweight.1=2",
        "! server 1 is not in a group: with groups or weights every participant needs one",
    );
    check_text("a=\\u12", "! line 1: `\\u` must be followed by four hexadecimal digits");
}

fn ids(ids: &[i64]) -> BTreeSet<ServerId> {
    ids.iter().copied().map(ServerId).collect()
}

/// `1 2 3o`: server 3 is an observer.
fn members(words: &str) -> String {
    let line = |word: &str| {
        let (sid, role) = word.strip_suffix('o').map_or((word, "participant"), |sid| (sid, "observer"));
        format!("server.{sid}=h{sid}:1:2:{role}\n")
    };
    words.split_whitespace().map(line).collect()
}

fn check_quorums(text: &str, yes: &[&[i64]], no: &[&[i64]]) {
    let membership = Membership::parse(text).unwrap();
    for acks in yes {
        assert!(membership.is_quorum(&ids(acks)), "{acks:?} is a quorum of\n{text}");
    }
    for acks in no {
        assert!(!membership.is_quorum(&ids(acks)), "{acks:?} is no quorum of\n{text}");
    }
}

#[test]
fn majorities() {
    check_quorums("", &[], &[&[], &[1]]);
    check_quorums(&members("1"), &[&[1]], &[&[], &[2]]);
    check_quorums(&members("1 2"), &[&[1, 2]], &[&[1], &[2]]);
    check_quorums(&members("1 2 3"), &[&[1, 2], &[2, 3], &[1, 2, 3]], &[&[], &[1], &[1, 7, 8]]);
    check_quorums(&members("1 2 3 4"), &[&[1, 2, 3]], &[&[1, 2]]);
    check_quorums(&members("1 2 3 4o 5o"), &[&[1, 3]], &[&[1, 4, 5], &[4, 5]]);
}

#[test]
fn groups_and_weights() {
    let nine = members("1 2 3 4 5 6 7 8 9") + "group.1=1:2:3\ngroup.2=4:5:6\ngroup.3=7:8:9\n";
    check_quorums(&nine, &[&[1, 2, 4, 5], &[5, 6, 7, 9]], &[&[], &[1, 2, 3], &[1, 2, 3, 4, 7], &[1, 4, 7]]);

    let weighted = nine.clone() + "weight.1=3\nweight.2=1\nweight.3=1\n";
    check_quorums(&weighted, &[&[1, 4, 5]], &[&[2, 3, 4], &[1, 4]]);

    // A group of weight 0 is not counted among the groups: two are left and both are needed.
    let without_third = nine + "weight.7=0\nweight.8=0\nweight.9=0\n";
    check_quorums(&without_third, &[&[1, 2, 4, 5]], &[&[1, 2, 3, 7, 8, 9], &[7, 8, 9]]);

    // The weight of a listed observer counts for its group, its acknowledgement does not.
    let observer = members("1 2 3o") + "group.1=1:2:3\nweight.3=2\n";
    check_quorums(&observer, &[], &[&[1, 2, 3], &[1, 3]]);

    let heavy = members("1 2") + &format!("group.1=1:2\nweight.1={0}\nweight.2={0}\n", i64::MAX);
    check_quorums(&heavy, &[&[1, 2]], &[&[1], &[2]]);
}

#[test]
fn weights_of_servers() {
    let plain = Membership::parse(&members("1 2o")).unwrap();
    assert_eq!([1, 2, 9].map(|sid| plain.weight(ServerId(sid))), [1, 1, 1]);
    let grouped = Membership::parse(&(members("1 2 3o") + "group.1=1:2\nweight.2=0")).unwrap();
    assert_eq!([1, 2, 3, 9].map(|sid| grouped.weight(ServerId(sid))), [1, 0, 0, 0]);
}

#[test]
fn roles() {
    let membership = Membership::parse(&members("1 2o 3")).unwrap();
    assert_eq!(membership.voters().collect::<Vec<_>>(), [ServerId(1), ServerId(3)]);
    assert_eq!(membership.observers().collect::<Vec<_>>(), [ServerId(2)]);
    assert!(membership.is_voter(ServerId(1)) && !membership.is_voter(ServerId(2)) && !membership.is_voter(ServerId(4)));
    assert!(membership.is_member(ServerId(2)) && !membership.is_member(ServerId(4)));
}

#[test]
fn agreement_is_by_version_or_by_members() {
    let parse = |text: &str| Membership::parse(text).unwrap();
    let a = parse("server.1=a:1:2\nversion=1");
    assert!(a.agrees_with(&parse("server.9=z:1:2\nversion=1")));
    assert!(a.agrees_with(&parse("server.1=a:1:2\nversion=2")));
    assert!(!a.agrees_with(&parse("server.1=a:1:3\nversion=2")));
    assert!(!a.agrees_with(&parse("server.1=a:1:2;2181\nversion=2")));
}

#[test]
fn a_client_address_from_the_static_file_is_not_printed() {
    let mut spec = parse_server_line("a:1:2;2181").unwrap();
    spec.client.as_mut().unwrap().from_static = true;
    assert_eq!(spec.to_string(), "a:1:2:participant");
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9.-]{0,12}",
        any::<[u8; 4]>().prop_map(|octets| octets.map(|octet| octet.to_string()).join(".")),
        any::<[u16; 8]>()
            .prop_filter("mapped addresses print as IPv4", |groups| groups[..5] != [0; 5])
            .prop_map(|groups| groups.map(|group| format!("{group:x}")).join(":")),
    ]
}

prop_compose! {
    fn peer_address()(host in host(), quorum_port in any::<u16>(), shift in 1..u16::MAX) -> PeerAddress {
        PeerAddress { host, quorum_port, election_port: quorum_port.wrapping_add(shift) }
    }
}

prop_compose! {
    fn server_spec()(
        addresses in proptest::collection::btree_map(host(), peer_address(), 1..3),
        observer in proptest::bool::weighted(0.3),
        client in proptest::option::of((host(), any::<u16>())),
    ) -> ServerSpec {
        ServerSpec {
            addresses: addresses.into_iter().map(|(host, address)| PeerAddress { host, ..address }).collect(),
            role: if observer { MemberRole::Observer } else { MemberRole::Participant },
            client: client.map(|(host, port)| ClientAddress { host, port, from_static: false }),
        }
    }
}

prop_compose! {
    fn membership()(
        servers in proptest::collection::btree_map((-3..300i64).prop_map(ServerId), server_spec(), 0..8),
        weights in proptest::collection::vec(0..5i64, 8),
        groups in proptest::option::of(proptest::collection::vec(0..3i64, 8)),
        version in any::<u32>(),
    ) -> Membership {
        let mut membership = Membership { servers, version: i64::from(version) << 8, ..Membership::default() };
        let voters: Vec<ServerId> = membership.voters().collect();
        for (index, group) in groups.iter().flatten().enumerate().take(voters.len()) {
            membership.groups.entry(*group).or_default().push(voters[index]);
            membership.weights.insert(voters[index], weights[index]);
        }
        membership
    }
}

proptest! {
    #[test]
    fn what_is_printed_parses_to_the_same(membership in membership()) {
        prop_assert_eq!(Membership::parse(&membership.to_text()), Ok(membership));
    }

    #[test]
    fn parsing_never_panics(text in "((server|group|weight)\\.[0-9]{1,3}=[a-z0-9:;|\\[\\]%]{0,30}\n){0,6}") {
        if let Ok(membership) = Membership::parse(&text) {
            prop_assert_eq!(Membership::parse(&membership.to_text()), Ok(membership));
        }
    }

    #[test]
    fn parsing_a_line_never_panics(line in any::<String>()) {
        let _ = parse_server_line(&line);
    }

    /// The point of quorums: any two of them share a voter.
    #[test]
    fn two_quorums_intersect(membership in membership(), a in any::<u8>(), b in any::<u8>()) {
        let voters: Vec<ServerId> = membership.voters().collect();
        let pick = |mask: u8| -> BTreeSet<ServerId> {
            voters.iter().enumerate().filter(|(index, _)| mask >> index & 1 == 1).map(|(_, sid)| *sid).collect()
        };
        let (a, b) = (pick(a), pick(b));
        if membership.is_quorum(&a) && membership.is_quorum(&b) {
            prop_assert!(a.intersection(&b).next().is_some(), "{a:?} and {b:?}");
        }
    }
}

#[test]
fn the_margin_is_what_can_be_lost_whichever_it_is() {
    let servers = |sids: &[i64]| sids.iter().map(|sid| ServerId(*sid)).collect::<BTreeSet<_>>();
    let lines = |count: i64| (1..=count).map(|sid| format!("server.{sid}=h{sid}:1:2\n")).collect::<String>();
    let five = Membership::parse(&lines(5)).unwrap();
    for (synced, margin) in [(&[1, 2, 3, 4, 5][..], 2), (&[1, 2, 3], 0), (&[1, 2], 0), (&[1, 2, 3, 9], 0)] {
        assert_eq!(five.margin(&servers(synced)), margin, "{synced:?}");
    }
    let groups = "group.1=1:2:3\ngroup.2=4:5:6\ngroup.3=7:8:9\n";
    let nine = Membership::parse(&(lines(9) + groups)).unwrap();
    let all: Vec<i64> = (1..=9).collect();
    assert_eq!(nine.margin(&servers(&all)), 3, "two servers of each of two groups break it");
    assert_eq!(nine.margin(&servers(&[1, 2, 4, 5])), 0);
    let heavy = Membership::parse(&(lines(9) + groups + "weight.1=5\n")).unwrap();
    assert_eq!(heavy.margin(&servers(&all)), 2, "one server is a group by itself");
}
