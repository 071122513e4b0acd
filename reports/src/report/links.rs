//! Paths from one folder to another, as links in pages.

use std::fmt::Write as _;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// The path from a folder to a file, with `/` between names and everything else escaped as URLs
/// need it.
pub(super) fn link(from: &Path, to: &Path) -> String {
    let (from, to) = (absolute(from), absolute(to));
    let (from, to) = (names(&from), names(&to));
    let common = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
    let up = std::iter::repeat_n("..".to_owned(), from.len() - common);
    let down = to[common..].iter().map(|name| escaped(name));
    let steps: Vec<String> = up.chain(down).collect();
    if steps.is_empty() { ".".to_owned() } else { steps.join("/") }
}

/// Without links and dots, as far as it exists: both ends must be seen the same way.
fn absolute(path: &Path) -> PathBuf {
    if let Ok(path) = fs::canonicalize(path) {
        return path;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if !parent.as_os_str().is_empty() => absolute(parent).join(name),
        (Some(_), Some(name)) => absolute(Path::new(".")).join(name),
        _ => path.to_owned(),
    }
}

fn names(path: &Path) -> Vec<String> {
    let name = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    };
    path.components().filter_map(name).collect()
}

fn escaped(name: &str) -> String {
    let mut escaped = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"._~-".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_there() {
        let root = tempfile::tempdir().unwrap();
        let (here, there) = (root.path().join("a/report"), root.path().join("a/b c/failures"));
        fs::create_dir_all(&here).unwrap();
        fs::create_dir_all(&there).unwrap();
        assert_eq!(link(&here, &there.join("plan.json")), "../b%20c/failures/plan.json");
        assert_eq!(link(root.path(), &there), "a/b%20c/failures");
        assert_eq!(link(&there, &there), ".");
        let later = root.path().join("not/yet");
        assert_eq!(link(&later, &there), "../../a/b%20c/failures");
    }
}
