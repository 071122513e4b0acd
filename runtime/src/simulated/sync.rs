//! tokio's channels and locks: its own, which need no runtime, but for [`watch`].

pub use tokio::sync::*;

/// tokio's `watch`, whose waiters are woken in the order in which they came.
///
/// tokio keeps them in eight lists, puts each into one that a generator of the thread draws, which no seed
/// decides, and wakes list after list. In a world they stand in one line here; outside of every world they
/// are tokio's.
pub mod watch {
    use std::future::Future;
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};

    use tokio::sync::Notify;
    use tokio::sync::watch as tokio_watch;

    pub use tokio::sync::watch::{Ref, error};

    use crate::simulated::here;

    /// Makes a channel that holds `init`.
    pub fn channel<T>(init: T) -> (Sender<T>, Receiver<T>) {
        let (sender, receiver) = tokio_watch::channel(init);
        let line = Arc::new(Notify::new());
        let sender = Sender { own: Some(sender), line: Arc::clone(&line) };
        (sender, Receiver { own: receiver, line })
    }

    /// As `tokio::sync::watch::Sender`.
    #[derive(Debug)]
    pub struct Sender<T> {
        /// There until the sender is dropped.
        own: Option<tokio_watch::Sender<T>>,
        /// Who waits for a change.
        line: Arc<Notify>,
    }

    impl<T> Clone for Sender<T> {
        fn clone(&self) -> Sender<T> {
            Sender { own: self.own.clone(), line: Arc::clone(&self.line) }
        }
    }

    impl<T: Default> Default for Sender<T> {
        fn default() -> Sender<T> {
            Sender::new(T::default())
        }
    }

    impl<T> Drop for Sender<T> {
        fn drop(&mut self) {
            let is_last = self.own().sender_count() == 1;
            // Whoever waits must find the channel closed when it looks.
            drop(self.own.take());
            if is_last {
                self.line.notify_waiters();
            }
        }
    }

    impl<T> Sender<T> {
        /// A channel's sender, without a receiver.
        pub fn new(init: T) -> Sender<T> {
            channel(init).0
        }

        fn own(&self) -> &tokio_watch::Sender<T> {
            self.own.as_ref().expect("it is there until the sender is dropped")
        }

        /// Sends a value, if there is a receiver.
        ///
        /// # Errors
        /// There is none: the value comes back.
        pub fn send(&self, value: T) -> Result<(), error::SendError<T>> {
            self.own().send(value)?;
            self.line.notify_waiters();
            Ok(())
        }

        /// Changes the value, whether there is a receiver or not.
        pub fn send_modify<F: FnOnce(&mut T)>(&self, modify: F) {
            self.own().send_modify(modify);
            self.line.notify_waiters();
        }

        /// Changes the value; receivers are told if `modify` says so.
        pub fn send_if_modified<F: FnOnce(&mut T) -> bool>(&self, modify: F) -> bool {
            let is_modified = self.own().send_if_modified(modify);
            if is_modified {
                self.line.notify_waiters();
            }
            is_modified
        }

        /// Sends a value, whether there is a receiver or not, and gives back the one before.
        pub fn send_replace(&self, value: T) -> T {
            let before = self.own().send_replace(value);
            self.line.notify_waiters();
            before
        }

        /// The value that was sent last.
        pub fn borrow(&self) -> Ref<'_, T> {
            self.own().borrow()
        }

        /// Whether all receivers are gone.
        pub fn is_closed(&self) -> bool {
            self.own().is_closed()
        }

        /// Waits until all receivers are gone.
        pub async fn closed(&self) {
            self.own().closed().await;
        }

        /// Another receiver, for which the present value is seen.
        pub fn subscribe(&self) -> Receiver<T> {
            Receiver { own: self.own().subscribe(), line: Arc::clone(&self.line) }
        }

        /// How many receivers there are.
        pub fn receiver_count(&self) -> usize {
            self.own().receiver_count()
        }

        /// How many senders there are.
        pub fn sender_count(&self) -> usize {
            self.own().sender_count()
        }

        /// Whether both are of one channel.
        pub fn same_channel(&self, other: &Sender<T>) -> bool {
            self.own().same_channel(other.own())
        }
    }

    /// As `tokio::sync::watch::Receiver`.
    #[derive(Debug)]
    pub struct Receiver<T> {
        own: tokio_watch::Receiver<T>,
        line: Arc<Notify>,
    }

    impl<T> Clone for Receiver<T> {
        fn clone(&self) -> Receiver<T> {
            Receiver { own: self.own.clone(), line: Arc::clone(&self.line) }
        }
    }

    impl<T> Receiver<T> {
        /// The value that was sent last; it stays unseen.
        pub fn borrow(&self) -> Ref<'_, T> {
            self.own.borrow()
        }

        /// The value that was sent last, which is seen then.
        pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
            self.own.borrow_and_update()
        }

        /// Whether there is a value that was not seen.
        ///
        /// # Errors
        /// All senders are gone.
        pub fn has_changed(&self) -> Result<bool, error::RecvError> {
            self.own.has_changed()
        }

        /// Whether all senders are gone.
        pub fn is_closed(&self) -> bool {
            self.own.is_closed()
        }

        /// The present value is not seen.
        pub fn mark_changed(&mut self) {
            self.own.mark_changed();
        }

        /// The present value is seen.
        pub fn mark_unchanged(&mut self) {
            self.own.mark_unchanged();
        }

        /// Waits for a value that was not seen, which is seen then.
        ///
        /// # Errors
        /// All senders are gone, and the last value was seen.
        pub async fn changed(&mut self) -> Result<(), error::RecvError> {
            if here().is_none() {
                return self.own.changed().await;
            }
            loop {
                let mut turn = pin!(self.line.notified());
                // In line first: what is sent from now on is not missed.
                turn.as_mut().enable();
                let looked = pin!(self.own.changed()).poll(&mut Context::from_waker(Waker::noop()));
                if let Poll::Ready(changed) = looked {
                    return changed;
                }
                turn.await;
            }
        }

        /// Waits until the value is as `is_it` wants it; it is seen then.
        ///
        /// # Errors
        /// All senders are gone, and the last value is another.
        pub async fn wait_for(
            &mut self,
            mut is_it: impl FnMut(&T) -> bool,
        ) -> Result<Ref<'_, T>, error::RecvError> {
            if here().is_none() {
                return self.own.wait_for(is_it).await;
            }
            while !is_it(&self.own.borrow_and_update()) {
                self.changed().await?;
            }
            Ok(self.own.borrow())
        }

        /// Whether both are of one channel.
        pub fn same_channel(&self, other: &Receiver<T>) -> bool {
            self.own.same_channel(&other.own)
        }
    }
}
