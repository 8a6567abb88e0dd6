//! Conversations with a peer.

use super::{Seed, add, packet, vote};
use crate::pieces::unpieces;
use wire::election::ServerState;
use wire::quorum::{LearnerInfo, PROTOCOL_VERSION, PacketType, QuorumPacket, ack_epoch, leader_info};
use wire::{Epoch, ServerId, Zxid};

const EPOCH_2: i64 = 0x2_0000_0000;
const LAST: i64 = 0x1_0000_0002;
/// A learner's link in these events; on a learner it means the leader's.
const LINK: u8 = 0;

pub(super) fn all(seeds: &mut Vec<Seed>) {
    leading(seeds);
    learning(seeds);
}

fn packets(packets: &[QuorumPacket]) -> Vec<u8> {
    let mut event = vec![0, LINK];
    packets.iter().for_each(|packet| packet.encode(&mut event));
    event
}

fn bare(kind: PacketType, zxid: i64) -> QuorumPacket {
    QuorumPacket::bare(kind, Zxid(zxid))
}

fn info(sid: i64, zxid: i64) -> QuorumPacket {
    let info = LearnerInfo { sid: ServerId(sid), protocol_version: PROTOCOL_VERSION, config_version: 0 };
    packet(PacketType::FollowerInfo, zxid, &info.to_bytes())
}

fn promise(zxid: i64) -> QuorumPacket {
    packet(PacketType::AckEpoch, zxid, &ack_epoch(Some(Epoch(1))))
}

/// From the link to the acknowledgement of NEWLEADER.
fn joins(zxid: i64) -> Vec<Vec<u8>> {
    vec![
        vec![1, LINK],
        packets(&[info(1, 0x1_0000_0000)]),
        packets(&[promise(zxid)]),
        packets(&[bare(PacketType::Ack, EPOCH_2)]),
    ]
}

fn leading(seeds: &mut Vec<Seed>) {
    let ack = |zxid| packets(&[bare(PacketType::Ack, zxid)]);
    let mut broadcast = joins(LAST);
    broadcast.extend([vec![5], vec![5], vec![6, LINK], ack(EPOCH_2 + 1), ack(EPOCH_2 + 2), vec![3, 0], vec![3, 200]]);
    let mut second = joins(LAST);
    second.extend([vec![5], vec![1, 1], vec![8, 1], vec![5], vec![2, LINK], vec![8, 0], vec![3, 255]]);
    let beyond = [joins(LAST), vec![ack(EPOCH_2 + 9), vec![5]]].concat();
    let ping = packets(&[packet(PacketType::Ping, -1, b""), bare(PacketType::Request, 1)]);
    let outbid =
        [joins(LAST), vec![vec![1, 1], [&[0, 1][..], &info(2, 0x9_0000_0000).to_bytes()].concat(), vec![3, 0]]]
            .concat();
    let last_epoch = vec![
        vec![1, LINK],
        packets(&[info(1, 0x7fff_ffff_0000_0000)]),
        packets(&[promise(LAST)]),
        packets(&[bare(PacketType::Ack, i64::MIN)]),
        vec![5],
    ];
    for (name, events) in [
        ("broadcast", broadcast),
        ("learner-lost", second),
        ("diff", joins(LAST - 1)),
        ("trunc", joins(LAST + 5)),
        ("snap", joins(7)),
        ("ahead", vec![vec![1, LINK], packets(&[info(1, 0)]), packets(&[promise(i64::MAX)])]),
        ("ack-beyond", beyond),
        ("ping", [joins(LAST), vec![ping]].concat()),
        ("outbid", outbid),
        ("regression-last-epoch", last_epoch),
    ] {
        add(seeds, "peer_leading", name, unpieces(&events));
    }
}

fn learning(seeds: &mut Vec<Seed>) {
    let leader = packet(PacketType::LeaderInfo, EPOCH_2, &leader_info());
    let proposal = |zxid| packet(PacketType::Proposal, zxid, b"a transaction");
    let commit = |zxid| bare(PacketType::Commit, zxid);
    let (new_leader, up) = (bare(PacketType::NewLeader, EPOCH_2), bare(PacketType::UpToDate, -1));
    let diff = bare(PacketType::Diff, LAST);
    let begin = packets(std::slice::from_ref(&leader));
    let snap = |zxid: i64| [&[7, LINK][..], &zxid.to_be_bytes()].concat();
    let live = packets(&[proposal(EPOCH_2 + 1), commit(EPOCH_2 + 1), bare(PacketType::Ping, 1)]);
    let inform = packets(&[packet(PacketType::Inform, EPOCH_2 + 1, b"a transaction")]);
    let synchronized = packets(&[diff.clone(), proposal(LAST + 1), commit(LAST + 1), new_leader.clone(), up.clone()]);
    let trunc = |zxid: i64| packets(&[bare(PacketType::Trunc, zxid), new_leader.clone(), up.clone()]);
    let behind = packets(&[new_leader.clone(), up.clone(), proposal(EPOCH_2 + 1), commit(EPOCH_2 + 1)]);
    let all = packets(&[leader, diff.clone(), new_leader.clone(), up.clone()]);
    let below = packets(&[proposal(-7), commit(-7), new_leader.clone(), up.clone()]);
    let zeros =
        packets(&[proposal(0), commit(0), new_leader.clone(), up.clone(), proposal(0), proposal(-1), commit(0)]);
    let wrong = packets(&[diff.clone(), proposal(LAST + 1), commit(LAST + 2), new_leader.clone()]);
    let late = vec![begin.clone(), packets(&[diff, new_leader.clone(), up.clone(), commit(LAST + 5)]), vec![3, 0]];
    let last_epoch = packets(&[
        packet(PacketType::LeaderInfo, 0x7fff_ffff_0000_0000, &leader_info()),
        bare(PacketType::Diff, LAST),
        bare(PacketType::NewLeader, 0x7fff_ffff_0000_0000),
    ]);
    let looking = [&[4, 2][..], &vote(ServerState::Looking, 2, LAST, 2, "")].concat();
    for (name, events) in [
        ("diff", vec![begin.clone(), synchronized.clone(), live.clone(), inform]),
        ("at-once", vec![vec![8, 1], all, vec![8, 0], live]),
        ("trunc", vec![begin.clone(), trunc(LAST - 1)]),
        ("trunc-beyond", vec![begin.clone(), trunc(LAST + 9)]),
        ("trunc-to-epoch", vec![begin.clone(), trunc(EPOCH_2)]),
        ("snap", vec![begin.clone(), snap(EPOCH_2), behind]),
        ("late", late),
        ("wrong-commit", vec![begin.clone(), wrong]),
        ("votes", vec![looking, begin.clone(), vec![2, LINK], vec![3, 0]]),
        ("leader-lost", vec![begin.clone(), synchronized, vec![3, 255], vec![3, 0]]),
        ("regression-proposal-below-zero", vec![begin.clone(), snap(-1), below]),
        ("regression-proposal-zero", vec![begin, snap(0), zeros]),
        ("regression-last-epoch", vec![last_epoch]),
    ] {
        for flags in [0, 1] {
            add(seeds, "peer_learning", &format!("{name}-{flags}"), [&[flags][..], &unpieces(&events)].concat());
        }
    }
}
