//! How every page and plot looks: one palette for light and dark, one frame for pages, one colour
//! for each family of faults and for each outcome.
//!
//! Pages are XHTML-compatible HTML: they hold their CSS and SVG, need no script to be read and load
//! nothing from elsewhere. Colours are CSS variables, so that a plot follows its page; a plot that
//! stands alone carries [`PALETTE`] itself.

use std::collections::BTreeSet;

use evidence::{Families, FaultWindow, OTHER_FAMILY};

/// A family of faults, by its name. Families order as legends list them: those that have a colour of
/// their own first, then others by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Family<'a> {
    place: usize,
    name: &'a str,
}

/// Families that have a colour of their own, in the order of legends: what befalls links, programs
/// and machines, disks, clocks, and the set of hosts. All others share one.
const COLOURED: [&str; 5] = ["network", "process", "disk", "clock", "membership"];

impl<'a> Family<'a> {
    /// A family.
    pub(crate) fn new(name: &'a str) -> Family<'a> {
        let place = COLOURED.iter().position(|known| *known == name);
        Family { place: place.unwrap_or(COLOURED.len()), name }
    }

    /// The families of these faults, each once, in the order of legends.
    pub(crate) fn all(families: &'a Families, faults: &[FaultWindow]) -> Vec<Family<'a>> {
        let all: BTreeSet<Family<'a>> =
            faults.iter().map(|fault| Family::new(families.of(&fault.kind))).collect();
        all.into_iter().collect()
    }

    /// Its name.
    pub(crate) fn name(self) -> &'a str {
        self.name
    }

    /// Its CSS class, which is also the end of its variable's name.
    pub(crate) fn class(self) -> &'static str {
        COLOURED.get(self.place).copied().unwrap_or(OTHER_FAMILY)
    }
}

/// The variables, for light and for dark. `--bad` is what is wrong, and nothing else; `--ok`, `--error`, `--unknown`,
/// `--unsent` are outcomes; `--network` and so on families of faults; `--primary` and so on what hosts are;
/// `--protocol-1` and so on what they speak; `--series-1` and so on lines that have no meaning of their own. What
/// stands in one picture is told apart by colour: see `PICTURES` in the tests.
pub(crate) const PALETTE: &str = "\
:root{color-scheme:light dark;--back:#ffffff;--card:#f6f7f9;--text:#1b1f24;--soft:#57606a;
--rule:#d5dae0;--grid:#e6e9ed;--link:#0b5cad;--ok:#1a7f37;--bad:#c62828;--error:#b45f06;
--unknown:#8e44ad;--unsent:#98a1aa;--network:#d6278a;--process:#5b6b7a;--disk:#a88a00;--clock:#0f8b8d;
--membership:#4338ca;--other:#7d5a44;--primary:#0b5cad;--secondary:#58a6d6;--unsettled:#7c9a00;
--down:#6b2a2a;--paused:#2fae86;--protocol-1:#1a7f37;--protocol-2:#8e44ad;--protocol-3:#b45f06;
--protocol-4:#4338ca;--protocol-5:#98a1aa;--protocol-6:#a88a00;--series-1:#0b5cad;--series-2:#c2571a;
--series-3:#1a7f37;--series-4:#8e3fa8;--series-5:#8a6d00;--series-6:#0f7f86;--series-7:#b02a4a}
@media (prefers-color-scheme:dark){:root{--back:#12161c;--card:#1b2129;--text:#e6e9ed;
--soft:#a3adb8;--rule:#36404b;--grid:#28303a;--link:#7ab8ff;--ok:#56c271;--bad:#ff7b72;
--error:#f0a04b;--unknown:#c792ea;--unsent:#7d8894;--network:#ff5fb8;--process:#9fb0c1;--disk:#e2cf3b;
--clock:#4fc7c7;--membership:#8f8bff;--other:#b58863;--primary:#4d9bff;--secondary:#a5d4f7;
--unsettled:#b5d334;--down:#8f4a4a;--paused:#2fe08f;--protocol-1:#56c271;--protocol-2:#c792ea;
--protocol-3:#f0a04b;--protocol-4:#8f8bff;--protocol-5:#7d8894;--protocol-6:#e2cf3b;--series-1:#7ab8ff;
--series-2:#ff9e64;--series-3:#56c271;--series-4:#d3a0f0;--series-5:#dcc14a;--series-6:#4fd0d6;
--series-7:#ff8fab}}
";

/// How the elements of pages look.
const ELEMENTS: &str = "\
*{box-sizing:border-box}
body{margin:0 auto;max-width:1180px;padding:1.2rem 1rem 3rem;background:var(--back);
color:var(--text);font:15px/1.5 system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif}
h1{font-size:1.5rem;line-height:1.25;margin:.2rem 0 .6rem}
h2{font-size:1.15rem;margin:2rem 0 .6rem;padding-bottom:.25rem;border-bottom:1px solid var(--rule)}
h3{font-size:1rem;margin:1.2rem 0 .4rem}
p{margin:.4rem 0}
a{color:var(--link)}
code,pre,.mono{font-family:ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;font-size:.86em}
code,dd,li,h1,h2,h3,p{overflow-wrap:anywhere}
td{overflow-wrap:break-word}
pre{background:var(--card);border:1px solid var(--rule);border-radius:6px;padding:.7rem .8rem;
overflow-x:auto;line-height:1.45}
table{border-collapse:collapse;width:100%;margin:.5rem 0}
th,td{text-align:left;vertical-align:top;padding:.28rem .6rem .28rem 0;
border-bottom:1px solid var(--grid)}
th{font-weight:600;color:var(--soft);font-size:.88em}
th{white-space:nowrap}td:first-child{min-width:8.5em}td.n+td,th.n+th:not(.n){padding-left:1rem}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap;overflow-wrap:normal}
.scroll{overflow-x:auto}
.short{max-width:560px}
.soft{color:var(--soft)}
.ok{color:var(--ok)}.bad{color:var(--bad)}.error{color:var(--error)}.unknown{color:var(--unknown)}
.tag{display:inline-block;border:1px solid currentColor;border-radius:4px;padding:0 .4em;
font-size:.85em;font-weight:600;white-space:nowrap}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(128px,1fr));gap:.6rem;margin:.8rem 0}
.card{background:var(--card);border:1px solid var(--rule);border-radius:6px;padding:.5rem .7rem}
.card b{display:block;font-size:1.25rem;font-variant-numeric:tabular-nums}
.card span{color:var(--soft);font-size:.86em}
dl.pairs{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:.4rem 0}
dl.pairs dt{color:var(--soft)}dl.pairs dd{margin:0;min-width:0}
nav{display:flex;flex-wrap:wrap;gap:.2rem 1rem;margin:.4rem 0}
details{margin:.5rem 0}summary{cursor:pointer}
figure{margin:.8rem 0;overflow-x:auto}
figure svg{display:block;width:100%;height:auto;min-width:760px}
figure.messages svg{width:auto;max-width:none;min-width:0}
.trend{display:grid;grid-template-columns:repeat(auto-fit,minmax(260px,1fr));gap:.6rem;margin:.6rem 0}
.trend svg{width:100%;height:auto;display:block}pre.commands{border-left:3px solid var(--link)}
.failure{border-left:3px solid var(--bad);padding-left:.8rem;margin:1.4rem 0}
@media (max-width:520px){body{padding:.8rem .7rem 2rem;font-size:14px}
dl.pairs{grid-template-columns:1fr}dl.pairs dd{margin-bottom:.4rem}
.cards{grid-template-columns:repeat(2,1fr)}td,th{padding-right:.4rem}}
@media print{details>*{display:block}}
";

/// How the marks of plots look; pages with plots and plots that stand alone have it.
pub(crate) const PLOT_RULES: &str = "\
.plot text{fill:var(--text);font:12px system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif}
.plot text.title{font-size:14px;font-weight:600}
.plot text.fill-soft,.plot text.tick{fill:var(--soft)}
.plot .fill-back{fill:var(--back)}.plot .stroke-grid{stroke:var(--grid)}
.plot .stroke-rule{stroke:var(--rule)}.plot .stroke-soft{stroke:var(--soft)}
.plot .line{fill:none;stroke-width:1.6;stroke-linejoin:round}
.plot .point{fill-opacity:.75}.plot .point.plain{fill:var(--soft);fill-opacity:1}
.plot .point.ok,.plot .mark.ok{fill:var(--ok)}
.plot .point.error,.plot .mark.error{fill:var(--error)}
.plot .point.unknown,.plot .mark.unknown{fill:var(--unknown)}
.plot .point.unsent,.plot .mark.unsent{fill:var(--unsent)}
.plot .stroke-ok{stroke:var(--ok)}.plot .stroke-error{stroke:var(--error)}
.plot .stroke-unknown{stroke:var(--unknown)}.plot .stroke-unsent{stroke:var(--unsent)}
.plot .series-1{stroke:var(--series-1)}.plot .series-2{stroke:var(--series-2)}
.plot .series-3{stroke:var(--series-3)}.plot .series-4{stroke:var(--series-4)}
.plot .series-5{stroke:var(--series-5)}.plot .series-6{stroke:var(--series-6)}
.plot .series-7{stroke:var(--series-7)}
.plot .dot{fill:var(--back);stroke-width:1.4}
.plot .band{fill-opacity:.13}.plot .bar{fill-opacity:.85}
.plot .network{fill:var(--network)}.plot .process{fill:var(--process)}
.plot .disk{fill:var(--disk)}.plot .clock{fill:var(--clock)}
.plot .membership{fill:var(--membership)}.plot .other{fill:var(--other)}
.plot.bars .column{fill-opacity:.6}.plot .silence{fill:var(--bad)}.plot .column{fill:var(--series-1);fill-opacity:.6}
.plot .role{fill:none;stroke:var(--soft);stroke-dasharray:2 3}
.plot .chaos{fill:none;stroke:var(--text);stroke-width:1.2;stroke-dasharray:7 4}
";

/// A whole page: `title` is plain text, `body` is markup.
pub(crate) fn page(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n\
         <meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <title>{}</title>\n<style>\n{PALETTE}{ELEMENTS}{PLOT_RULES}</style>\n</head>\n<body>\n{body}\n\
         </body>\n</html>\n",
        escape(title),
    )
}

/// A text as it may stand between tags and in attributes. What no XML may contain becomes U+FFFD.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' => escaped.push(character),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_well_formed_whatever_its_texts() {
        let nasty = "a < b & \"c\" 'd' \u{0} \u{1b}[1m ]]> é";
        let body = format!("<p title=\"{}\">{}</p>", escape(nasty), escape(nasty));
        let page = page(nasty, &body);
        let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
        let document = roxmltree::Document::parse_with_options(&page, options).unwrap();
        let shown = nasty.replace(['\u{0}', '\u{1b}'], "\u{fffd}");
        let text = |tag| document.descendants().find(|node| node.has_tag_name(tag)).unwrap().text();
        let name = |local| ("http://www.w3.org/1999/xhtml", local);
        assert_eq!(text(name("p")), Some(shown.as_str()));
        assert_eq!(text(name("title")), Some(shown.as_str()));
        assert!(!page.contains("http://www.w3.org/1999/xhtml/") && !page.contains("<script"));
    }

    #[test]
    fn light_and_dark_have_the_same_variables() {
        let (light, dark) = PALETTE.split_once("@media").unwrap();
        let names = |css: &str| {
            let names = css.split(['{', ';', '\n', '}']).filter_map(|part| part.split_once(':'));
            let names = names.map(|(name, _)| name.to_owned()).filter(|n| n.starts_with("--"));
            names.collect::<std::collections::BTreeSet<String>>()
        };
        assert_eq!(names(light), names(dark));
        for family in COLOURED.into_iter().chain([OTHER_FAMILY]) {
            assert!(names(light).contains(&format!("--{family}")));
        }
    }

    /// What the pictures tell apart by colour.
    const PICTURES: [&[&str]; 2] = [
        &[
            "bad",
            "ok",
            "error",
            "unknown",
            "unsent",
            "network",
            "process",
            "disk",
            "clock",
            "membership",
            "other",
            "primary",
            "secondary",
            "unsettled",
            "down",
            "paused",
        ],
        &[
            "bad",
            "network",
            "primary",
            "secondary",
            "unsettled",
            "down",
            "paused",
            "protocol-1",
            "protocol-2",
            "protocol-3",
            "protocol-4",
            "protocol-5",
            "protocol-6",
        ],
    ];

    #[test]
    fn no_colour_of_a_picture_has_two_meanings() {
        let (light, dark) = PALETTE.split_once("@media").unwrap();
        for css in [light, dark] {
            let colour = |name: &str| {
                let (_, value) = css.split_once(&format!("--{name}:#")).unwrap();
                [0, 2, 4].map(|at| i32::from_str_radix(&value[at..at + 2], 16).unwrap())
            };
            for names in PICTURES {
                for (index, one) in names.iter().enumerate() {
                    for other in &names[..index] {
                        let pairs = colour(one).into_iter().zip(colour(other));
                        let distance: i32 = pairs.map(|(a, b)| (a - b).pow(2)).sum();
                        assert!(distance >= 40 * 40, "{one} and {other}: {distance}");
                    }
                }
            }
        }
    }

    #[test]
    fn families_are_listed_once_and_those_with_a_colour_first() {
        let families = [("lag", "network"), ("rot", "disk"), ("drop", "network"), ("ban", "abuse")];
        let families: Families = families.into_iter().collect();
        let faults = ["meteor", "ban", "rot", "drop", "lag"];
        let faults = faults.map(|kind| FaultWindow::new(kind, "", 0, None));
        let all = Family::all(&families, &faults);
        let told: Vec<(&str, &str)> = all.iter().map(|f| (f.name(), f.class())).collect();
        let expected =
            [("network", "network"), ("disk", "disk"), ("abuse", "other"), ("other", "other")];
        assert_eq!(told, expected);
    }
}
