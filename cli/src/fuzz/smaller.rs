//! `squall fuzz --shrink`: when all runs are done, the plan of each distinct failure is made smaller,
//! written beside the whole one, and named in everything that names the failure.

use std::sync::atomic::{AtomicBool, Ordering};

use evidence::{FailureMessage, SmallerPlan};
use harness::Plan;
use harness::shrink::{Ended, Shrunk, Size, shrink};
use reports::{FolderError, explanation_text};
use serde::Serialize;

use super::Fuzz;
use crate::exit::Exit;
use crate::keep::plan_text;
use crate::program;
use crate::shrink::{Bounds, SEEDS_DEFAULT, step_text};
use crate::systems::systems;

/// What is kept of the first run that failed in one way.
pub(super) struct Evidence {
    pub(super) plan: Plan,
    pub(super) message: FailureMessage,
    pub(super) sim_ms: u64,
}

/// A line of JSON for each failure.
#[derive(Serialize)]
struct ShrunkLine<'a> {
    fingerprint: &'a str,
    before: Size,
    after: Size,
    smaller: &'a SmallerPlan,
}

impl Fuzz<'_> {
    /// Makes the plan of each distinct failure smaller, the most frequent first.
    pub(super) fn make_smaller(
        &mut self,
        jobs: usize,
        stop: &AtomicBool,
    ) -> Result<(), FolderError> {
        let mut order: Vec<usize> = (0..self.failures.len()).collect();
        order.sort_by_key(|index| std::cmp::Reverse(self.failures[*index].count));
        for index in order {
            if stop.load(Ordering::Relaxed) || self.output.is_closed() {
                return Ok(());
            }
            let bounds = Bounds::or_default(self.args.shrink_time, self.args.shrink_work);
            let (plan, fingerprint) =
                (&self.evidence[index].plan, &self.failures[index].fingerprint);
            let progress = &mut self.progress;
            let shrunk = bounds.within(jobs, SEEDS_DEFAULT, stop, |options| {
                shrink(systems(), plan, options, &mut |step| {
                    progress.show(|| format!("{fingerprint}: {}", step_text(step)));
                })
            });
            match shrunk {
                Ok(shrunk) => {
                    self.keep_smaller(index, &shrunk, &bounds.ended(shrunk.ended, stop))?;
                }
                // The same plan failed a moment ago.
                Err(error) => {
                    self.doubts.push(format!("{}/plan.json: {error}", self.failures[index].folder));
                    self.exit = self.exit.and(Exit::Untrusted);
                }
            }
        }
        Ok(())
    }

    fn keep_smaller(
        &mut self,
        index: usize,
        shrunk: &Shrunk,
        how: &str,
    ) -> Result<(), FolderError> {
        let (failure, evidence) = (&mut self.failures[index], &mut self.evidence[index]);
        let (before, after) =
            (Size::of(systems(), &evidence.plan), Size::of(systems(), &shrunk.plan));
        let plan = format!("{}/plan.min.json", failure.folder);
        let path = self.folder.write(&plan, plan_text(&shrunk.plan).as_bytes())?;
        let change = before.to(after);
        let command = program::replay(&path);
        let smaller = SmallerPlan {
            plan,
            change: change.clone(),
            operations: after.operations,
            faults: after.faults,
            runs: shrunk.performed,
            complete: shrunk.ended == Ended::Complete,
        };
        let fingerprint = &failure.fingerprint;
        self.progress.aside(|| {
            self.output.json(&ShrunkLine { fingerprint, before, after, smaller: &smaller });
            self.output.text(&format!(
                "SHRUNK {}   seed {}   fingerprint {fingerprint}\n  {change}\n  {} runs, {how}\n  \
                 smaller  {command}\n",
                failure.scenario, failure.seed, shrunk.performed,
            ));
        });
        evidence.message.commands.smaller = Some((command, change));
        let explanation = explanation_text(&evidence.message, evidence.sim_ms);
        self.folder
            .write(&format!("{}/explanation.txt", failure.folder), explanation.as_bytes())?;
        failure.smaller = Some(smaller);
        self.write_so_far()
    }
}
