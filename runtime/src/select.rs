//! `select!`, whose choices are the seed's.

/// tokio's `select!`: waits for several futures and goes on with the first that is ready.
///
/// Without `biased;` tokio looks at the branches in an order drawn from a generator of the thread,
/// which no seed decides; in a world this macro draws it from a stream of the host.
#[macro_export]
macro_rules! select {
    (biased; $($branches:tt)*) => {
        $crate::support::tokio::select!(biased; $($branches)*)
    };
    () => {
        $crate::support::tokio::select!()
    };
    // The form that tokio's macro brings its own branches into. `BRANCHES` is a constant that it
    // defines where `start` is evaluated.
    ($($branches:tt)*) => {
        $crate::support::tokio::select!(
            @{ start = { $crate::support::first_branch(BRANCHES) }; () } $($branches)*
        )
    };
}
