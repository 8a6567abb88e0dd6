//! Packets and actions as a reviewer reads them.

use wire::election::Notification;
use wire::quorum::{LearnerInfo, PacketType, QuorumPacket, decode_ack_epoch};
use zab::{Epochs, Proposal};

use super::disk::{Entry, name};

pub fn proposal(proposal: &Proposal) -> String {
    format!("{} {}", proposal.zxid, name(Entry::of(proposal).tag))
}

pub fn epochs(epochs: Epochs) -> String {
    format!("accepted {} current {}", epochs.accepted, epochs.current)
}

pub fn packet(packet: &QuorumPacket) -> String {
    let kind = format!("{:?}", packet.kind).to_uppercase();
    let data = packet.data.as_ref();
    let rest = match packet.kind {
        PacketType::Proposal | PacketType::Inform => {
            data.map(|bytes| name(Entry::of(&Proposal { zxid: packet.zxid, bytes: bytes.clone() }).tag))
        }
        PacketType::FollowerInfo | PacketType::ObserverInfo => {
            data.and_then(|data| LearnerInfo::decode(data).ok()).map(|info| format!("from server {}", info.sid))
        }
        PacketType::AckEpoch => data.and_then(|data| decode_ack_epoch(data).ok()).map(|current| match current {
            Some(current) => format!("current {current}"),
            None => "accepted before".to_owned(),
        }),
        _ => None,
    };
    let rest = rest.map(|rest| format!(" {rest}")).unwrap_or_default();
    match packet.kind {
        PacketType::UpToDate | PacketType::Sync | PacketType::Ping => kind,
        _ => format!("{kind} {}{rest}", packet.zxid),
    }
}

pub fn vote(vote: &Notification) -> String {
    let state = format!("{:?}", vote.state).to_uppercase();
    format!("{state} {} at {} epoch {} round {}", vote.leader, vote.zxid, vote.peer_epoch, vote.round)
}
