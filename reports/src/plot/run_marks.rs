//! What all plots over a run's time have in common: faults shaded, roles taken, silences, the end of
//! chaos.
//!
//! Each fault is shaded over the whole height, and has a bar in the lane of its family above, where
//! faults that overlap stay apart. `data-from-ns` and `data-to-ns` are the times as they were
//! recorded.

use evidence::words::moment;
use evidence::{Gap, RunPicture};

use crate::style::{Family, escape};

use super::{Axis, Plot, Scale};

/// Height of a lane and the room around all lanes, in pixels.
const LANE: u32 = 7;
const ROOM: u32 = 8;
/// The least width of a fault that lasts no time.
const WIDTH_MIN: f64 = 1.5;

/// Seconds of a simulated time.
pub(crate) fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// A plot over a run's time, with what struck the run.
pub(crate) fn over_time(class: &str, title: &str, picture: &RunPicture, y: Axis) -> Plot {
    let families = families(picture);
    let x = Axis {
        scale: Scale::linear(0.0, seconds(picture.end_ns)),
        what: "simulated time (s)".to_owned(),
    };
    let lanes =
        families.len() as u32 * LANE + ROOM + if picture.unavailable.is_empty() { 0 } else { LANE };
    let mut plot = Plot::new(class, title, lanes, x, y);
    faults(&mut plot, picture, &families);
    silences(&mut plot, &picture.unavailable);
    moments(&mut plot, picture);
    plot
}

/// Explains what [`over_time`] drew; plots call it after their own entries.
pub(crate) fn explain(plot: &mut Plot, picture: &RunPicture) {
    for family in families(picture) {
        let mut kinds: Vec<&str> = picture
            .faults
            .iter()
            .map(|fault| fault.kind.as_str())
            .filter(|kind| picture.families.of(kind) == family.name())
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        let (name, class) = (family.name(), family.class());
        let symbol = format!("<rect class=\"bar {class}\" y=\"2\" width=\"14\" height=\"10\"/>");
        plot.explain(symbol, format!("{name} faults: {}", kinds.join(", ")));
    }
    if !picture.unavailable.is_empty() {
        let symbol = "<rect class=\"silence\" y=\"4\" width=\"14\" height=\"6\"/>";
        plot.explain(symbol, "no write acknowledged");
    }
    if !picture.roles.is_empty() {
        let symbol = "<path class=\"role\" d=\"M7 0V14\"/>";
        plot.explain(symbol, "a role is taken");
    }
    if (1..picture.end_ns).contains(&picture.chaos_end_ns) {
        plot.explain("<path class=\"chaos\" d=\"M7 0V14\"/>", "faults end");
    }
}

fn families(picture: &RunPicture) -> Vec<Family<'_>> {
    Family::all(&picture.families, &picture.faults)
}

fn faults(plot: &mut Plot, picture: &RunPicture, families: &[Family<'_>]) {
    for fault in &picture.faults {
        let family = Family::new(picture.families.of(&fault.kind));
        let lane = families.iter().position(|each| *each == family).unwrap_or(0) as u32;
        let to_ns = fault.to_ns.unwrap_or(picture.end_ns);
        let (from, to) = (plot.x(seconds(fault.from_ns)), plot.x(seconds(to_ns)));
        let width = (to - from).max(WIDTH_MIN);
        let (top, height) = (plot.top(), plot.bottom() - plot.top());
        let data = format!(
            "data-kind=\"{}\" data-what=\"{}\" data-from-ns=\"{}\" data-to-ns=\"{to_ns}\"",
            escape(&fault.kind),
            escape(&fault.what),
            fault.from_ns,
        );
        let (class, title) = (family.class(), escape(&fault.to_string()));
        plot.under(&format!(
            "<rect class=\"band {class}\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" \
             height=\"{height:.1}\" {data}><title>{title}</title></rect>",
        ));
        let y = top - f64::from((lane + 1) * LANE) - 1.0;
        plot.under(&format!(
            "<rect class=\"bar {class}\" x=\"{from:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
             height=\"{}\"><title>{title}</title></rect>",
            LANE - 2,
        ));
    }
}

fn silences(plot: &mut Plot, gaps: &[Gap]) {
    for Gap { from_ns, to_ns } in gaps {
        let (from, to) = (plot.x(seconds(*from_ns)), plot.x(seconds(*to_ns)));
        let y = plot.bottom() - 4.0;
        plot.over(&format!(
            "<rect class=\"silence\" x=\"{from:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"4\" \
             data-from-ns=\"{from_ns}\" data-to-ns=\"{to_ns}\"><title>no write acknowledged \
             {} … {}</title></rect>",
            (to - from).max(WIDTH_MIN),
            moment(*from_ns),
            moment(*to_ns),
        ));
    }
}

fn moments(plot: &mut Plot, picture: &RunPicture) {
    let (top, bottom) = (plot.top(), plot.bottom());
    for role in &picture.roles {
        let x = plot.x(seconds(role.at_ns));
        plot.under(&format!(
            "<path class=\"role\" d=\"M{x:.1} {top:.1}V{bottom:.1}\" data-at-ns=\"{}\"><title>{} \
             at {}</title></path>",
            role.at_ns,
            escape(&role.what),
            moment(role.at_ns),
        ));
    }
    if (1..picture.end_ns).contains(&picture.chaos_end_ns) {
        let x = plot.x(seconds(picture.chaos_end_ns));
        plot.under(&format!(
            "<path class=\"chaos\" d=\"M{x:.1} {top:.1}V{bottom:.1}\" data-at-ns=\"{}\"><title>faults \
             end at {}</title></path>",
            picture.chaos_end_ns,
            moment(picture.chaos_end_ns),
        ));
    }
}

#[cfg(test)]
mod tests {
    use evidence::example::picture as example;

    use super::*;
    use crate::plot::testing::{Marks, windows};

    const SECOND: u64 = 1_000_000_000;

    fn drawn(picture: &RunPicture) -> Marks {
        let y = Axis { scale: Scale::linear(0.0, 1.0), what: "y".to_owned() };
        let mut plot = over_time("test", "t", picture, y);
        explain(&mut plot, picture);
        Marks::read(&plot.standing_alone())
    }

    #[test]
    fn bands_are_the_faults_windows() {
        let picture = example();
        let marks = drawn(&picture);
        assert_eq!(windows(&marks, "band"), windows_of(&picture));
        let mut moved = example();
        moved.faults[1].from_ns += 1;
        assert_ne!(windows(&drawn(&moved), "band"), windows_of(&picture), "a moved fault shows");
        let lanes = marks.all("bar").filter(|mark| mark.get("x").is_some()).count();
        assert_eq!(lanes, picture.faults.len());
    }

    fn windows_of(picture: &RunPicture) -> Vec<(u64, u64)> {
        picture.faults.iter().map(|f| (f.from_ns, f.to_ns.unwrap_or(picture.end_ns))).collect()
    }

    #[test]
    fn bands_are_drawn_where_their_times_are() {
        let marks = drawn(&example());
        let place = |index: usize| {
            let band = marks.all("band").nth(index).unwrap();
            (band.number("x"), band.number("width"))
        };
        let (partition, crash) = (place(0), place(1));
        // 2 to 5 s and 4 to 6 s on one linear axis.
        assert!((partition.1 / crash.1 - 1.5).abs() < 0.01, "{partition:?} {crash:?}");
        assert!(((crash.0 - partition.0) / crash.1 - 1.0).abs() < 0.01);
        assert!(place(3).1 >= 1.0, "what lasts no time is still seen");
    }

    #[test]
    fn silences_roles_and_the_end_of_chaos_are_marked() {
        let marks = drawn(&example());
        assert_eq!(windows(&marks, "silence"), [(2 * SECOND, 3 * SECOND + SECOND / 2)]);
        let at = |class| marks.numbers(class, "data-at-ns");
        assert_eq!(at("role"), [SECOND / 2, 3 * SECOND]);
        assert_eq!(at("chaos"), [15 * SECOND]);
        let legend: Vec<&str> = marks.texts("legend");
        assert_eq!(
            legend,
            [
                "network faults: partition",
                "process faults: crash, pause",
                "disk faults: fsync_fail",
                "clock faults: clock_offset",
                "no write acknowledged",
                "a role is taken",
                "faults end",
            ]
        );
    }
}
