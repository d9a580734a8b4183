//! The rates as bars, in SVG. A white ground and plain shapes, so that it reads on light and dark pages alike.

use std::fmt::Write as _;

use crate::report::thousands;

const WIDTH: f64 = 720.0;
const LEFT: f64 = 190.0;
const BAR: f64 = 22.0;
const GAP: f64 = 8.0;
const TOP: f64 = 64.0;
/// Room for the figure behind the longest bar.
const RIGHT: f64 = 90.0;

/// A group of bars under one heading.
pub(crate) struct Group {
    pub(crate) heading: &'static str,
    pub(crate) bars: Vec<(&'static str, f64)>,
}

/// Draws horizontal bars, all groups on one scale.
pub(crate) fn bars(title: &str, groups: &[Group]) -> String {
    let largest = groups.iter().flat_map(|group| &group.bars).map(|bar| bar.1).fold(1.0, f64::max);
    let mut shapes = String::new();
    let mut y = TOP;
    for group in groups {
        text(&mut shapes, 24.0, y + 15.0, "14", "font-weight=\"bold\"", group.heading);
        y += BAR + GAP;
        for (name, value) in &group.bars {
            let length = (WIDTH - LEFT - RIGHT) * value / largest;
            // What it is compared with is grey, Holdfast is blue.
            let colour = if name.starts_with("pgbench") { "#8a8f98" } else { "#2563a8" };
            text(&mut shapes, LEFT - 10.0, y + 16.0, "13", "text-anchor=\"end\"", name);
            let _ = writeln!(
                shapes,
                r#"  <rect x="{LEFT}" y="{y}" width="{length:.1}" height="{BAR}" rx="2" fill="{colour}"/>"#
            );
            text(&mut shapes, LEFT + length + 8.0, y + 16.0, "13", "", &thousands(*value));
            y += BAR + GAP;
        }
        y += GAP * 2.0;
    }
    let height = y;
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" fill=\"#1a1a1a\">\n  <title>{title}</title>\n  \
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    text(&mut picture, 24.0, 34.0, "17", "font-weight=\"bold\"", title);
    picture + &shapes + "</svg>\n"
}

fn text(into: &mut String, x: f64, y: f64, size: &str, more: &str, words: &str) {
    let more = if more.is_empty() { String::new() } else { format!(" {more}") };
    let _ = writeln!(into, r#"  <text x="{x:.1}" y="{y:.1}" font-size="{size}"{more}>{words}</text>"#);
}
