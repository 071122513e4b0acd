//! A line of sequential znodes: their names and their order.

/// The znodes of one path that stand in line, told from others by what their names contain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The znode under which they are.
    pub(super) path: String,
    /// What stands between a name's identifier and its number.
    marker: &'static str,
}

/// A name in a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The number that the server gave it.
    number: i32,
    /// The whole name, without the path.
    pub(super) name: String,
}

impl Line {
    pub(super) fn new(path: impl Into<String>, marker: &'static str) -> Line {
        let mut path = path.into();
        while path.ends_with('/') {
            path.pop();
        }
        Line { path, marker }
    }

    /// What the name of a contender with this identifier begins with: Curator's protected prefix.
    pub(super) fn prefix(&self, id: [u8; 16]) -> String {
        let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        let [a, b, c, d, e] = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
        format!("_c_{a}-{b}-{c}-{d}-{e}-{}", self.marker)
    }

    /// The whole path of a name.
    pub(super) fn node(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    /// Those of a znode's children that are in the line, the first one first. The numbers of one
    /// parent grow until they have all been used, which takes 2^31 creations.
    pub(super) fn sort(&self, children: Vec<String>) -> Vec<Place> {
        let place = |name: String| {
            let (_, number) = name.rsplit_once(self.marker)?;
            let number = number.parse().ok()?;
            Some(Place { number, name })
        };
        let mut places: Vec<Place> = children.into_iter().filter_map(place).collect();
        places.sort_unstable();
        places
    }

    /// The path and those above it, the highest first, without the root.
    pub(super) fn ancestors(&self) -> Vec<&str> {
        let ends = self.path.match_indices('/').map(|(at, _)| at).skip(1);
        ends.chain([self.path.len()]).map(|end| &self.path[..end]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_sorted_by_numbers_and_knows_its_own() {
        let line = Line::new("/a/b/", "lock-");
        let mine = format!("{}0000000003", line.prefix([0xab; 16]));
        assert_eq!(mine, "_c_abababab-abab-abab-abab-abababababab-lock-0000000003");
        assert_eq!(line.node(&mine), format!("/a/b/{mine}"));
        let children = ["zzz-lock-0000000002", "lock-0000000010", "other-1", "lock-x", &mine];
        let sorted = line.sort(children.map(str::to_owned).into());
        let names: Vec<&str> = sorted.iter().map(|place| place.name.as_str()).collect();
        assert_eq!(names, ["zzz-lock-0000000002", &mine, "lock-0000000010"]);
    }

    #[test]
    fn all_that_must_be_there_before_is_named() {
        assert_eq!(Line::new("/a/b/c", "lock-").ancestors(), ["/a", "/a/b", "/a/b/c"]);
        assert_eq!(Line::new("/a", "lock-").ancestors(), ["/a"]);
    }
}
