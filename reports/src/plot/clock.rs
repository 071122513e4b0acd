//! `clock.svg`: how wrong each host's wall clock was.

use evidence::{ClockTrack, RunPicture};

use crate::style::escape;

use super::run_marks::{explain, over_time, seconds};
use super::{Axis, Plot, Scale};

/// Colours of lines; hosts beyond them share.
const COLOURS: usize = 7;
/// Offsets below this need no room of their own, in milliseconds.
const OFFSET_MIN_MS: i64 = 10;

/// Draws it.
pub(crate) fn draw(picture: &RunPicture) -> Plot {
    let offsets = || picture.clocks.iter().flat_map(|track| &track.points).map(|(_, ms)| *ms);
    let (least, most) = (offsets().min().unwrap_or(0).min(0), offsets().max().unwrap_or(0).max(0));
    let room = ((most - least) / 12).max(OFFSET_MIN_MS);
    let axis = Axis {
        scale: Scale::linear((least - room) as f64, (most + room) as f64),
        what: "offset (ms)".to_owned(),
    };
    let wrong = picture.clocks.iter().filter(|track| is_wrong(track));
    let names: Vec<&str> = wrong.map(|track| track.host.as_str()).collect();
    let title = match names.as_slice() {
        [] => "Wall clocks of the hosts: all were right throughout".to_owned(),
        names => format!(
            "Wall clocks of the hosts: {} wrong at times, between {least} and {most} ms",
            names.join(", ")
        ),
    };
    let mut plot = over_time("clock", &title, picture, axis);
    for (index, track) in picture.clocks.iter().enumerate() {
        let class = format!("series-{}", index % COLOURS + 1);
        let place = |(ns, ms): &(u64, i64)| (plot.x(seconds(*ns)), plot.y(*ms as f64));
        let places: Vec<(f64, f64)> = track.points.iter().map(place).collect();
        let listed: Vec<String> =
            track.points.iter().map(|(ns, ms)| format!("{ns}:{ms}")).collect();
        let host = escape(&track.host);
        let data = format!("data-host=\"{host}\" data-points=\"{}\"", listed.join(" "));
        plot.line(&class, &places, &data);
        plot.explain(format!("<path class=\"line {class}\" d=\"M0 7H14\"/>"), &track.host);
    }
    explain(&mut plot, picture);
    plot
}

fn is_wrong(track: &ClockTrack) -> bool {
    track.points.iter().any(|(_, ms)| *ms != 0)
}

#[cfg(test)]
mod tests {
    use evidence::example::picture as example;

    use super::*;
    use crate::plot::testing::Marks;

    #[test]
    fn lines_are_the_tracks() {
        let picture = example();
        let marks = Marks::read(&draw(&picture).standing_alone());
        let lines: Vec<ClockTrack> = marks
            .all("line")
            .filter_map(|line| {
                let points = line.get("data-points")?.split(' ').map(|point| {
                    let (ns, ms) = point.split_once(':').unwrap();
                    (ns.parse().unwrap(), ms.parse().unwrap())
                });
                let host = line.get("data-host")?.to_owned();
                Some(ClockTrack { host, points: points.collect() })
            })
            .collect();
        assert_eq!(lines, picture.clocks);
    }

    #[test]
    fn the_title_names_the_clocks_that_were_wrong() {
        let title = |picture: &RunPicture| {
            Marks::read(&draw(picture).standing_alone()).texts("title").join(" ")
        };
        let mut picture = example();
        assert_eq!(
            title(&picture),
            "Wall clocks of the hosts: n3 wrong at times, between -4000 and 0 ms"
        );
        picture.clocks.pop();
        assert_eq!(title(&picture), "Wall clocks of the hosts: all were right throughout");
    }
}
