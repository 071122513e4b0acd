//! Locks by ephemeral sequential nodes (ZooKeeper Recipes, "Locks"): who has the lowest number holds
//! the lock; everyone else watches the next lower one.
//!
//! Holders are counted here: two at a time would be a broken promise.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keeper_client::{Client, ClientEvent, ClientEventKind};
use keeper_core::record::Acl;
use keeper_core::wire::client::CreateMode;
use platform::tokio_platform::TokioPlatform;
use tokio::sync::mpsc::UnboundedReceiver;

use super::load::{Answer, Context, Load, Workload};

/// A lock that clients of this program take.
#[derive(Clone, Debug)]
pub(super) struct Lock {
    path: String,
    holders: Arc<AtomicUsize>,
}

impl Lock {
    /// Notes a holder; false if there is one already.
    fn enter(&self) -> bool {
        self.holders.fetch_add(1, Ordering::SeqCst) == 0
    }

    fn leave(&self) {
        self.holders.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The locks of a load: one for each client, or one for all.
pub(super) fn locks(load: &Load) -> Vec<Lock> {
    let count = if load.workload == Workload::LockShared { 1 } else { load.clients };
    let lock = |number| Lock {
        path: format!("{}/lock-{number}", load.root()),
        holders: Arc::new(AtomicUsize::new(0)),
    };
    (0..count).map(lock).collect()
}

/// Takes and releases a lock until the load ends.
pub(super) async fn take_turns(
    context: Arc<Context>,
    client: Client<TokioPlatform>,
    mut events: UnboundedReceiver<ClientEvent>,
    lock: Lock,
) {
    while let Some(due) = context.next_start().await {
        let answer = cycle(&context, &client, &mut events, &lock).await;
        if !context.note(due, &answer) {
            return;
        }
    }
}

/// Once: wait for the lock, hold it, release it.
async fn cycle(
    context: &Context,
    client: &Client<TokioPlatform>,
    events: &mut UnboundedReceiver<ClientEvent>,
    lock: &Lock,
) -> Answer<()> {
    let prefix = format!("{}/n-", lock.path);
    let mode = CreateMode::EphemeralSequential;
    let own = client.create(&prefix, "", Acl::open(), mode).await?.value;
    while let Some(before) = predecessor(client, lock, &own).await? {
        if client.exists(&before, true).await?.value.is_some() {
            wait_for(events, &before).await;
        }
    }
    if !lock.enter() {
        context.tally().lock_overlaps += 1;
    }
    // Whoever else believes to hold the lock gets a turn to show it.
    tokio::task::yield_now().await;
    lock.leave();
    client.delete(&own, -1).await
}

/// The path of the node with the next lower number; none if ours is the lowest.
async fn predecessor(
    client: &Client<TokioPlatform>,
    lock: &Lock,
    own: &str,
) -> Result<Option<String>, keeper_client::ClientError> {
    let names = client.get_children(&lock.path, false).await?.value;
    let own = own.rsplit('/').next().unwrap_or_default();
    Ok(next_lower(&names, own).map(|name| format!("{}/{name}", lock.path)))
}

/// Names differ in their numbers only, which all have ten digits.
fn next_lower<'a>(names: &'a [String], own: &str) -> Option<&'a String> {
    names.iter().filter(|name| name.as_str() < own).max()
}

/// Waits until a watch on this node fires, or the session ends.
async fn wait_for(events: &mut UnboundedReceiver<ClientEvent>, path: &str) {
    while let Some(event) = events.recv().await {
        if let ClientEventKind::Watch { event, .. } = event.kind
            && event.path == path
        {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_holders_at_a_time_are_seen() {
        let lock = Lock { path: String::new(), holders: Arc::default() };
        assert!(lock.enter());
        lock.leave();
        assert!(lock.enter());
        assert!(!lock.clone().enter());
    }

    #[test]
    fn the_next_lower_number_is_waited_for() {
        let names = ["n-0000000010", "n-0000000009", "n-0000000012"].map(str::to_owned);
        assert_eq!(next_lower(&names, "n-0000000012").unwrap(), "n-0000000010");
        assert_eq!(next_lower(&names, "n-0000000009"), None);
    }
}
