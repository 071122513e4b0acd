//! Nothing of a claim outlives it: what was released, or whose session expired, stands in no line
//! any more, and a creation whose answer was lost left no second znode (ZooKeeper Recipes and
//! Solutions, "Recoverable Errors and the GUID"; CURATOR's protection is for this). Otherwise the
//! line stands still behind a znode that nobody knows to be his.

use crate::claims::ClaimEnd;
use crate::record::RunRecord;
use harness::plan::Plan;

use super::lines::Lines;
use super::{Property, PropertyVerdict, Story, of_every_run};

pub(super) const PROPERTY: Property = Property {
    has_subject: of_every_run,
    name: "nothing is left in a line",
    source: "ZooKeeper Recipes and Solutions, Recoverable Errors and the GUID",
    check,
};

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    // Before it has healed, much may still be under way.
    if record.healed_after_ms.is_none() {
        return PropertyVerdict::Holds;
    }
    let Some(lines) = Lines::of(record) else { return PropertyVerdict::Holds };
    for node in lines.all().filter(|node| node.died.is_none()) {
        let claim =
            record.history.claims.iter().find(|claim| (claim.client, claim.planned) == node.claim);
        let Some((claim, (end, ended_ns))) = claim.and_then(|c| Some((c, c.end.as_ref()?))) else {
            continue;
        };
        let ended = match end {
            ClaimEnd::Released => "released",
            ClaimEnd::SessionExpired => "was told that the session had expired",
            ClaimEnd::NodeDeleted => "saw the znode deleted",
            // The session may live on until it expires.
            ClaimEnd::Closed | ClaimEnd::Failed(_) => continue,
        };
        let who = format!("c{}", claim.client);
        let stands = format!("{} stands since {}", node.name(), node.born);
        return Story::new("a znode of a claim that is over stands in the line")
            .line(who, *ended_ns, format!("{ended}: {}", claim.path), "")
            .line("", record.end_ns, stands, "")
            .violated(record.end_ns);
    }
    PropertyVerdict::Holds
}

#[cfg(test)]
mod tests {
    use super::super::testing_claims::Line;
    use super::*;

    #[test]
    fn what_is_deleted_or_still_waits_is_right() {
        let line = Line::new().stand(1, 11).stand(2, 12).grant(1, 12).release(1, 13);
        line.keeps(PROPERTY);
    }

    #[test]
    fn a_second_znode_of_one_claim_is_seen() {
        let line = Line::new().stand_unanswered(1, Some(10)).stand(1, 11).grant(1, 12);
        line.clone().keeps(PROPERTY);
        line.release(1, 13).breaks(PROPERTY, "stands in the line");
    }

    #[test]
    fn a_release_without_a_deletion_is_seen() {
        let line = Line::new().stand(1, 11).grant(1, 11).say_released(1);
        line.breaks(PROPERTY, "stands in the line");
    }
}
