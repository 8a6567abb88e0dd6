use super::*;
use crate::commands::doctor::clock::Skew;
use crate::commands::doctor::finding::Status;

const PATIENCE: Duration = Duration::from_millis(2000);

fn membership() -> Membership {
    let lines = ["1", "2", "3"].map(|sid| format!("server.{sid}=zk{sid}:2888:3888"));
    Membership::parse(&lines.join("\n")).expect("three servers")
}

fn dialed(host: &str, port: u16, attempts: Result<&[Reach], &str>) -> Dialed {
    let attempts = attempts.map_err(str::to_owned).map(|reaches| {
        let addresses = (1..).map(|last| ([10, 0, 0, last], port).into());
        addresses.zip(reaches).map(|(address, reach)| Attempt { address, reach: reach.clone() }).collect()
    });
    Dialed { host: host.to_owned(), port, attempts }
}

fn peer(sid: i64, election: Result<&[Reach], &str>, quorum: Result<&[Reach], &str>, mode: Mode) -> Peer {
    let host = format!("zk{sid}");
    Peer {
        sid: ServerId(sid),
        role: MemberRole::Participant,
        election: vec![dialed(&host, 3888, election)],
        quorum: vec![dialed(&host, 2888, quorum)],
        mode,
        skew: Ok(Skew { least_ms: 0, most_ms: 0 }),
    }
}

fn serving(mode: &str) -> Mode {
    Mode::Serving(mode.to_owned())
}

fn judge(own_mode: &Mode, peers: &[Peer]) -> Vec<Finding> {
    Asked { membership: &membership(), me: ServerId(1), own_mode, peers, patience: PATIENCE }.judge()
}

fn find<'a>(findings: &'a [Finding], id: &str, about: &str) -> &'a Finding {
    let mut matching = findings.iter().filter(|finding| finding.id == id && finding.about == about);
    let found = matching.next().unwrap_or_else(|| panic!("no {id} about {about}: {findings:#?}"));
    assert!(matching.next().is_none(), "two of {id} about {about}: {findings:#?}");
    found
}

const UP: Result<&[Reach], &str> = Ok(&[Reach::Connected]);
const REFUSED: Result<&[Reach], &str> = Ok(&[Reach::Refused]);
const SILENT: Result<&[Reach], &str> = Ok(&[Reach::TimedOut]);

#[test]
fn a_healthy_ensemble_has_nothing_but_ok() {
    let peers = [peer(2, UP, REFUSED, serving("follower")), peer(3, UP, UP, serving("leader"))];
    let findings = judge(&serving("follower"), &peers);
    assert!(findings.iter().all(|finding| finding.status == Status::Ok), "{findings:#?}");
    let refused = find(&findings, "peer.quorum", "server 2");
    assert!(refused.found.contains("as it should, for server 3 leads"), "{refused:?}");
    let ensemble = find(&findings, "ensemble.quorum", "");
    assert_eq!(ensemble.found, "3 of 3 voters can vote: a quorum; server 3 leads");
}

#[test]
fn an_unknown_name_is_named_and_not_dialed() {
    let unknown = Err("has no address: no such name");
    let findings = judge(&Mode::Silent, &[peer(2, unknown, unknown, Mode::Silent), peer(3, UP, UP, serving("leader"))]);
    let name = find(&findings, "peer.name", "server 2");
    assert_eq!((name.status, name.found.as_str()), (Status::Problem, "zk2 has no address: no such name"));
    assert!(!findings.iter().any(|finding| finding.id == "peer.election" && finding.about == "server 2"));
    assert_eq!(
        find(&findings, "ensemble.quorum", "").found,
        "2 of 3 voters can vote, missing 2: a quorum; server 3 leads"
    );
}

#[test]
fn without_a_leader_a_refused_quorum_port_accuses_nobody() {
    let findings =
        judge(&Mode::NotServing, &[peer(2, UP, REFUSED, Mode::NotServing), peer(3, REFUSED, REFUSED, Mode::Silent)]);
    assert_eq!(find(&findings, "peer.quorum", "server 2").status, Status::Note);
    let election = find(&findings, "peer.election", "server 3");
    assert_eq!(election.status, Status::Problem);
    assert_eq!(election.found, "zk3:3888 (10.0.0.1) refused the connection");
    assert!(election.remedy.as_deref().is_some_and(|remedy| remedy.starts_with("start server 3")), "{election:?}");
}

#[test]
fn a_leader_that_refuses_learners_is_a_problem() {
    let findings =
        judge(&Mode::NotServing, &[peer(2, UP, REFUSED, serving("leader")), peer(3, UP, REFUSED, Mode::NotServing)]);
    assert_eq!(find(&findings, "peer.quorum", "server 2").status, Status::Problem);
    assert_eq!(find(&findings, "peer.quorum", "server 3").status, Status::Ok);
}

#[test]
fn this_server_leads_and_all_others_may_refuse() {
    let findings = judge(
        &serving("leader"),
        &[peer(2, UP, REFUSED, serving("follower")), peer(3, UP, REFUSED, serving("follower"))],
    );
    assert!(findings.iter().all(|finding| finding.status == Status::Ok), "{findings:#?}");
}

#[test]
fn silence_is_never_normal() {
    let findings =
        judge(&serving("follower"), &[peer(2, SILENT, SILENT, Mode::Silent), peer(3, UP, UP, serving("leader"))]);
    let quorum = find(&findings, "peer.quorum", "server 2");
    assert_eq!(quorum.status, Status::Problem);
    assert!(quorum.found.contains("did not answer within 2000 ms"), "{quorum:?}");
    let remedy = find(&findings, "peer.election", "server 2").remedy.clone().expect("a remedy");
    assert!(remedy.contains("packet filter drops port 3888"), "{remedy}");
}

#[test]
fn one_dead_address_of_a_name_is_a_warning() {
    let both: Result<&[Reach], &str> = Ok(&[Reach::Refused, Reach::Connected]);
    let findings = judge(
        &serving("leader"),
        &[peer(2, both, REFUSED, serving("follower")), peer(3, UP, REFUSED, serving("follower"))],
    );
    let election = find(&findings, "peer.election", "server 2");
    assert_eq!(election.status, Status::Warning);
    assert_eq!(election.found, "zk2:3888: 10.0.0.1 refused the connection, 10.0.0.2 accepts connections");
}

#[test]
fn too_few_is_no_quorum() {
    let findings =
        judge(&Mode::Silent, &[peer(2, REFUSED, REFUSED, Mode::Silent), peer(3, SILENT, SILENT, Mode::Silent)]);
    let ensemble = find(&findings, "ensemble.quorum", "");
    assert_eq!(ensemble.status, Status::Problem);
    assert_eq!(ensemble.found, "1 of 3 voters can vote, missing 2, 3: no quorum");
}

#[test]
fn a_server_that_stands_still_is_warned_about() {
    let peers = [peer(2, UP, REFUSED, Mode::Hung), peer(3, UP, UP, serving("leader"))];
    let mode = find(&judge(&serving("follower"), &peers), "peer.mode", "server 2").clone();
    assert_eq!(mode.status, Status::Warning);
    assert!(mode.remedy.is_some_and(|remedy| remedy.contains("server 2 is stopped")));
}
