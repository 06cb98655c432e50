//! The table of images: which program of this machine stands for which image name.
//!
//! ```toml
//! [[image]]
//! name = "registry.example/team/echo"  # what a pod's `image` starts with; a tag if it matters
//! program = "/opt/lab/echo"            # on this machine
//! path = "/app/echo"                   # in the container; `/<file name>` if absent
//! args = ["--verbose"]                 # the image's CMD
//! user = "65532:65532"                 # the image's USER; root if absent
//! work_dir = "/"
//! env = { MODE = "http" }
//! files = { "/cert.crt" = "/opt/lab/cert.crt" }
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

/// Why the table cannot be used.
#[derive(Debug, Error)]
pub enum Error {
    /// The file is not there or not readable.
    #[error("image table {0}: {1}")]
    Unreadable(PathBuf, #[source] std::io::Error),
    /// The file is no TOML of this shape.
    #[error("image table {0}: {1}")]
    Malformed(PathBuf, #[source] Box<toml::de::Error>),
    /// An entry says something impossible.
    #[error("image table, image {name}: {field} {value:?} is not usable: {hint}")]
    BadEntry {
        /// The entry's name.
        name: String,
        /// Its field.
        field: &'static str,
        /// The value there.
        value: String,
        /// What it should be.
        hint: &'static str,
    },
}

/// All images that the node has.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Images {
    #[serde(default, rename = "image")]
    entries: Vec<Image>,
}

/// What an image's configuration says, and where its files are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// What the names of the images that it serves begin with.
    pub name: String,
    /// The program on this machine.
    pub program: PathBuf,
    /// Where the program is in the container.
    #[serde(default)]
    pub path: Option<String>,
    /// Arguments unless the container has its own.
    #[serde(default)]
    pub args: Vec<String>,
    /// Environment unless the container says otherwise.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// `USER` or `USER:GROUP`, as numbers.
    #[serde(default)]
    user: Option<String>,
    /// Working directory.
    #[serde(default)]
    pub work_dir: Option<String>,
    /// Further files: path in the container, path on this machine.
    #[serde(default)]
    pub files: BTreeMap<String, PathBuf>,
}

impl Images {
    /// Reads the table.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::Unreadable(path.to_owned(), error))?;
        let images: Self = toml::from_str(&text)
            .map_err(|error| Error::Malformed(path.to_owned(), Box::new(error)))?;
        images.entries.iter().try_for_each(Image::check)?;
        Ok(images)
    }

    /// The entry for a pod's `image`: the one with the longest name that fits.
    pub fn find(&self, image: &str) -> Option<&Image> {
        self.entries
            .iter()
            .filter(|entry| fits(&entry.name, image))
            .max_by_key(|entry| entry.name.len())
    }

    /// The names in the table.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }
}

impl Image {
    /// Where the program is in the container.
    pub fn path(&self) -> String {
        match (&self.path, self.program.file_name()) {
            (Some(path), _) => path.clone(),
            (None, Some(name)) => format!("/{}", name.to_string_lossy()),
            (None, None) => "/program".to_owned(),
        }
    }

    /// User and group ids, root's where the entry has none.
    pub fn ids(&self) -> (u32, u32) {
        self.parse_user().unwrap_or_default()
    }

    fn parse_user(&self) -> Option<(u32, u32)> {
        let Some(user) = &self.user else {
            return Some((0, 0));
        };
        match user.split_once(':') {
            Some((user, group)) => Some((user.parse().ok()?, group.parse().ok()?)),
            None => Some((user.parse().ok()?, 0)),
        }
    }

    fn check(&self) -> Result<(), Error> {
        let wrong = |field, value: &str, hint| Error::BadEntry {
            name: self.name.clone(),
            field,
            value: value.to_owned(),
            hint,
        };
        if self.name.is_empty() {
            return Err(wrong("name", "", "write what the image's name begins with"));
        }
        if !self.program.is_absolute() {
            let value = self.program.to_string_lossy();
            return Err(wrong("program", &value, "write an absolute path"));
        }
        if self.parse_user().is_none() {
            let value = self.user.as_deref().unwrap_or_default();
            return Err(wrong("user", value, "write USER or USER:GROUP as numbers"));
        }
        let paths = self.path.iter().chain(self.files.keys());
        match paths.into_iter().find(|path| !path.starts_with('/')) {
            Some(path) => Err(wrong("path", path, "write an absolute path")),
            None => Ok(()),
        }
    }
}

/// Whether an entry's name fits an image: all of it, or up to a separator.
fn fits(name: &str, image: &str) -> bool {
    match image.strip_prefix(name) {
        None => false,
        Some(rest) => rest.is_empty() || name.ends_with('/') || rest.starts_with(['/', ':', '@']),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(text: &str) -> Images {
        toml::from_str(text).expect("a table")
    }

    #[test]
    fn the_longest_name_that_fits_wins_and_tags_count_only_if_written() {
        let images = images(
            r#"
            image = [
              { name = "reg/echo", program = "/echo" },
              { name = "reg/echo:v2", program = "/echo2" },
              { name = "reg/", program = "/other" },
            ]
            "#,
        );
        let check = |image: &str, program: Option<&str>| {
            let found = images.find(image).map(|i| i.program.to_string_lossy());
            assert_eq!(found.as_deref(), program, "{image}");
        };
        check("reg/echo", Some("/echo"));
        check("reg/echo:v1", Some("/echo"));
        check("reg/echo@sha256:abc", Some("/echo"));
        check("reg/echo:v2", Some("/echo2"));
        check("reg/echo:v2.1", Some("/echo"));
        check("reg/echo-advanced:v1", Some("/other"));
        check("elsewhere/echo", None);
    }

    #[test]
    fn an_entry_says_what_an_image_says() {
        let images = images(
            r#"
            [[image]]
            name = "reg/rauta"
            program = "/opt/rauta"
            user = "65532:65533"
            "#,
        );
        let image = images.find("reg/rauta:1").expect("an entry");
        assert_eq!(image.path(), "/rauta");
        assert_eq!(image.ids(), (65532, 65533));
    }

    #[test]
    fn a_bad_entry_is_named() {
        let images = images(r#"image = [{ name = "a", program = "/a", user = "nobody" }]"#);
        let error = images.entries[0].check().expect_err("no numbers");
        assert_eq!(
            error.to_string(),
            "image table, image a: user \"nobody\" is not usable: \
             write USER or USER:GROUP as numbers"
        );
    }
}
