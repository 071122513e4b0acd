//! Plots as SVG that stand alone or inside a page.
//!
//! `plotters` draws axes, grid and labels; the marks on them are drawn here, each with what it shows
//! in `data-` attributes, so that a test (or a script) can read the data back. Colours are CSS
//! classes of [`crate::style`]'s palette, with the light colour as an attribute for viewers without
//! CSS.

mod clock;
mod distribution;
mod latency_quantiles;
mod latency_raw;
mod rate;
mod run_marks;
mod scale;
#[cfg(test)]
pub(crate) mod testing;

use std::fmt::Write as _;

use evidence::RunPicture;
use plotters::prelude::{ChartBuilder, Color, IntoDrawingArea, IntoFont, RGBColor, SVGBackend};
use plotters::style::TextStyle;

use crate::style::{PALETTE, PLOT_RULES, escape};

pub(crate) use distribution::{Distribution, Unit};
pub(crate) use scale::{Scale, round_step};

/// How a plot of one run is drawn.
type Draw = fn(&RunPicture) -> Plot;

/// The plots of one run: each with its file's name and how it is drawn.
pub(crate) const RUN_PLOTS: [(&str, Draw); 4] = [
    ("latency-raw.svg", latency_raw::draw),
    ("latency-quantiles.svg", latency_quantiles::draw),
    ("rate.svg", rate::draw),
    ("clock.svg", clock::draw),
];

/// Width in pixels of a plot that is not scaled.
const WIDTH: u32 = 860;
/// Height of the part that has values.
const INNER_HEIGHT: u32 = 280;
/// Height of a line of text.
const LINE_HEIGHT: u32 = 19;
/// Room for labels and description below and to the left.
const X_LABELS: u32 = 42;
const Y_LABELS: u32 = 62;
/// Room to the right.
const RIGHT: u32 = 46;
/// Characters of a title's line and the average width of a legend's character, in pixels.
const TITLE_CHARACTERS: usize = 98;
const CHARACTER_WIDTH: f64 = 6.7;

/// Colours that `plotters` is given, and the palette's names for them.
const GRID: RGBColor = RGBColor(0xe6, 0xe9, 0xed);
const RULE: RGBColor = RGBColor(0xd5, 0xda, 0xe0);
const SOFT: RGBColor = RGBColor(0x57, 0x60, 0x6a);
const NAMED: [(&str, &str); 3] = [("#E6E9ED", "grid"), ("#D5DAE0", "rule"), ("#57606A", "soft")];

/// An axis with its description.
pub(crate) struct Axis {
    pub(crate) scale: Scale,
    /// What it shows, with the unit.
    pub(crate) what: String,
}

/// A plot to which marks are added.
pub(crate) struct Plot {
    class: String,
    title: Vec<String>,
    x: Scale,
    y: Scale,
    /// Left, right, top and bottom of the part that has values.
    area: [f64; 4],
    axes: String,
    under: String,
    over: String,
    legend: Vec<(String, String)>,
}

impl Plot {
    /// The axes. `lanes` is the height to leave free between title and values.
    pub(crate) fn new(class: &str, title: &str, lanes: u32, x: Axis, y: Axis) -> Plot {
        let title = wrapped(title);
        let top = title.len() as u32 * LINE_HEIGHT + 10 + lanes;
        let (axes, area) = axes((WIDTH, top + INNER_HEIGHT + X_LABELS), top, &x, &y);
        let (x, y) = (x.scale, y.scale);
        let (under, over, legend) = (String::new(), String::new(), Vec::new());
        let class = class.to_owned();
        Plot { class, title, x, y, area, axes, under, over, legend }
    }

    /// The horizontal position of a value.
    pub(crate) fn x(&self, value: f64) -> f64 {
        self.x.at(value, (self.area[0], self.area[1]))
    }

    /// The vertical position of a value.
    pub(crate) fn y(&self, value: f64) -> f64 {
        self.y.at(value, (self.area[3], self.area[2]))
    }

    /// The upper end of the part that has values.
    pub(crate) fn top(&self) -> f64 {
        self.area[2]
    }

    /// The lower end.
    pub(crate) fn bottom(&self) -> f64 {
        self.area[3]
    }

    /// The right end.
    pub(crate) fn right(&self) -> f64 {
        self.area[1]
    }

    /// Adds a mark below the grid.
    pub(crate) fn under(&mut self, mark: &str) {
        self.under.push_str(mark);
        self.under.push('\n');
    }

    /// Adds a mark above everything so far.
    pub(crate) fn over(&mut self, mark: &str) {
        self.over.push_str(mark);
        self.over.push('\n');
    }

    /// Explains a mark: `symbol` is drawn in a square of 14 pixels.
    pub(crate) fn explain(&mut self, symbol: impl Into<String>, text: impl Into<String>) {
        self.legend.push((symbol.into(), text.into()));
    }

    /// A line through points in pixels; `attributes` say what they are.
    pub(crate) fn line(&mut self, class: &str, points: &[(f64, f64)], attributes: &str) {
        let mut path = String::new();
        for (index, (x, y)) in points.iter().enumerate() {
            let command = if index == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{command}{x:.1} {y:.1}");
        }
        self.over(&format!("<path class=\"line {class}\" d=\"{path}\" {attributes}/>"));
    }

    /// The whole file.
    pub(crate) fn standing_alone(&self) -> String {
        self.svg(&format!("<style>{PALETTE}{PLOT_RULES}</style>\n"), true)
    }

    /// The plot as a part of a page, which has the style.
    pub(crate) fn in_page(&self) -> String {
        self.svg("", false)
    }

    fn svg(&self, style: &str, is_alone: bool) -> String {
        let (legend, legend_height) = self.legend();
        let height = self.area[3] as u32 + X_LABELS + legend_height;
        let title = self.title.join(" ");
        let lines = (1u32..).zip(&self.title).map(|(number, line)| {
            format!(
                "<text class=\"title\" x=\"8\" y=\"{}\">{}</text>\n",
                number * LINE_HEIGHT - 2,
                escape(line)
            )
        });
        // A page scales its plots to its width; a file of its own has a size.
        let size = if is_alone {
            format!(" width=\"{WIDTH}\" height=\"{height}\"")
        } else {
            String::new()
        };
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot {}\" role=\"img\" \
             aria-label=\"{}\"{size} viewBox=\"0 0 {WIDTH} {height}\">\n<title>{}</title>\n\
             {style}<rect class=\"fill-back\" width=\"{WIDTH}\" height=\"{height}\" \
             fill=\"#ffffff\"/>\n{}{}{}{}{legend}</svg>\n",
            self.class,
            escape(&title),
            escape(&title),
            lines.collect::<String>(),
            self.under,
            self.axes,
            self.over,
        )
    }

    /// The legend, in as many rows as it needs, and its height.
    fn legend(&self) -> (String, u32) {
        let (mut text, mut x, mut row) = (String::new(), 8.0, 0);
        let first = self.area[3] + f64::from(X_LABELS) + 4.0;
        for (symbol, words) in &self.legend {
            let width = 22.0 + words.chars().count() as f64 * CHARACTER_WIDTH + 12.0;
            if x > 8.0 && x + width > f64::from(WIDTH) {
                (x, row) = (8.0, row + 1);
            }
            let y = first + f64::from(row * LINE_HEIGHT);
            let _ = writeln!(
                text,
                "<g class=\"legend\" transform=\"translate({x:.0} {y:.0})\">{symbol}\
                 <text x=\"20\" y=\"11\">{}</text></g>",
                escape(words)
            );
            x += width;
        }
        let rows = if self.legend.is_empty() { 0 } else { row + 1 };
        (text, rows * LINE_HEIGHT + 8)
    }
}

/// Draws grid, ticks and descriptions; returns them and where the values go.
fn axes(size: (u32, u32), top: u32, x: &Axis, y: &Axis) -> (String, [f64; 4]) {
    let mut svg = String::new();
    let range = {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let font = || ("sans-serif", 15).into_font();
        let mut chart = ChartBuilder::on(&root)
            .margin_top(top)
            .margin_right(RIGHT)
            .margin_left(4)
            .x_label_area_size(X_LABELS)
            .y_label_area_size(Y_LABELS)
            .build_cartesian_2d(x.scale.clone(), y.scale.clone())
            .expect("a text takes everything that is drawn");
        let labels = TextStyle::from(font()).color(&SOFT);
        chart
            .configure_mesh()
            .bold_line_style(GRID.filled())
            .light_line_style(GRID.mix(0.0))
            .axis_style(RULE.filled())
            .label_style(labels.clone())
            .axis_desc_style(labels)
            .x_labels(11)
            .y_labels(7)
            .x_label_formatter(&|value| number(*value))
            .y_label_formatter(&|value| number(*value))
            .x_desc(&x.what)
            .y_desc(&y.what)
            .draw()
            .expect("a text takes everything that is drawn");
        chart.plotting_area().get_pixel_range()
    };
    let (x, y) = range;
    (themed(&svg), [x.start, x.end, y.start, y.end].map(f64::from))
}

/// The marks of a file that `plotters` wrote, with the palette's classes.
fn themed(svg: &str) -> String {
    let inner = svg.split_once(">\n").map_or(svg, |(_, inner)| inner);
    let mut inner = inner.trim_end().trim_end_matches("</svg>").to_owned();
    for (colour, name) in NAMED {
        for use_ in ["fill", "stroke"] {
            let attribute = format!("{use_}=\"{colour}\"");
            inner = inner.replace(&attribute, &format!("class=\"{use_}-{name}\" {attribute}"));
        }
    }
    inner
}

/// A number as ticks have it: no more digits than it needs, thousands apart.
fn number(value: f64) -> String {
    if value.fract().abs() > 1e-9 {
        return format!("{value:.3}").trim_end_matches('0').to_owned();
    }
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    if value < 0.0 { format!("\u{2212}{text}") } else { text }
}

/// A title in lines that fit.
fn wrapped(title: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in title.split_whitespace() {
        let last = lines.last_mut().expect("there is always a line");
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= TITLE_CHARACTERS {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.5, "0.5"),
            (1_500.0, "1\u{202f}500"),
            (-20.0, "\u{2212}20"),
            (1e6, "1\u{202f}000\u{202f}000"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn marks_and_grid_agree() {
        let axis =
            |from, to, what: &str| Axis { scale: Scale::linear(from, to), what: what.to_owned() };
        let plot = Plot::new("test", "A title", 0, axis(0.0, 30.0, "x (s)"), axis(0.0, 10.0, "y"));
        let svg = plot.standing_alone();
        let document = roxmltree::Document::parse(&svg).unwrap();
        let lines =
            document.descendants().filter(|node| node.attribute("class") == Some("stroke-grid"));
        let mut xs: Vec<f64> =
            lines.filter_map(|n| n.attribute("x1")).map(|x| x.parse().unwrap()).collect();
        xs.dedup();
        // Ticks every five seconds: each mark lands on its grid line within a pixel.
        for second in [0.0, 5.0, 30.0] {
            assert!(xs.iter().any(|x| (x - plot.x(second)).abs() <= 1.0), "{second}: {xs:?}");
        }
        assert!(plot.y(10.0) < plot.y(0.0));
    }

    #[test]
    fn long_titles_and_legends_wrap() {
        let axis = || Axis { scale: Scale::linear(0.0, 1.0), what: String::new() };
        let mut plot = Plot::new("test", &"word ".repeat(60), 0, axis(), axis());
        for index in 0..20 {
            plot.explain("", format!("entry number {index}"));
        }
        assert!(plot.title.len() > 1);
        assert!(plot.title.iter().all(|line| line.chars().count() <= TITLE_CHARACTERS));
        let svg = plot.in_page();
        let document = roxmltree::Document::parse(&svg).unwrap();
        let places =
            document.descendants().filter(|node| node.attribute("class") == Some("legend"));
        let mut places: Vec<&str> = places.filter_map(|node| node.attribute("transform")).collect();
        assert_eq!(places.len(), 20);
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), 20, "no two entries share a place");
    }
}
