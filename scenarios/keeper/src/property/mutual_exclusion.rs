//! One at a time holds: a client is granted a lock, or leadership, only while its znode is the first
//! one that stands in the line (ZooKeeper Recipes and Solutions, Locks: "if the pathname created has
//! the lowest sequence number suffix"; Leader Election likewise).
//!
//! A hold is the life of its znode from the state in which its client saw it first. Real time does
//! not come into it: a client may be told late, or learn late that its session is over; against
//! that stand the fencing tokens.

use crate::record::RunRecord;
use harness::plan::Plan;

use super::lines::{Granted, Lines};
use super::{Property, PropertyVerdict, Story, of_every_run};

pub(super) const PROPERTY: Property = Property {
    has_subject: of_every_run,
    name: "one holder at a time",
    source: "ZooKeeper Recipes and Solutions, Locks and Leader Election",
    check,
};

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    let Some(lines) = Lines::of(record) else { return PropertyVerdict::Holds };
    for claim in &record.history.claims {
        let Some(grant) = &claim.grant else { continue };
        let own = lines.granted(claim, grant).filter(|own| own.stood_at(grant.seen));
        let Some(own) = own else {
            return Story::new("granted by a znode that did not stand")
                .granted(claim, grant, "")
                .violated(grant.at_ns);
        };
        let before = |node: &&super::lines::Standing| node.born < own.born;
        let line = lines.line(&claim.path).iter();
        let Some(first) = line.filter(before).find(|node| node.stood_at(grant.seen)) else {
            continue;
        };
        let mut story = Story::new("granted to two at a time");
        let holder =
            record.history.claims.iter().find(|other| (other.client, other.planned) == first.claim);
        story = match holder.and_then(|other| Some((other, other.grant.as_ref()?))) {
            Some((other, granted)) => story.granted(other, granted, "and not over"),
            None => {
                let text = format!("{} stands since {}", first.name(), first.born);
                let asked_ns = holder.map_or(grant.at_ns, |holder| holder.asked_ns);
                story.line(format!("c{}", first.claim.0), asked_ns, text, "it came before")
            }
        };
        return story.granted(claim, grant, "").violated(grant.at_ns);
    }
    PropertyVerdict::Holds
}

#[cfg(test)]
mod tests {
    use super::super::testing_claims::Line;
    use super::*;

    #[test]
    fn one_after_the_other_is_right() {
        let line = Line::new().stand(1, 11).stand(2, 12).grant(1, 12).leave(1, 13).grant(2, 13);
        line.keeps(PROPERTY);
    }

    #[test]
    fn a_session_that_ends_lets_the_next_one_in() {
        let line = Line::new().stand(1, 11).stand(2, 12).grant(1, 12).close_session(1, 14);
        line.grant(2, 14).keeps(PROPERTY);
    }

    #[test]
    fn a_grant_that_overlooks_an_earlier_znode_is_seen() {
        let line = Line::new().stand(1, 11).stand(2, 12).grant(1, 11);
        line.clone().grant(2, 12).breaks(PROPERTY, "two at a time");
        line.leave(1, 15).grant(2, 14).breaks(PROPERTY, "two at a time");
        let nobody_holds = Line::new().stand(1, 11).stand(2, 12).grant(2, 12);
        nobody_holds.breaks(PROPERTY, "two at a time");
    }

    #[test]
    fn a_lost_creation_counts_if_it_took_effect() {
        let line = Line::new().stand_unanswered(1, Some(11)).stand(2, 12).grant(2, 12);
        line.breaks(PROPERTY, "two at a time");
        Line::new().stand_unanswered(1, None).stand(2, 12).grant(2, 12).keeps(PROPERTY);
    }

    #[test]
    fn a_grant_without_a_znode_is_seen() {
        let line = Line::new().stand(1, 11).leave(1, 12).grant(1, 13);
        line.breaks(PROPERTY, "did not stand");
    }
}
