//! The configuration's reference page, made from the types that read it.

use super::RawConfig;
use super::layers::{section, variable};
use serde_json::Value;

/// The page as Markdown: one row per field with its variable and its meaning.
fn page() -> String {
    let schema = schemars::schema_for!(RawConfig).to_value();
    let mut page = String::from(
        "# Configuration\n\n\
         Generated from the types that read it; `make schemas` writes it anew.\n\n\
         A field can stand in the file given by `--config` (TOML), in the environment, or (where \
         `rauta run --help` shows one) be a flag. Flag wins over environment, environment over \
         file. All mistakes are reported at once, and the exit code is then 64.\n\n\
         | field | variable | meaning |\n|---|---|---|\n",
    );
    rows(&schema, &schema, "", &mut page);
    page
}

fn rows(root: &Value, object: &Value, prefix: &str, page: &mut String) {
    let Some(properties) = object.get("properties").and_then(Value::as_object) else {
        return;
    };
    for (name, field) in properties {
        let path = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        match section(root, field) {
            Some(inner) => rows(root, inner, &path, page),
            None => {
                let text = field
                    .get("description")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                let text = text.replace('\n', " ");
                page.push_str(&format!("| `{path}` | `{}` | {text} |\n", variable(&path)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::page;
    use std::path::Path;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "asks whether to write the page or to compare it"
    )]
    fn the_committed_page_says_what_the_types_say() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
        if std::env::var_os("RAUTA_REGENERATE").is_some() {
            std::fs::write(&path, page()).expect("the page is written");
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == page(),
            "docs/configuration.md is out of date: run `make schemas`"
        );
    }
}
