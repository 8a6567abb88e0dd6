use super::*;

const LAST: &str = "server.1=a:2888:3888:participant;2181\nserver.2=b:2888:3888:participant;2181\nversion=5";

fn request<'a>(joining: &'a str, leaving: &'a str, members: Option<&'a str>) -> ReconfigRequest<'a> {
    let text = |text: &'a str| (!text.is_empty()).then_some(text);
    ReconfigRequest { joining: text(joining), leaving: text(leaving), members, config_version: -1 }
}

fn next(request: &ReconfigRequest<'_>) -> Result<String, String> {
    let last = Membership::parse(LAST).unwrap();
    let next = next_membership(&last, request, true).map_err(|refusal| refusal.to_string())?;
    Ok(difference(&last, &next))
}

#[test]
fn servers_join_and_leave() {
    let check = |joining, leaving, expected: &str| {
        assert_eq!(next(&request(joining, leaving, None)).as_deref(), Ok(expected), "+{joining} -{leaving}");
    };
    check("server.3=c:2888:3888;2181", "", "+3 (participant)");
    check(
        " server.3 = c:2888:3888:observer;2181 ,, server.4=d:2888:3888;2181",
        "1",
        "+3 (observer), +4 (participant), -1",
    );
    // Who leaves and joins at once is replaced.
    check("server.2=b:2888:3888:participant;2182", "2", "2 moves");
    check("server.3=c:1:2;3", "9", "+3 (participant)");
    check("server.1=a:2888:3888;2181", "", "the same members");
    // Only the last part of the key counts, and addresses that name no machine may be shared.
    check("3=127.0.0.1:2888:3888;2181,4=127.0.0.1:2888:3888;2181", "", "+3 (participant), +4 (participant)");
}

#[test]
fn what_is_wrong_is_named() {
    let check = |joining, leaving, part: &str| {
        let refused = next(&request(joining, leaving, None)).expect_err(joining);
        assert!(refused.contains(part), "{refused}");
    };
    check("server.3=c:2888:3888", "", "not a server line");
    check("server.3", "", "not a server line");
    check("server.x=c:1:2;3", "", "`x` is not a server id");
    check("server.3=c:1:2;3=4", "", "not a server line");
    check("server.3=c:1:1;3", "", "not a server line");
    check("server.3=a:2888:1;2", "", "a:2888 of server.3 conflicts with the same of server.1");
    check("", "one", "`one` is not a server id");
    check("", "1", "1 servers would vote, and at least 2 must");
}

#[test]
fn a_whole_configuration_replaces_the_last() {
    let members = "server.1=a:2888:3888;2181,server.3=c:2888:3888;2181\nserver.4=d:2888:3888:observer;2181";
    let all = request("ignored", "ignored", Some(members));
    assert_eq!(next(&all).as_deref(), Ok("+3 (participant), +4 (observer), -2"));
    let wrong = |members| next(&request("", "", Some(members))).unwrap_err();
    assert!(wrong("server.1=a:2888:3888;2181,dataDir=/x").contains("unrecognised parameter `dataDir`"));
    assert!(wrong("").contains("0 servers would vote"));
}

#[test]
fn it_is_made_for_one_version() {
    let last = Membership::parse(LAST).unwrap();
    let mut wanted = request("server.3=c:1:2;3", "", None);
    wanted.config_version = 4;
    let refused = next_membership(&last, &wanted, true);
    assert_eq!(refused, Err(ReconfigRefusal::Version { expected: 4, found: 5 }));
    wanted.config_version = 5;
    assert!(next_membership(&last, &wanted, true).is_ok());
}

#[test]
fn an_ensemble_may_shrink_to_one_where_nobody_starts_alone() {
    let last = Membership::parse(LAST).unwrap();
    let shrink = |standalone_enabled| next_membership(&last, &request("", "2", None), standalone_enabled);
    assert!(shrink(true).is_err());
    assert_eq!(shrink(false).unwrap().servers.len(), 1);
}

#[test]
fn groups_are_changed_as_a_whole() {
    let text = "server.1=a:1:2;3\nserver.2=b:1:2;3\ngroup.1=1:2\nweight.1=1\nweight.2=1\nversion=5";
    let last = Membership::parse(text).unwrap();
    assert_eq!(next_membership(&last, &request("", "2", None), false), Err(ReconfigRefusal::Groups));
    let all = request("", "", Some("server.1=a:1:2;3,group.1=1"));
    assert_eq!(next_membership(&last, &all, false).unwrap().groups.len(), 1);
}
