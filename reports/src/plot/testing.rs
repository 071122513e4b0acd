//! Reading plots back: marks by class, with their attributes.

use std::collections::BTreeMap;

/// An element of a plot.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    classes: Vec<String>,
    attributes: BTreeMap<String, String>,
    text: String,
}

/// All elements of a plot, in order.
#[derive(Debug)]
pub(crate) struct Marks(Vec<Mark>);

impl Mark {
    /// An attribute.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    /// An attribute that is a number.
    pub(crate) fn number(&self, name: &str) -> f64 {
        self.get(name).unwrap().parse().unwrap()
    }

    /// Whether it is of this class.
    pub(crate) fn is(&self, class: &str) -> bool {
        self.classes.iter().any(|each| each == class)
    }
}

impl Marks {
    /// Reads a plot, which must be well-formed, named and described.
    pub(crate) fn read(svg: &str) -> Marks {
        let document = roxmltree::Document::parse(svg).unwrap();
        let root = document.root_element();
        assert_eq!(root.attribute("role"), Some("img"));
        let title = root.first_element_child().unwrap();
        assert_eq!(
            (title.tag_name().name(), title.text()),
            ("title", root.attribute("aria-label"))
        );
        let marks = document.descendants().filter(roxmltree::Node::is_element).map(|node| Mark {
            classes: node.attribute("class").unwrap_or("").split(' ').map(str::to_owned).collect(),
            attributes: node
                .attributes()
                .map(|attribute| (attribute.name().to_owned(), attribute.value().to_owned()))
                .collect(),
            text: node
                .descendants()
                .filter(|n| n.is_text())
                .filter_map(|n| n.text())
                .collect::<String>()
                .trim()
                .to_owned(),
        });
        Marks(marks.collect())
    }

    /// Those of a class.
    pub(crate) fn all<'a>(&'a self, class: &'a str) -> impl Iterator<Item = &'a Mark> {
        self.0.iter().filter(move |mark| mark.is(class))
    }

    /// Whole numbers in an attribute of those of a class that have it.
    pub(crate) fn numbers(&self, class: &str, attribute: &str) -> Vec<u64> {
        self.all(class).filter_map(|mark| mark.get(attribute)).map(|n| n.parse().unwrap()).collect()
    }

    /// The texts of those of a class, in order.
    pub(crate) fn texts(&self, class: &str) -> Vec<&str> {
        self.0.iter().filter(|mark| mark.is(class)).map(|mark| mark.text.as_str()).collect()
    }
}

/// The windows of time of those of a class.
pub(crate) fn windows(marks: &Marks, class: &str) -> Vec<(u64, u64)> {
    let (from, to) = (marks.numbers(class, "data-from-ns"), marks.numbers(class, "data-to-ns"));
    assert_eq!(from.len(), to.len());
    from.into_iter().zip(to).collect()
}
