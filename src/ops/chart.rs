//! Charts, drawn here as SVG: no script, no style of their own (the console's style sheet has the colours, for light and
//! dark), and a text for whoever cannot see them. Values are whole and not negative, so there is no chart of nonsense.

use std::fmt::Write as _;

const WIDTH: u32 = 640;
const HEIGHT: u32 = 170;
/// Room above the bars for the numbers on top of them …
const TOP: u32 = 18;
/// … and below them for their labels.
const BOTTOM: u32 = 22;
const PLOT: u32 = HEIGHT - TOP - BOTTOM;
/// A sparkline is drawn half as wide, with room for its scale.
const SPARK_WIDTH: u32 = 320;
const SPARK_HEIGHT: u32 = 90;
const SCALE: u32 = 44;

/// How a bar looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Nothing to worry about.
    Calm,
    Warn,
    Bad,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Self::Good => "bar good",
            Self::Calm => "bar calm",
            Self::Warn => "bar warn",
            Self::Bad => "bar bad",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Bar {
    pub label: String,
    pub value: u64,
    pub tone: Tone,
}

/// Bars side by side, each with its number on top and its label below. `unit` is what is counted, such as `holds`.
pub fn histogram(name: &str, unit: &str, bars: &[Bar]) -> String {
    let highest = bars.iter().map(|bar| bar.value).max().unwrap_or(0);
    let told: Vec<String> = bars
        .iter()
        .filter(|bar| bar.value > 0)
        .map(|bar| format!("{}: {}", bar.label, grouped(bar.value)))
        .collect();
    let told = if told.is_empty() { format!("no {unit}") } else { told.join(", ") };
    let mut svg = opened(name, &told, WIDTH, HEIGHT);
    let base = TOP + PLOT;
    let slot = WIDTH / u32::try_from(bars.len().max(1)).unwrap_or(WIDTH).min(WIDTH);
    for (place, bar) in (0..).zip(bars) {
        let left = place * slot;
        let height = scaled(bar.value, highest, PLOT);
        let (middle, label, value) = (left + slot / 2, escaped(&bar.label), grouped(bar.value));
        let _ = write!(
            svg,
            r#"<g><title>{label}: {value} {unit}</title><rect class="{class}" x="{x}" y="{y}" width="{width}" height="{height}" rx="2"/>"#,
            unit = escaped(unit),
            class = bar.tone.class(),
            x = left + slot / 10,
            y = base - height,
            width = (slot * 8 / 10).max(1),
        );
        if bar.value > 0 {
            let _ = write!(
                svg,
                r#"<text x="{middle}" y="{}" text-anchor="middle">{value}</text>"#,
                base - height - 4
            );
        }
        let _ =
            write!(svg, r#"<text x="{middle}" y="{}" text-anchor="middle">{label}</text></g>"#, HEIGHT - 6);
    }
    let _ = write!(svg, r#"<path class="axis" d="M0 {base}H{WIDTH}"/></svg>"#);
    svg
}

/// A line through values of equal distance in time, the oldest first, with a scale. `from` and `to` say when it begins and
/// ends.
pub fn sparkline(name: &str, values: &[u64], from: &str, to: &str) -> String {
    let highest = values.iter().copied().max().unwrap_or(0);
    let last = values.last().copied().unwrap_or(0);
    let told = format!("from {from} to {to}, {} at most, {} at the end", grouped(highest), grouped(last));
    let mut svg = opened(name, &told, SPARK_WIDTH, SPARK_HEIGHT);
    let (base, plot) = (SPARK_HEIGHT - BOTTOM, SPARK_HEIGHT - BOTTOM - 8);
    let steps = u32::try_from(values.len().saturating_sub(1)).unwrap_or(u32::MAX).max(1);
    let mut points = String::new();
    for (step, value) in (0..).zip(values) {
        let x = SCALE + position(step, steps, SPARK_WIDTH - SCALE - 4);
        let _ = write!(points, "{x},{} ", base - scaled(*value, highest, plot));
    }
    if let [only] = values {
        // A line needs a second point.
        let _ = write!(points, "{},{}", SPARK_WIDTH - 4, base - scaled(*only, highest, plot));
    }
    let _ = write!(
        svg,
        concat!(
            r#"<path class="axis" d="M{scale} {top}V{base}H{right}"/><polyline class="line" points="{points}"/>"#,
            r#"<text x="{beside}" y="{high}" text-anchor="end">{highest}</text>"#,
            r#"<text x="{beside}" y="{base}" text-anchor="end">0</text>"#,
            r#"<text x="{scale}" y="{below}">{from}</text><text x="{right}" y="{below}" text-anchor="end">{to}</text></svg>"#
        ),
        scale = SCALE,
        top = base - plot,
        base = base,
        right = SPARK_WIDTH - 4,
        points = points.trim_end(),
        beside = SCALE - 6,
        high = base - plot + 8,
        highest = grouped(highest),
        below = SPARK_HEIGHT - 6,
        from = escaped(from),
        to = escaped(to),
    );
    svg
}

fn opened(name: &str, told: &str, width: u32, height: u32) -> String {
    let (name, told) = (escaped(name), escaped(told));
    format!(
        r#"<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{name}: {told}" xmlns="http://www.w3.org/2000/svg"><title>{name}</title>"#
    )
}

/// How high a value is drawn. What is there is seen, however small beside the highest.
fn scaled(value: u64, highest: u64, height: u32) -> u32 {
    let exact = u128::from(value) * u128::from(height) / u128::from(highest.max(1));
    let drawn = u32::try_from(exact).unwrap_or(height);
    if value > 0 { drawn.max(1) } else { 0 }
}

fn position(step: u32, steps: u32, width: u32) -> u32 {
    let exact = u64::from(step) * u64::from(width) / u64::from(steps);
    u32::try_from(exact).unwrap_or(width).min(width)
}

/// A number as short as an axis needs: `950`, `12,000`, `3.4M`.
fn grouped(value: u64) -> String {
    match value {
        0..1_000 => value.to_string(),
        1_000..1_000_000 => format!("{},{:03}", value / 1_000, value % 1_000),
        1_000_000..1_000_000_000 => format!("{}.{}M", value / 1_000_000, value / 100_000 % 10),
        _ => format!("{}.{}G", value / 1_000_000_000, value / 100_000_000 % 10),
    }
}

/// Text that stays text in XML; characters that XML does not have are left out.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() => {}
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Fails unless the text is one XML element whose tags are balanced and whose attributes are quoted.
    fn assert_is_xml(svg: &str) {
        let mut open = vec![];
        let mut rest = svg;
        while let Some(start) = rest.find('<') {
            assert!(start == 0 || !open.is_empty(), "text outside of the element: {svg}");
            let end = start + rest[start..].find('>').expect("a tag that ends");
            let tag = &rest[start + 1..end];
            assert!(!tag.contains('<') && tag.matches('"').count().is_multiple_of(2), "{tag}");
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop().as_deref(), Some(name), "{svg}");
            } else if !tag.ends_with('/') {
                open.push(tag.split_whitespace().next().unwrap().to_owned());
            }
            rest = &rest[end + 1..];
        }
        assert!(open.is_empty() && rest.is_empty(), "{svg}");
        for (at, _) in svg.match_indices('&') {
            let known = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];
            assert!(known.iter().any(|entity| svg[at..].starts_with(entity)), "{svg}");
        }
        assert!(!svg.contains("style=") && svg.contains(r#"role="img""#) && svg.contains("<title>"));
    }

    /// Every coordinate of a chart lies within its picture.
    fn assert_fits(svg: &str) {
        for (name, limit) in
            [(" x=\"", WIDTH), (" y=\"", HEIGHT), (" width=\"", WIDTH), (" height=\"", HEIGHT)]
        {
            for part in svg.split(name).skip(1) {
                let number: u32 = part.split('"').next().unwrap().parse().unwrap();
                assert!(number <= limit, "{name}{number} in {svg}");
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_is_counted_the_chart_is_xml_and_stays_in_its_frame(
            values in prop::collection::vec(prop_oneof![Just(0), Just(1), Just(u64::MAX), any::<u64>()], 0..70),
            text in "\\PC{0,12}|[<>&\"'\u{0}-\u{1f}]{0,8}",
        ) {
            let bar = |value: &u64| Bar { label: text.clone(), value: *value, tone: Tone::Warn };
            let bars: Vec<Bar> = values.iter().map(bar).collect();
            for svg in [histogram(&text, &text, &bars), sparkline(&text, &values, &text, &text)] {
                assert_is_xml(&svg);
                assert_fits(&svg);
            }
        }
    }

    #[test]
    fn nothing_one_thing_and_the_largest_thing_are_drawn() {
        for values in [vec![], vec![0], vec![7], vec![u64::MAX, 1, 0]] {
            let svg = sparkline("orders", &values, "then", "now");
            assert_is_xml(&svg);
        }
        assert!(histogram("lateness", "holds", &[]).contains("lateness: no holds"));
        assert_eq!(
            (scaled(1, u64::MAX, 100), scaled(u64::MAX, u64::MAX, 100), scaled(0, 0, 100)),
            (1, 100, 0)
        );
        assert_eq!(
            (grouped(999).as_str(), grouped(12_345).as_str(), grouped(3_400_000).as_str()),
            ("999", "12,345", "3.4M")
        );
    }
}
