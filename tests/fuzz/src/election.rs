//! The election port.

use crate::pieces::pieces;
use wire::election::{Handshake, Notification, ServerState};
use wire::{Epoch, Millis, ServerId, Zxid};
use zab::election::{Election, ElectionAction, ElectionSettings, InitialVote};
use zab::quorum::Membership;

/// Prefixes of a handshake tried, from its front.
const PREFIXES_MAX: usize = 256;
/// Notifications looked at in one input.
const STEPS_MAX: usize = 64;
/// Three voters and an observer; in groups where the first byte says so.
pub(crate) const MEMBERS: &str = "server.1=h1:2888:3888:participant\nserver.2=h2:2888:3888:participant\n\
    server.3=h3:2888:3888:participant\nserver.4=h4:2888:3888:observer\n";
const GROUPS: &str = "group.1=1:2:3\nweight.1=1\nweight.2=1\nweight.3=0\n";

/// The first bytes of a connection: complete at the same byte however they arrive, and what was read can be said again.
pub fn handshake(data: &[u8]) {
    let whole = Handshake::parse(data);
    for end in 0..data.len().min(PREFIXES_MAX) {
        let early = Handshake::parse(&data[..end]);
        assert!(early == Ok(None) || early == whole, "{early:?} of {end} bytes, {whole:?} of all");
    }
    let Ok(Some((handshake, taken))) = whole else { return };
    assert!(taken <= data.len());
    if !handshake.addresses.is_empty() {
        let bytes = handshake.to_bytes();
        assert_eq!(Handshake::parse(&bytes), Ok(Some((handshake, bytes.len()))));
    }
}

/// A notification's body; what was read can be said again in today's form.
pub fn notification(data: &[u8]) {
    let Ok(Some(notification)) = Notification::decode(data) else { return };
    let config = notification.config.clone().unwrap_or_default();
    assert!(config.capacity() <= data.len());
    let frame = notification.to_frame();
    let length = u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]) as usize;
    assert_eq!(length, frame.len() - 4);
    let today = Notification { version: Notification::VERSION, config: Some(config), ..notification };
    assert_eq!(Notification::decode(&frame[4..]), Ok(Some(today)));
}

/// A server's election under hostile votes. A piece is a sender and a notification, or else time that passes.
pub fn election(data: &[u8]) {
    let Some((&flags, rest)) = data.split_first() else { return };
    let groups = if flags & 1 == 1 { GROUPS } else { "" };
    let membership = Membership::parse(&format!("{MEMBERS}{groups}version=0")).expect("a fixed text");
    let me = ServerId(1 + i64::from(flags >> 1 & 3));
    let mut election = Election::new(me, ElectionSettings::default(), membership);
    let (mut now, mut out) = (Millis(1000), Vec::new());
    let initial = InitialVote { zxid: Zxid(0x1_0000_0005), peer_epoch: Epoch(1), is_blank: false };
    election.start(now, initial, &mut out);
    for piece in pieces(rest).take(STEPS_MAX) {
        let Some((&from, body)) = piece.split_first() else { continue };
        match Notification::decode(body) {
            Ok(Some(notification)) => {
                election.on_notification(now, ServerId(i64::from(from & 7)), notification, &mut out);
            }
            Ok(None) => {}
            Err(_) => {
                now = election.next_deadline().unwrap_or(now).max(now.plus(i64::from(from & 1)));
                election.on_deadline(now, from & 2 != 0, &mut out);
            }
        }
        assert!(out.len() <= 8, "one event asks for at most a round of messages, not for {}", out.len());
        for action in out.drain(..) {
            if let ElectionAction::Elected(elected) = action {
                assert_eq!(election.next_deadline(), None, "an election that has ended waits for nothing");
                assert_eq!(elected.role == ServerState::Leading, elected.vote.leader == me);
            }
        }
        if from & 0xc0 == 0xc0 && !election.is_looking() {
            election.start(now, initial, &mut out);
            out.clear();
        }
    }
}
