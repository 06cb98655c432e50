//! `$(NAME)` in commands, arguments, values and paths of volumes.

/// Replaces each `$(NAME)` whose name `value` knows. `$$` stands for one dollar, so `$$(NAME)` is
/// left as `$(NAME)`; what is unknown or unfinished stays as it is written.
pub(super) fn expand(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let name = rest.strip_prefix('(').and_then(|r| r.split_once(')'));
        match name {
            Some((name, after)) => {
                out.push_str(&value(name).unwrap_or_else(|| format!("$({name})")));
                rest = after;
            }
            None => out.push('$'),
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn names_are_replaced_and_everything_else_stays() {
        let check = |text: &str, expected: &str| {
            let known = |name: &str| (name == "A").then(|| "x".to_owned());
            assert_eq!(expand(text, known), expected, "{text}");
        };
        check("", "");
        check("--port=$(A)", "--port=x");
        check("$(A)$(A)", "xx");
        check("$(B)", "$(B)");
        check("$$(A)", "$(A)");
        check("$$$(A)", "$x");
        check("$$", "$");
        check("a$", "a$");
        check("$A", "$A");
        check("$(A", "$(A");
        check("ä$(A)ö", "äxö");
    }
}
