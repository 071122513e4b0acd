//! The words that key the world's streams of draws: see [`crate::seed`].
//!
//! A word is a part of what a seed means, so it is frozen: whoever renames what it stands for leaves
//! the word alone.

/// A host's own random numbers; index: its incarnation.
pub(crate) const ENTROPY: &str = "entropy";
/// How long a disk's operations take.
pub(crate) const DISK_LATENCY: &str = "disk latency";
/// Which names of a disk a power loss takes; index: which power loss.
pub(crate) const LOST_NAMES: &str = "lost names";
/// Which sectors of a disk a power loss takes; index: which power loss.
pub(crate) const LOST_SECTORS: &str = "lost sectors";
/// Where on a disk a misdirected write goes; index: which one.
pub(crate) const MISDIRECTED_WRITE: &str = "misdirected write";
/// Which connections end with a partition; index: the fault's.
pub(crate) const RESET_ON_HEAL: &str = "reset on heal";
/// Never asked: these resets are certain.
pub(crate) const RESET: &str = "reset";
/// The engine: how long a lane's segments are under way; host: the sender; index: the connection's.
pub(crate) const LATENCY: &str = "latency";
/// The engine: which segments of a flaky link get lost; host: the sender; index: the receiver.
pub(crate) const FLAKY_LINK: &str = "flaky link";
/// The engine: in which order a host's ready tasks run.
pub(crate) const TASK_ORDER: &str = "task order";
/// The engine: which reads and writes of a host wait for no reason or are cut short.
pub(crate) const SPURIOUS: &str = "spurious";
/// The engine: how long datagrams are under way; host: the sender; index: the receiver.
pub(crate) const DATAGRAM_LATENCY: &str = "datagram latency";
/// The engine: which datagrams get lost, double or late; host: the sender; index: the receiver.
pub(crate) const DATAGRAM_TROUBLE: &str = "datagram trouble";
/// The engine: which branch of a choice a program looks at first; index: its incarnation.
pub(crate) const CHOICES: &str = "choices";
/// The engine: what the system gives to those who ask it directly; index: the host's incarnation.
pub(crate) const SYSTEM_ENTROPY: &str = "system entropy";
/// The engine: what a program's own words for its random sources begin with, so that they name no
/// stream of the world; index: the incarnation, and which source of that word.
pub(crate) const OF_A_PROGRAM: &str = "program: ";
/// turmoil's own seed.
#[cfg(feature = "turmoil")]
pub(crate) const TURMOIL: &str = "turmoil";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Draws;

    /// A seed must go on to mean what it meant: neither a word nor what it draws may change.
    #[test]
    fn words_and_what_they_draw_are_frozen() {
        let words = [
            (ENTROPY, "entropy"),
            (DISK_LATENCY, "disk latency"),
            (LOST_NAMES, "lost names"),
            (LOST_SECTORS, "lost sectors"),
            (MISDIRECTED_WRITE, "misdirected write"),
            (RESET_ON_HEAL, "reset on heal"),
            (RESET, "reset"),
            (LATENCY, "latency"),
            (FLAKY_LINK, "flaky link"),
            (TASK_ORDER, "task order"),
            (SPURIOUS, "spurious"),
        ];
        assert!(words.iter().all(|(word, spelling)| word == spelling), "{words:?}");
        let of_programs =
            [DATAGRAM_LATENCY, DATAGRAM_TROUBLE, CHOICES, SYSTEM_ENTROPY, OF_A_PROGRAM];
        let spelled =
            ["datagram latency", "datagram trouble", "choices", "system entropy", "program: "];
        assert_eq!(of_programs, spelled);
        let drawn = words.map(|(word, _)| Draws::for_host(1, word, 2, 3).bits());
        assert_eq!(drawn, DRAWN);
    }

    const DRAWN: [u64; 11] = [
        0x2454_2b6d_1c2b_e424,
        0xc0eb_674c_f1fb_e819,
        0x30ee_6bdf_586a_0b4f,
        0x7087_3831_f744_faca,
        0x1397_024b_a77c_a0b5,
        0xa006_38ba_cfca_2071,
        0xcb27_8a90_f3cc_db0e,
        0xc9ef_13a2_4daf_9cfd,
        0xef64_94d4_e797_900b,
        0xf098_c675_eb80_964f,
        0x95db_7f23_9430_3a20,
    ];

    #[cfg(feature = "turmoil")]
    #[test]
    fn seed_of_turmoil_is_frozen() {
        assert_eq!((TURMOIL, Draws::new(1, TURMOIL, 0).bits()), ("turmoil", 0xbd64_1467_552b_1a37));
    }
}
