//! Which requests a route's hostname and a listener's hostname have in common.

use rauta_routing::Hostname;

/// The hostnames that both match, as one pattern; `None` where there are none.
/// An absent listener hostname matches every one.
pub(super) fn intersection(listener: Option<&Hostname>, route: &Hostname) -> Option<Hostname> {
    match listener {
        None => Some(route.clone()),
        Some(listener) => listener.intersection(route),
    }
}

/// Whether some request could match both.
pub(super) fn overlap(a: Option<&Hostname>, b: Option<&Hostname>) -> bool {
    match b {
        None => true,
        Some(b) => intersection(a, b).is_some(),
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
