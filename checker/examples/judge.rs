//! Judges two small histories of a register: one that is linearizable, and one with a stale read.
//!
//!     cargo run -p squall-checker --example judge

use checker::linear::Budget;
use checker::{CheckError, check_text};

/// A write is still under way while it is read: both answers are right.
const CONCURRENT: &str = "
{:process 0, :type :invoke, :f :write, :value 1, :time @0000}
{:process 1, :type :invoke, :f :read,  :value nil, :time @0000}
{:process 1, :type :ok,     :f :read,  :value 1, :time @0000}
{:process 0, :type :ok,     :f :write, :value 1, :time @0000}
";

/// A write has ended, and is not there.
const STALE: &str = "
{:process 0, :type :invoke, :f :write, :value 1, :time @0000}
{:process 0, :type :ok,     :f :write, :value 1, :time @0000}
{:process 0, :type :invoke, :f :write, :value 2, :time @0000}
{:process 0, :type :ok,     :f :write, :value 2, :time @0000}
{:process 1, :type :invoke, :f :read,  :value nil, :time @0000}
{:process 1, :type :ok,     :f :read,  :value 1, :time @0000}
";

fn main() -> Result<(), CheckError> {
    for (name, history) in [("concurrent", CONCURRENT), ("stale", STALE)] {
        let verdict = check_text(name, history.as_bytes(), None, Budget::default())?;
        println!("{name}: {verdict}");
    }
    Ok(())
}
