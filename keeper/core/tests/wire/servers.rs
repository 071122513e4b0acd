//! Records of the quorum and election protocols, there and back, and their streams.

use keeper_core::ids::Epoch;
use keeper_core::jute::{Encode, to_bytes};
use keeper_core::wire::election::*;
use keeper_core::wire::quorum::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::strategies::*;
use crate::{reads_what_it_writes, survives, survives_by_length};

fn packet() -> impl Strategy<Value = QuorumPacket> {
    (1..=19, zxid(), data(), vec(id(), 0..3)).prop_map(|(kind, zxid, data, auth)| QuorumPacket {
        kind: PacketKind::from_wire(kind).unwrap(),
        zxid,
        data,
        auth,
    })
}

fn notification() -> impl Strategy<Value = Notification> {
    (0..=3, server(), zxid(), any::<u64>(), epoch(), option::of(bytes())).prop_map(
        |(state, leader, zxid, round, peer_epoch, config)| Notification {
            state: ServerState::from_wire(state).unwrap(),
            leader,
            zxid,
            round,
            peer_epoch,
            config,
        },
    )
}

fn initial() -> impl Strategy<Value = InitialMessage> {
    (0..=u64::MAX >> 1, vec("[a-z]{1,8}:[0-9]{1,5}", 0..4)).prop_map(|(server, addresses)| {
        InitialMessage { server: keeper_core::ids::ServerId(server), addresses }
    })
}

/// Splits a stream at the given places.
fn cut(stream: &[u8], at: &[usize]) -> Vec<Vec<u8>> {
    let mut places: Vec<usize> = at.iter().map(|at| at % (stream.len() + 1)).collect();
    places.extend([0, stream.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| stream[pair[0]..pair[1]].to_vec()).collect()
}

proptest! {
    #[test]
    fn quorum_records(
        packet in packet(),
        server in server(),
        session in session(),
        timeout_ms: i32,
        valid: bool,
        epoch in option::of((0..u32::MAX).prop_map(Epoch)),
        protocol_version: i32,
        config in option::of((any::<i64>(), bytes())),
        body in bytes(),
        op in op(),
        touches in vec((session(), any::<i32>()), 0..4),
    ) {
        survives(&packet)?;
        survives(&Revalidate { session, timeout_ms })?;
        survives(&Revalidated { session, valid })?;
        survives(&EpochAck(epoch))?;
        survives_by_length(&LeaderInfo { protocol_version, extra: body.clone() })?;
        survives_by_length(&ForwardedRequest { session, cxid: timeout_ms, op, body })?;
        survives_by_length(&SessionTouches(touches))?;
        let (config_version, extra) = config.unzip();
        let extra = extra.unwrap_or_default();
        survives_by_length(&LearnerInfo { server, protocol_version, config_version, extra })?;
    }

    #[test]
    fn a_quorum_stream_may_be_cut_anywhere(
        packets in vec(packet(), 0..5),
        at in vec(any::<usize>(), 0..12),
        rest in bytes(),
    ) {
        let mut stream: Vec<u8> = packets.iter().flat_map(to_bytes).collect();
        let packets_end = stream.len();
        stream.extend_from_slice(&rest);
        let mut decoder = QuorumDecoder::new(1 << 20);
        let mut seen = Vec::new();
        for part in cut(&stream[..packets_end], &at) {
            decoder.push(&part);
            while let Some(packet) = decoder.next_packet().unwrap() {
                seen.push(packet);
            }
        }
        prop_assert_eq!(seen, packets);
        decoder.push(&rest);
        prop_assert_eq!(decoder.take_rest(), rest);
    }

    #[test]
    fn any_quorum_stream_is_bounded(
        parts in vec(vec(prop_oneof![Just(0u8), 0..6u8, any::<u8>()], 0..40), 0..8),
        max in 20..300usize,
    ) {
        let mut decoder = QuorumDecoder::new(max);
        let mut failed = false;
        for part in parts {
            decoder.push(&part);
            while let Ok(Some(_)) = decoder.next_packet() {}
            failed |= decoder.next_packet().is_err();
            prop_assert_eq!(decoder.next_packet().is_err(), failed);
        }
        if !failed {
            prop_assert!(decoder.take_rest().len() < max);
        }
    }

    #[test]
    fn election_records(notification in notification(), initial in initial()) {
        survives_by_length(&notification)?;
        survives(&initial)?;
    }

    #[test]
    fn an_election_stream_may_be_cut_anywhere(
        initial in option::of(initial()),
        notifications in vec(notification(), 0..5),
        at in vec(any::<usize>(), 0..12),
    ) {
        let mut stream = Vec::new();
        let mut expected = Vec::new();
        if let Some(initial) = &initial {
            initial.encode(&mut stream);
            expected.push(ElectionMessage::Initial(initial.clone()));
        }
        for notification in notifications {
            notification.encode_frame(&mut stream);
            expected.push(ElectionMessage::Notification(notification));
        }
        let mut decoder = match initial {
            Some(_) => ElectionDecoder::accepted(),
            None => ElectionDecoder::connected(),
        };
        let mut seen = Vec::new();
        for part in cut(&stream, &at) {
            decoder.push(&part);
            while let Some(message) = decoder.next_message().unwrap() {
                seen.push(message);
            }
        }
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn any_bytes_leave_the_decoders_standing(
        bytes in vec(prop_oneof![0..4u8, any::<u8>()], 0..90),
        accepted: bool,
    ) {
        reads_what_it_writes::<QuorumPacket>(&bytes)?;
        reads_what_it_writes::<LearnerInfo>(&bytes)?;
        reads_what_it_writes::<LeaderInfo>(&bytes)?;
        reads_what_it_writes::<EpochAck>(&bytes)?;
        reads_what_it_writes::<ForwardedRequest>(&bytes)?;
        reads_what_it_writes::<SessionTouches>(&bytes)?;
        reads_what_it_writes::<Revalidate>(&bytes)?;
        reads_what_it_writes::<Revalidated>(&bytes)?;
        reads_what_it_writes::<Notification>(&bytes)?;
        reads_what_it_writes::<InitialMessage>(&bytes)?;
        let connected = ElectionDecoder::connected();
        let mut decoder = if accepted { ElectionDecoder::accepted() } else { connected };
        decoder.push(&bytes);
        while let Ok(Some(_)) = decoder.next_message() {}
    }
}

#[test]
fn a_learner_may_say_less_about_itself() {
    let read = |bytes: &[u8]| keeper_core::jute::from_bytes::<LearnerInfo>(bytes);
    let whole = crate::hex("0000000000000003 00010000 0000000000000009 cafe");
    let info = read(&whole).unwrap();
    assert_eq!((info.server.0, info.protocol_version, info.config_version), (3, 0x10000, Some(9)));
    assert_eq!(&info.extra[..], [0xca, 0xfe]);
    let info = read(&whole[..12]).unwrap();
    assert_eq!((info.protocol_version, info.config_version), (0x10000, None));
    let info = read(&whole[..8]).unwrap();
    assert_eq!((info.protocol_version, info.config_version), (1, None));
    assert!(read(&whole[..7]).is_err());
}

#[test]
fn an_election_stream_with_an_impossible_length_fails_for_good() {
    for length in ["00000000", "ffffffff", "00080001"] {
        let mut decoder = ElectionDecoder::connected();
        decoder.push(&crate::hex(length));
        let error = decoder.next_message().unwrap_err();
        assert!(!error.is_truncated());
        decoder.push(&[0; 100]);
        assert_eq!(decoder.next_message(), Err(error));
    }
}

#[test]
fn a_frame_that_is_no_notification_is_skipped() {
    let mut decoder = ElectionDecoder::connected();
    decoder.push(&crate::hex("00000003 010203"));
    // The right length, but a state that does not exist.
    decoder
        .push(&crate::hex("0000001c 00000004 0000000000000001 0000000000000002 0000000000000003"));
    decoder
        .push(&crate::hex("0000001c 00000002 0000000000000001 0000000500000002 0000000000000003"));
    let mut next = || decoder.next_message().unwrap();
    assert!(matches!(next(), Some(ElectionMessage::Skipped(_))));
    assert!(matches!(next(), Some(ElectionMessage::Skipped(_))));
    let Some(ElectionMessage::Notification(read)) = next() else { panic!("a notification") };
    assert_eq!((read.state, read.peer_epoch), (ServerState::Leading, Epoch(5)));
    assert_eq!(next(), None);
}

#[test]
fn an_unknown_election_protocol_is_refused() {
    let mut decoder = ElectionDecoder::accepted();
    decoder.push(&(-65_534i64).to_be_bytes());
    let error = decoder.next_message().unwrap_err();
    assert_eq!(error.to_string(), "at byte 0: unknown election protocol -65534");
}
