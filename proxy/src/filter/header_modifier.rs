//! RequestHeaderModifier and ResponseHeaderModifier.

use rauta_http1::Headers;
use rauta_routing::HeaderEdit;

/// Sets, adds, then removes, as the API orders them.
pub(crate) fn apply(edit: &HeaderEdit, headers: &mut Headers) {
    for (name, value) in &edit.set {
        headers.insert(name.clone(), value.clone());
    }
    for (name, value) in &edit.add {
        headers.append(name.clone(), value.clone());
    }
    for name in &edit.remove {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn pair(name: &'static str, value: &'static str) -> (HeaderName, HeaderValue) {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    }

    #[test]
    fn fields_are_set_added_and_removed() {
        let mut headers: Headers = [pair("a", "1"), pair("b", "1"), pair("c", "1")]
            .into_iter()
            .collect();
        headers.extend([pair("a", "2")]);
        let edit = HeaderEdit {
            set: vec![pair("a", "new"), pair("d", "new")],
            add: vec![pair("b", "2")],
            remove: vec![HeaderName::from_static("c")],
        };
        apply(&edit, &mut headers);
        let all = |name| {
            let name = HeaderName::from_static(name);
            headers
                .get_all(&name)
                .map(<[u8]>::to_vec)
                .collect::<Vec<_>>()
        };
        assert_eq!(all("a"), [b"new"]);
        assert_eq!(all("b"), [b"1", b"2"]);
        assert!(all("c").is_empty());
        assert_eq!(all("d"), [b"new"]);
    }
}
