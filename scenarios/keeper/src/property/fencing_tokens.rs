//! Fencing tokens grow from one grant to the next of a path, no two grants have the same, and each
//! is the czxid of its znode (F. Junqueira, "Note on fencing and distributed locks", 2016: a zxid
//! serves as the token; M. Kleppmann, "How to do distributed locking", 2016: a number that increases
//! every time). So at most one leader has a token.
//!
//! Grants are ordered by the states of the tree in which they were seen.

use std::collections::BTreeMap;

use crate::claims::{Claim, Grant};
use crate::record::RunRecord;
use harness::plan::Plan;

use super::lines::{Granted, Lines};
use super::{Property, PropertyVerdict, Story, of_every_run};

pub(super) const PROPERTY: Property = Property {
    has_subject: of_every_run,
    name: "fencing tokens grow",
    source: "Junqueira, Note on fencing and distributed locks, 2016; Kleppmann, How to do \
             distributed locking, 2016",
    check,
};

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    let lines = Lines::of(record);
    let mut paths: BTreeMap<&str, Vec<(&Claim, &Grant)>> = BTreeMap::new();
    for claim in &record.history.claims {
        let Some(grant) = &claim.grant else { continue };
        let own = lines.as_ref().and_then(|lines| lines.granted(claim, grant));
        if let Some(own) = own.filter(|own| own.born != grant.token) {
            let note = format!("the znode was created at {}", own.born);
            return Story::new("a fencing token is not its znode's czxid")
                .granted(claim, grant, note)
                .violated(grant.at_ns);
        }
        paths.entry(&claim.path).or_default().push((claim, grant));
    }
    for grants in paths.values_mut() {
        grants.sort_by_key(|(_, grant)| (grant.seen, grant.token));
        for pair in grants.windows(2) {
            let [(before, first), (after, second)] = pair else { continue };
            if first.token >= second.token {
                return Story::new("a later grant has no higher fencing token")
                    .granted(before, first, "")
                    .granted(after, second, "")
                    .violated(first.at_ns.max(second.at_ns));
            }
        }
    }
    PropertyVerdict::Holds
}

#[cfg(test)]
mod tests {
    use super::super::testing_claims::Line;
    use super::*;

    #[test]
    fn tokens_that_grow_are_right_whoever_was_told_first() {
        let line = Line::new().stand(1, 11).stand(2, 12).leave(1, 13).grant(2, 13).grant(1, 12);
        line.keeps(PROPERTY);
    }

    #[test]
    fn a_token_that_falls_or_repeats_is_seen() {
        let line = Line::new().stand(1, 11).stand(2, 12).leave(1, 13).grant(2, 12).grant(1, 13);
        line.breaks(PROPERTY, "no higher");
        Line::new().stand(1, 11).grant(1, 11).grant_again(1, 12).breaks(PROPERTY, "no higher");
    }

    #[test]
    fn a_made_up_token_is_seen() {
        Line::new().stand(1, 11).grant_with(1, 14, 99).breaks(PROPERTY, "czxid");
    }
}
