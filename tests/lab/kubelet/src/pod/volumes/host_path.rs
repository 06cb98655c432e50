//! Volumes that are a part of the node's own file system: whether it is what the pod says.

use std::fs::{self, Metadata};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;

use k8s_openapi::api::core::v1::HostPathVolumeSource;

/// Checks that what is there is of the volume's type; what it asks to be made is made, and a
/// volume that says nothing is a folder where nothing is, as container runtimes have it.
pub(super) fn check(host_path: &HostPathVolumeSource) -> Result<(), String> {
    let path = Path::new(&host_path.path);
    let there = fs::metadata(path).ok();
    let is = |of: fn(&Metadata) -> bool, article: &str| match there.as_ref().is_some_and(of) {
        true => Ok(()),
        false => Err(format!(
            "hostPath type check failed: {} is not {article}",
            path.display()
        )),
    };
    match host_path.type_.as_deref().unwrap_or_default() {
        "" | "DirectoryOrCreate" if there.is_none() => make_folder(path),
        "" => Ok(()),
        "DirectoryOrCreate" | "Directory" => is(Metadata::is_dir, "a directory"),
        "FileOrCreate" if there.is_none() => make_file(path),
        "FileOrCreate" | "File" => is(Metadata::is_file, "a file"),
        "Socket" => is(|there| there.file_type().is_socket(), "a socket file"),
        "CharDevice" => is(
            |there| there.file_type().is_char_device(),
            "a character device",
        ),
        "BlockDevice" => is(
            |there| there.file_type().is_block_device(),
            "a block device",
        ),
        other => Err(format!("{other} is an invalid volume type")),
    }
}

fn make_folder(path: &Path) -> Result<(), String> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path);
    made.map_err(|error| format!("mkdir {}: {error}", path.display()))
}

/// Its folder has to be there.
fn make_file(path: &Path) -> Result<(), String> {
    let mut options = fs::OpenOptions::new();
    let made = options.create(true).append(true).mode(0o644).open(path);
    made.map(drop)
        .map_err(|error| format!("open {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn what_is_there_has_to_be_of_the_type() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        fs::create_dir(path("folder")).expect("made");
        fs::write(path("file"), "").expect("made");
        let _socket = UnixListener::bind(path("socket")).expect("made");
        let check = |name: &str, type_: &str, complaint: Option<&str>| {
            let path = if name.starts_with('/') {
                name.to_owned()
            } else {
                path(name)
            };
            let checked = check(&HostPathVolumeSource {
                path: path.clone(),
                type_: Some(type_.to_owned()),
            });
            let said = |what: &str| format!("hostPath type check failed: {path} is not {what}");
            assert_eq!(
                checked,
                complaint.map(said).map_or(Ok(()), Err),
                "{name} {type_}"
            );
        };
        check("folder", "", None);
        check("folder", "Directory", None);
        check("file", "", None);
        check("file", "File", None);
        check("file", "FileOrCreate", None);
        check("socket", "Socket", None);
        check("/dev/null", "CharDevice", None);
        check("file", "Directory", Some("a directory"));
        check("file", "DirectoryOrCreate", Some("a directory"));
        check("folder", "File", Some("a file"));
        check("folder", "FileOrCreate", Some("a file"));
        check("none", "Directory", Some("a directory"));
        check("none", "File", Some("a file"));
        check("file", "Socket", Some("a socket file"));
        check("file", "CharDevice", Some("a character device"));
        check("/dev/null", "BlockDevice", Some("a block device"));
    }

    #[test]
    fn what_is_not_there_is_made_where_the_type_says_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let made = |name: &str, type_: &str| {
            let path = folder.path().join(name);
            let checked = check(&HostPathVolumeSource {
                path: path.display().to_string(),
                type_: Some(type_.to_owned()),
            });
            (checked.is_ok(), path.is_dir(), path.is_file())
        };
        assert_eq!(made("a/b", "DirectoryOrCreate"), (true, true, false));
        assert_eq!(made("c/d", ""), (true, true, false));
        assert_eq!(made("e", "FileOrCreate"), (true, false, true));
        assert_eq!(made("f/g", "FileOrCreate"), (false, false, false));
    }
}
