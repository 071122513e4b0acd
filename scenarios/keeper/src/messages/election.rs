//! The election protocol: who dials says who it is; then both sides vote.

use keeper_core::jute::{Decode, DecodeError, Reader, from_bytes};
use keeper_core::wire::election::{InitialMessage, Notification, ServerState};

use super::{Said, frames};

/// What the side that dialled says.
pub(super) fn dialler(bytes: &[u8]) -> Vec<Said> {
    let mut reader = Reader::new(bytes);
    match InitialMessage::decode(&mut reader) {
        Ok(hello) => {
            let end = reader.offset();
            let mut said = vec![Said::new(end, format!("I am n{}", hello.server))];
            said.extend(votes(bytes, end));
            said
        }
        Err(DecodeError::Truncated { .. }) => Vec::new(),
        Err(error) => vec![Said::unreadable(bytes, 0, error)],
    }
}

/// Votes from an offset on.
pub(super) fn votes(bytes: &[u8], from: usize) -> Vec<Said> {
    let vote = |frame| match frame {
        Ok((content, end)) => vote(content, end),
        Err(at) => Said::unreadable(bytes, at, "a negative length"),
    };
    frames(bytes, from).map(vote).collect()
}

fn vote(content: &[u8], end: usize) -> Said {
    let vote = match from_bytes::<Notification>(content) {
        Ok(vote) => vote,
        Err(error) => return Said::new(end, "unreadable vote").with(error.to_string()),
    };
    let state = match vote.state {
        ServerState::Looking => "looking",
        ServerState::Following => "following",
        ServerState::Leading => "leading",
        ServerState::Observing => "observing",
    };
    let Notification { leader, zxid, round, peer_epoch, .. } = vote;
    Said::new(end, format!("{state}, n{leader} {zxid}"))
        .with(format!("round {round}, epoch {peer_epoch}"))
}

#[cfg(test)]
mod tests {
    use keeper_core::ids::{Epoch, ServerId, Zxid};
    use keeper_core::jute::Encode;

    use super::*;

    #[test]
    fn the_dialler_names_itself_and_both_vote() {
        let vote = Notification {
            state: ServerState::Looking,
            leader: ServerId(3),
            zxid: Zxid(0x1_0000_0004),
            round: 2,
            peer_epoch: Epoch(1),
            config: None,
        };
        let hello = InitialMessage { server: ServerId(1), addresses: vec!["n1:3888".to_owned()] };
        let mut bytes = Vec::new();
        hello.encode(&mut bytes);
        let initial = bytes.len();
        vote.encode_frame(&mut bytes);
        let said = dialler(&bytes);
        let labels: Vec<&str> = said.iter().map(|said| said.label.as_str()).collect();
        assert_eq!(labels, ["I am n1", "looking, n3 0x100000004"]);
        assert_eq!(said[1].detail, "round 2, epoch 1");
        assert_eq!(votes(&bytes, initial), said[1..]);
        assert_eq!(dialler(&bytes[..initial - 1]), []);
    }
}
