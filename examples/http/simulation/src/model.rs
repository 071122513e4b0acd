//! What the service answers if it does one thing after the other: an account is a sum.

use serde::{Deserialize, Serialize};
use squall::generate::{Asks, Workload};
use squall::model::Model;

/// The model: each account is empty at first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Accounts;

/// What is asked of an account.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum AccountOperation {
    /// Pay so much to it.
    Pay {
        /// Which.
        account: String,
        /// How much.
        amount: u64,
        /// What tells the payment from all others.
        reference: String,
    },
    /// Tell what was paid to it in all.
    Balance {
        /// Which.
        account: String,
    },
}

/// What the service answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AccountAnswer {
    /// The payment is made.
    Paid,
    /// So much was paid.
    Balance(u64),
}

impl Model for Accounts {
    type Operation = AccountOperation;
    type Answer = AccountAnswer;
    type State = u64;

    fn name(&self) -> &'static str {
        "account"
    }

    fn initial(&self) -> u64 {
        0
    }

    fn step(
        &self,
        state: &u64,
        operation: &AccountOperation,
        answer: Option<&AccountAnswer>,
    ) -> Option<u64> {
        match (operation, answer) {
            (AccountOperation::Pay { amount, .. }, None | Some(AccountAnswer::Paid)) => {
                Some(state + amount)
            }
            (AccountOperation::Balance { .. }, None) => Some(*state),
            (AccountOperation::Balance { .. }, Some(AccountAnswer::Balance(told))) => {
                (told == state).then_some(*state)
            }
            _ => None,
        }
    }

    fn key(&self, operation: &AccountOperation) -> String {
        match operation {
            AccountOperation::Pay { account, .. } | AccountOperation::Balance { account } => {
                account.clone()
            }
        }
    }

    fn kind(&self, operation: &AccountOperation) -> &'static str {
        match operation {
            AccountOperation::Pay { .. } => "pay",
            AccountOperation::Balance { .. } => "balance",
        }
    }

    fn is_read(&self, operation: &AccountOperation) -> bool {
        matches!(operation, AccountOperation::Balance { .. })
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["pay", "balance"]
    }
}

/// Payments to a few accounts, and looks at them.
#[derive(Clone, Copy, Debug)]
pub struct SomePayments(pub &'static [&'static str]);

impl Workload for SomePayments {
    type Operation = AccountOperation;

    fn draw(&self, asks: &mut Asks) -> AccountOperation {
        let account = (*asks.draws.pick(self.0).expect("there is an account")).to_owned();
        match asks.weighted(&[3, 2]) {
            0 => {
                let amount = asks.draws.range(1, 100);
                AccountOperation::Pay { account, amount, reference: asks.value() }
            }
            _ => AccountOperation::Balance { account },
        }
    }
}
