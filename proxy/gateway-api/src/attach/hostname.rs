//! Which requests a route's hostname and a listener's hostname have in common.

use rauta_routing::Hostname;

/// The hostnames that both match, as one pattern; `None` where there are none.
/// An absent listener hostname matches every one.
pub(super) fn intersection(listener: Option<&Hostname>, route: &Hostname) -> Option<Hostname> {
    use Hostname::{Exact, Wildcard};
    let Some(listener) = listener else {
        return Some(route.clone());
    };
    let (narrow, wide) = match (listener, route) {
        (Exact(a), Exact(b)) => return (a == b).then(|| route.clone()),
        (Exact(_), Wildcard(wide)) => (listener, wide),
        (Wildcard(wide), Exact(_)) => (route, wide),
        (Wildcard(a), Wildcard(b)) if a.len() >= b.len() => (listener, b),
        (Wildcard(a), Wildcard(_)) => (route, a),
    };
    covers(wide, narrow).then(|| narrow.clone())
}

/// Whether some request could match both.
pub(super) fn overlap(a: Option<&Hostname>, b: Option<&Hostname>) -> bool {
    match b {
        None => true,
        Some(b) => intersection(a, b).is_some(),
    }
}

/// Whether the wildcard with that suffix (`.example.com`) matches all of `narrow`. A wildcard
/// stands for one or more labels, never for none.
fn covers(suffix: &str, narrow: &Hostname) -> bool {
    match narrow {
        Hostname::Exact(name) => name.len() > suffix.len() && name.ends_with(suffix),
        Hostname::Wildcard(inner) => inner.ends_with(suffix),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_hostname_meets_a_listener_hostname() {
        // (listener, route, what requests must match)
        let cases = [
            ("a.example.com", "a.example.com", Some("a.example.com")),
            ("a.example.com", "b.example.com", None),
            ("*.example.com", "a.example.com", Some("a.example.com")),
            ("*.example.com", "a.b.example.com", Some("a.b.example.com")),
            ("*.example.com", "example.com", None),
            ("a.example.com", "*.example.com", Some("a.example.com")),
            ("example.com", "*.example.com", None),
            ("*.example.com", "*.com", Some("*.example.com")),
            ("*.com", "*.example.com", Some("*.example.com")),
            ("*.example.com", "*.example.org", None),
            ("*.example.com", "badexample.com", None),
        ];
        for (listener, route, expected) in cases {
            let listener = Hostname::new(listener);
            let found = intersection(Some(&listener), &Hostname::new(route));
            assert_eq!(
                found,
                expected.map(Hostname::new),
                "listener {listener}, route {route}"
            );
        }
        let any = Hostname::new("any.example.com");
        assert_eq!(intersection(None, &any), Some(any));
    }
}
