//! Znode paths: which strings are paths, and the way from a node to its parent.
//!
//! The rules are those of the ZooKeeper Programmer's Guide, "The ZooKeeper Data Model", with the
//! code points that Apache's `PathUtils` refuses. Java counts UTF-16 units, so every character
//! beyond the basic plane is two surrogates there and refused here too.

use thiserror::Error;

/// Why a string is not a path.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PathError {
    /// The string is empty.
    #[error("path is empty")]
    Empty,
    /// The first character is not `/`.
    #[error("path does not start with /")]
    NotAbsolute,
    /// The last character is `/`, and the path is not the root.
    #[error("path ends with /")]
    TrailingSlash,
    /// Two slashes in a row.
    #[error("empty node name at byte {at}")]
    EmptyName {
        /// Where the second slash stands.
        at: usize,
    },
    /// A component is `.` or `..`.
    #[error("relative path component at byte {at}")]
    Relative {
        /// Where the component begins.
        at: usize,
    },
    /// A character that no path may hold; U+0000 among them.
    #[error("character {character:?} at byte {at} is not allowed")]
    Disallowed {
        /// The character.
        character: char,
        /// Where it stands.
        at: usize,
    },
}

/// Checks `path` as a client gave it.
///
/// With `sequential` a number is about to be appended, so that `/queue/` and `/queue/.` are fine.
///
/// # Errors
///
/// The first offence, from the left.
pub fn validate(path: &str, sequential: bool) -> Result<(), PathError> {
    if path.is_empty() && !sequential {
        return Err(PathError::Empty);
    }
    if !path.starts_with('/') {
        return Err(PathError::NotAbsolute);
    }
    if path.len() == 1 {
        return Ok(());
    }
    if path.ends_with('/') && !sequential {
        return Err(PathError::TrailingSlash);
    }
    let mut at = 1;
    let mut names = path[1..].split('/').peekable();
    while let Some(name) = names.next() {
        let numbered = sequential && names.peek().is_none();
        validate_name(name, at, numbered)?;
        at += name.len() + 1;
    }
    Ok(())
}

/// One component; `numbered` when digits will follow it.
fn validate_name(name: &str, at: usize, numbered: bool) -> Result<(), PathError> {
    if name.is_empty() && !numbered {
        return Err(PathError::EmptyName { at });
    }
    if matches!(name, "." | "..") && !numbered {
        return Err(PathError::Relative { at });
    }
    match name.char_indices().find(|&(_, character)| disallowed(character)) {
        Some((offset, character)) => Err(PathError::Disallowed { character, at: at + offset }),
        None => Ok(()),
    }
}

fn disallowed(character: char) -> bool {
    matches!(character,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..)
}

/// The path above; `None` for the root. `path` is valid.
pub fn parent(path: &str) -> Option<&str> {
    if path == "/" {
        return None;
    }
    match path.rfind('/') {
        Some(0) => Some("/"),
        Some(slash) => Some(&path[..slash]),
        None => None,
    }
}

/// The last component; empty for the root.
pub fn name(path: &str) -> &str {
    path.rfind('/').map_or(path, |slash| &path[slash + 1..])
}

/// The path of the child `name` of `parent`.
pub fn join(parent: &str, name: &str) -> String {
    if parent == "/" { format!("/{name}") } else { format!("{parent}/{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_paths_are_valid() {
        for path in ["/", "/a", "/a/b", "/zookeeper/config", "/ä/漢字", "/.a", "/a..", "/..."] {
            assert_eq!(validate(path, false), Ok(()), "{path}");
        }
    }

    #[test]
    fn each_offence_is_told() {
        let offences = [
            ("", PathError::Empty),
            ("a", PathError::NotAbsolute),
            ("/a/", PathError::TrailingSlash),
            ("/a//b", PathError::EmptyName { at: 3 }),
            ("/./a", PathError::Relative { at: 1 }),
            ("/a/..", PathError::Relative { at: 3 }),
            ("/a\0", PathError::Disallowed { character: '\0', at: 2 }),
            ("/\u{7f}", PathError::Disallowed { character: '\u{7f}', at: 1 }),
            ("/\u{e000}", PathError::Disallowed { character: '\u{e000}', at: 1 }),
            ("/b/\u{ffff}", PathError::Disallowed { character: '\u{ffff}', at: 3 }),
            ("/\u{1f600}", PathError::Disallowed { character: '\u{1f600}', at: 1 }),
        ];
        for (path, offence) in offences {
            assert_eq!(validate(path, false), Err(offence), "{path:?}");
        }
    }

    #[test]
    fn a_number_to_come_completes_the_last_name() {
        for path in ["/a/", "/a/.", "/a/..", "/"] {
            assert_eq!(validate(path, true), Ok(()), "{path}");
        }
        assert_eq!(validate("", true), Err(PathError::NotAbsolute));
        assert_eq!(validate("/a//", true), Err(PathError::EmptyName { at: 3 }));
        assert_eq!(validate("/a/./b", true), Err(PathError::Relative { at: 3 }));
    }

    #[test]
    fn parents_and_names() {
        assert_eq!(parent("/"), None);
        assert_eq!(parent("/a"), Some("/"));
        assert_eq!(parent("/a/b"), Some("/a"));
        assert_eq!(name("/"), "");
        assert_eq!(name("/a/b"), "b");
        assert_eq!(join("/", "a"), "/a");
        assert_eq!(join("/a", "b"), "/a/b");
    }
}
