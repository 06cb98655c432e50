//! What the log says of objects that are not taken as their author meant them, or that are not
//! served: everything once, when it begins. `rauta check` says it of files beforehand.

use rauta_gateway_api::status::{Condition, ConditionStatus, ObjectStatus, kind};
use std::collections::BTreeSet;

/// What was said last.
#[derive(Debug, Default)]
pub(crate) struct Verdicts(BTreeSet<String>);

impl Verdicts {
    /// Takes in what became of each object, and what the data plane `refused` of it, and tells what
    /// is wrong now and was not before.
    pub(crate) fn news(
        &mut self,
        status: impl Iterator<Item = ObjectStatus>,
        refused: &[String],
    ) -> Vec<String> {
        let complaints = status.flat_map(|object| complaints(&object));
        let complaints: BTreeSet<String> = complaints.chain(refused.iter().cloned()).collect();
        let news = complaints.difference(&self.0).cloned().collect();
        self.0 = complaints;
        news
    }
}

fn complaints(object: &ObjectStatus) -> Vec<String> {
    let wrong = object.all_conditions().filter(|found| is_wrong(found));
    let told = wrong.map(|condition| {
        let (kind, name) = (object.kind, object.qualified_name());
        let Condition {
            r#type,
            reason,
            message,
            ..
        } = condition;
        let origin = &object.origin;
        format!("{kind} {name}: {type} {reason}: {message} ({origin})")
    });
    told.collect()
}

fn is_wrong(condition: &Condition) -> bool {
    let is_unserved =
        condition.r#type == kind::PROGRAMMED && condition.status == ConditionStatus::False;
    condition.is_rejection() || is_unserved
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway(status: ConditionStatus) -> ObjectStatus {
        ObjectStatus {
            kind: "Gateway",
            namespace: "shop".into(),
            name: "edge".into(),
            origin: "edge.yaml".into(),
            conditions: vec![Condition {
                r#type: kind::PROGRAMMED,
                status,
                reason: "AddressNotUsable",
                message: "192.0.2.1 is not a loopback address".into(),
                observed_generation: 1,
            }],
            addresses: Vec::new(),
            listeners: Vec::new(),
            parents: Vec::new(),
            ancestors: Vec::new(),
        }
    }

    #[test]
    fn what_is_wrong_is_told_once_and_again_after_it_was_right() {
        let mut verdicts = Verdicts::default();
        let wrong = || std::iter::once(gateway(ConditionStatus::False));
        let right = || std::iter::once(gateway(ConditionStatus::True));
        let told = "Gateway shop/edge: Programmed AddressNotUsable: 192.0.2.1 is not a loopback \
                    address (edge.yaml)";
        assert_eq!(verdicts.news(wrong(), &[]), [told]);
        assert!(verdicts.news(wrong(), &[]).is_empty());
        assert!(verdicts.news(right(), &[]).is_empty());
        assert_eq!(verdicts.news(wrong(), &[]), [told]);
        let refused = ["Gateway shop/edge listener https: its certificate".to_owned()];
        assert_eq!(verdicts.news(wrong(), &refused), refused);
        assert!(verdicts.news(wrong(), &refused).is_empty());
    }
}
