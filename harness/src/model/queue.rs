//! Queues by key: first in, first out.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::Model;

/// The model: each key has a queue, empty at first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Queues;

/// What is asked of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum QueueOperation {
    /// Put an item at the end.
    Enqueue {
        /// The name of the queue.
        key: String,
        /// What is put at the end; unique in a run, so that a dequeue tells which enqueue it saw.
        item: String,
    },
    /// Take the item at the front.
    Dequeue {
        /// The name of the queue.
        key: String,
    },
}

/// What a queue answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum QueueAnswer {
    /// It is in the queue.
    Enqueued,
    /// This was at the front; nothing, if the queue was empty.
    Item(Option<String>),
}

impl Model for Queues {
    type Operation = QueueOperation;
    type Answer = QueueAnswer;
    type State = VecDeque<String>;

    fn name(&self) -> &'static str {
        "queue"
    }

    fn initial(&self) -> VecDeque<String> {
        VecDeque::new()
    }

    fn step(
        &self,
        state: &VecDeque<String>,
        operation: &QueueOperation,
        answer: Option<&QueueAnswer>,
    ) -> Option<VecDeque<String>> {
        let mut queue = state.clone();
        match (operation, answer) {
            (QueueOperation::Enqueue { item, .. }, None | Some(QueueAnswer::Enqueued)) => {
                queue.push_back(item.clone());
                Some(queue)
            }
            (QueueOperation::Dequeue { .. }, None) => {
                queue.pop_front();
                Some(queue)
            }
            (QueueOperation::Dequeue { .. }, Some(QueueAnswer::Item(item))) => {
                (queue.pop_front() == *item).then_some(queue)
            }
            _ => None,
        }
    }

    fn key(&self, operation: &QueueOperation) -> String {
        match operation {
            QueueOperation::Enqueue { key, .. } | QueueOperation::Dequeue { key } => key.clone(),
        }
    }

    fn kind(&self, operation: &QueueOperation) -> &'static str {
        match operation {
            QueueOperation::Enqueue { .. } => "enqueue",
            QueueOperation::Dequeue { .. } => "dequeue",
        }
    }

    fn is_read(&self, _operation: &QueueOperation) -> bool {
        false
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["enqueue", "dequeue"]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_first_goes_first() {
        let item = |text: &str| Some(QueueAnswer::Item(Some(text.to_owned())));
        let take = QueueOperation::Dequeue { key: String::new() };
        let state: VecDeque<String> = ["a".to_owned(), "b".to_owned()].into();
        let left = Queues.step(&state, &take, item("a").as_ref()).unwrap();
        assert_eq!(left, ["b"]);
        assert_eq!(Queues.step(&state, &take, item("b").as_ref()), None);
        let nothing = Some(QueueAnswer::Item(None));
        assert_eq!(Queues.step(&state, &take, nothing.as_ref()), None, "it is not empty");
        assert!(Queues.step(&VecDeque::new(), &take, nothing.as_ref()).is_some());
    }
}
