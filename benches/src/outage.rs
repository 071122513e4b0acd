//! What clients see of the loss of a leader, from when their writes were acknowledged.

/// A write that was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Whose.
    pub client: usize,
    /// When it was asked for, in nanoseconds of one clock.
    pub asked_ns: u64,
    /// When it was acknowledged.
    pub at_ns: u64,
}

/// How long nobody was served.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outage {
    /// The longest time in which no client had an acknowledgement, in milliseconds.
    pub any_ms: f64,
    /// The longest time in which one client had none, the worst of them, in milliseconds.
    pub worst_client_ms: f64,
    /// From the loss until the next leader served, in milliseconds.
    pub leader_ms: f64,
}

/// The outage around a leader that was lost at `lost_ns`, its successor serving from `serves_ns` on.
/// None if one of `clients` had no write acknowledged that it asked for afterwards.
///
/// Of all clients together, silences count that end after the loss and no later than the moment when
/// every client was served again; of one client, those no later than its own.
pub fn outage(
    acknowledged: &[Acknowledgement],
    lost_ns: u64,
    serves_ns: u64,
    clients: usize,
) -> Option<Outage> {
    let mut numbers: Vec<usize> = acknowledged.iter().map(|each| each.client).collect();
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.len() < clients {
        return None;
    }
    let (mut worst, mut recovered_ns) = (0, lost_ns);
    for client in numbers {
        let own = || acknowledged.iter().filter(|each| each.client == client);
        let again = own().filter(|each| each.asked_ns >= lost_ns);
        let again_ns = again.map(|each| each.at_ns).min()?;
        recovered_ns = recovered_ns.max(again_ns);
        let times = own().map(|each| each.at_ns).collect();
        worst = worst.max(longest_silence(times, lost_ns, again_ns));
    }
    let times = acknowledged.iter().map(|each| each.at_ns).collect();
    Some(Outage {
        any_ms: longest_silence(times, lost_ns, recovered_ns) as f64 / 1e6,
        worst_client_ms: worst as f64 / 1e6,
        leader_ms: serves_ns.saturating_sub(lost_ns) as f64 / 1e6,
    })
}

/// The longest time between neighbours that ends within the window, in nanoseconds.
fn longest_silence(mut times: Vec<u64>, from_ns: u64, to_ns: u64) -> u64 {
    times.sort_unstable();
    let counts = |pair: &&[u64]| (from_ns..=to_ns).contains(&pair[1]);
    times.windows(2).filter(counts).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn at(client: usize, times_ms: &[u64]) -> Vec<Acknowledgement> {
        let each = |ms: &u64| Acknowledgement { client, asked_ns: (ms - 1) * MS, at_ns: ms * MS };
        times_ms.iter().map(each).collect()
    }

    #[test]
    fn the_longest_silence_around_the_loss_counts() {
        let mut all = at(1, &[10, 20, 30, 130, 140, 900]);
        all.extend(at(2, &[15, 25, 160, 170]));
        let seen = outage(&all, 31 * MS, 120 * MS, 2).unwrap();
        assert_eq!(seen, Outage { any_ms: 100.0, worst_client_ms: 135.0, leader_ms: 89.0 });
    }

    #[test]
    fn who_is_not_served_again_has_no_outage_yet() {
        let mut all = at(1, &[10, 20, 130]);
        assert_eq!(outage(&all, 31 * MS, 120 * MS, 2), None);
        all.extend(at(2, &[15, 25]));
        assert_eq!(outage(&all, 31 * MS, 120 * MS, 2), None);
        // An answer to what was asked before the loss does not show that anybody serves.
        all.push(Acknowledgement { client: 2, asked_ns: 30 * MS, at_ns: 40 * MS });
        assert_eq!(outage(&all, 31 * MS, 120 * MS, 2), None);
        all.extend(at(2, &[150]));
        assert_eq!(outage(&all, 31 * MS, 120 * MS, 2).unwrap().worst_client_ms, 110.0);
    }
}
