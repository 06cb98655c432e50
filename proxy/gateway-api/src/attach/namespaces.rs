//! Which namespaces' routes a listener takes.

use crate::index::Lookup;
use crate::object::types::gateways::{
    GatewayListenersAllowedRoutesNamespaces, GatewayListenersAllowedRoutesNamespacesFrom as From,
    GatewayListenersAllowedRoutesNamespacesSelector,
};
use std::collections::BTreeMap;

/// `allowedRoutes.namespaces` of a listener.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum NamespaceRule {
    /// The Gateway's own.
    Same,
    /// Every one.
    All,
    /// Those whose labels fit.
    Selector(Box<GatewayListenersAllowedRoutesNamespacesSelector>),
}

impl NamespaceRule {
    pub(super) fn new(allowed: Option<&GatewayListenersAllowedRoutesNamespaces>) -> Self {
        let Some(allowed) = allowed else {
            return Self::Same;
        };
        match (&allowed.from, &allowed.selector) {
            (Some(From::All), _) => Self::All,
            (Some(From::Selector), Some(selector)) => Self::Selector(Box::new(selector.clone())),
            // `Selector` without a selector selects nothing: the narrowest reading that keeps
            // the Gateway's own routes.
            (Some(From::Same | From::Selector) | None, _) => Self::Same,
        }
    }

    /// Whether routes of `namespace` may attach to a listener of a Gateway in `gateway`.
    pub(super) fn takes(&self, lookup: &Lookup<'_>, gateway: &str, namespace: &str) -> bool {
        match self {
            Self::Same => gateway == namespace,
            Self::All => true,
            Self::Selector(selector) => fits(selector, &lookup.namespace_labels(namespace)),
        }
    }
}

impl std::fmt::Display for NamespaceRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Same => "from: Same",
            Self::All => "from: All",
            Self::Selector(_) => "from: Selector",
        })
    }
}

/// A label selector: every label and every expression must hold.
fn fits(
    selector: &GatewayListenersAllowedRoutesNamespacesSelector,
    labels: &BTreeMap<String, String>,
) -> bool {
    let equal = selector
        .match_labels
        .iter()
        .flatten()
        .all(|(key, value)| labels.get(key) == Some(value));
    equal
        && selector.match_expressions.iter().flatten().all(|wanted| {
            let value = labels.get(&wanted.key);
            let listed = value.is_some_and(|value| {
                let mut values = wanted.values.iter().flatten();
                values.any(|listed| listed == value)
            });
            match wanted.operator.as_str() {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                // An operator that is not known selects nothing.
                _ => false,
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_holds_labels_against_its_expressions() {
        let selector = |text: &str| serde_json::from_str(text).expect("a selector");
        let labels = BTreeMap::from([("team".to_owned(), "red".to_owned())]);
        let cases = [
            (r"{}", true),
            (r#"{"matchLabels":{"team":"red"}}"#, true),
            (r#"{"matchLabels":{"team":"blue"}}"#, false),
            (
                r#"{"matchExpressions":[{"key":"team","operator":"In","values":["red","blue"]}]}"#,
                true,
            ),
            (
                r#"{"matchExpressions":[{"key":"team","operator":"NotIn","values":["red"]}]}"#,
                false,
            ),
            (
                r#"{"matchExpressions":[{"key":"zone","operator":"NotIn","values":["a"]}]}"#,
                true,
            ),
            (
                r#"{"matchExpressions":[{"key":"team","operator":"Exists"}]}"#,
                true,
            ),
            (
                r#"{"matchExpressions":[{"key":"team","operator":"DoesNotExist"}]}"#,
                false,
            ),
            (
                r#"{"matchExpressions":[{"key":"team","operator":"Sometimes"}]}"#,
                false,
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(fits(&selector(text), &labels), expected, "{text}");
        }
    }
}
