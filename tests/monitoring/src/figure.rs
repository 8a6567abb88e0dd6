//! The picture of a story, from what Prometheus remembers of it. SVG of our own: axes, lines and bars need no library.

use std::fmt::Write as _;

use crate::prometheus::Series;
use crate::story::{FIRING, Story};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 96.0;
const RIGHT: f64 = 232.0;
const TOP: f64 = 64.0;
const CHART: f64 = 116.0;
const GAP: f64 = 36.0;
const BAR: f64 = 18.0;
const BOTTOM: f64 = 40.0;
/// Seconds between two points of a line.
const STEP: f64 = 0.25;
/// Colours that can be told apart, also by people who see fewer.
const COLOURS: &[&str] = &["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

/// How values become heights.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Scale {
    /// From 0 to the largest.
    Linear,
    /// From a tenth of a millisecond to ten seconds.
    Seconds,
}

struct Chart {
    title: &'static str,
    scale: Scale,
    lines: Vec<Line>,
}

struct Line {
    name: String,
    points: Vec<(f64, f64)>,
}

/// What is drawn: title, scale, expression, label that names a line.
const CHARTS: &[(&str, Scale, &str, &str)] = &[
    (
        "Write latency by phase, 99 of 100",
        Scale::Seconds,
        "histogram_quantile(0.99, sum by (phase, le) (rate(zookube_write_phase_seconds_bucket[2s])))",
        "phase",
    ),
    (
        "Syncs of the log, 99 of 100",
        Scale::Seconds,
        "histogram_quantile(0.99, sum by (instance, le) (rate(zookube_fsync_seconds_bucket[2s])))",
        "instance",
    ),
    ("Writes per second", Scale::Linear, "sum by (instance) (rate(zookube_write_seconds_count[2s]))", "instance"),
    ("Whom each server follows", Scale::Linear, "max by (instance) (zookube_leader_sid)", "instance"),
    ("Connections", Scale::Linear, "sum by (instance) (num_alive_connections)", "instance"),
];

/// The picture as SVG.
///
/// # Errors
/// What Prometheus has against a question.
pub fn draw(story: &Story) -> Result<String, String> {
    let mut charts = Vec::new();
    for (title, scale, expression, label) in CHARTS {
        let answer = story.prometheus.range(expression, story.begun, story.ended, STEP)?;
        charts.push(Chart { title, scale: *scale, lines: lines(answer, label, story.begun) });
    }
    let alerts = story.prometheus.range(FIRING, story.begun, story.ended, STEP)?;
    let named = alerts.into_iter().map(|series| {
        let name = format!("{} {}", series.label("alertname"), series.label("instance"));
        Line { name, points: since(&series.points, story.begun) }
    });
    let faults: Vec<(&str, f64, f64)> = story
        .chapters
        .iter()
        .map(|chapter| (chapter.title, chapter.fault.0 - story.begun, chapter.fault.1 - story.begun))
        .collect();
    Ok(Canvas::new(story.ended - story.begun).picture(&charts, &named.collect::<Vec<_>>(), &faults))
}

fn lines(answer: Vec<Series>, label: &str, begun: f64) -> Vec<Line> {
    let mut lines: Vec<Line> = answer
        .into_iter()
        .map(|series| Line { name: series.label(label).to_owned(), points: since(&series.points, begun) })
        .collect();
    lines.sort_by(|a, b| a.name.cmp(&b.name));
    lines
}

fn since(points: &[(f64, f64)], begun: f64) -> Vec<(f64, f64)> {
    points.iter().map(|(at, value)| (at - begun, *value)).collect()
}

struct Canvas {
    seconds: f64,
    svg: String,
}

impl Canvas {
    fn new(seconds: f64) -> Self {
        Self { seconds, svg: String::new() }
    }

    fn x(&self, second: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * second / self.seconds
    }

    fn picture(mut self, charts: &[Chart], alerts: &[Line], faults: &[(&str, f64, f64)]) -> String {
        let charts_end = TOP + charts.len() as f64 * (CHART + GAP);
        let end = charts_end + (alerts.len() as f64 + 1.0) * BAR;
        let height = end + BOTTOM;
        self.put(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"{WIDTH}\" height=\"{height:.0}\" fill=\"white\"/>\n"
        ));
        for (title, from, until) in faults {
            let (left, width) = (self.x(*from), self.x(*until) - self.x(*from));
            self.put(format_args!(
                "<rect x=\"{left:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"#f3dede\"/>\n",
                TOP - 24.0,
                end - TOP + 24.0
            ));
            self.text(left + width / 2.0, TOP - 30.0, "middle", title);
        }
        for (number, chart) in charts.iter().enumerate() {
            self.chart(TOP + number as f64 * (CHART + GAP), chart);
        }
        self.text(LEFT, charts_end - 4.0, "start", "Alerts that fire");
        for (number, alert) in alerts.iter().enumerate() {
            self.bar(charts_end + 6.0 + number as f64 * BAR, alert, COLOURS[number % COLOURS.len()]);
        }
        self.time_axis(end);
        self.svg.push_str("</svg>\n");
        self.svg
    }

    fn chart(&mut self, top: f64, chart: &Chart) {
        self.text(LEFT, top - 6.0, "start", chart.title);
        let values = chart.lines.iter().flat_map(|line| line.points.iter().map(|(_, value)| *value));
        let highest = values.filter(|value| value.is_finite()).fold(1.0, f64::max);
        for (value, label) in ticks(chart.scale, highest) {
            let y = top + CHART * (1.0 - share(chart.scale, value, highest));
            let right = WIDTH - RIGHT;
            self.put(format_args!("<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#cccccc\" stroke-width=\"0.5\"/>\n"));
            self.text(LEFT - 6.0, y + 4.0, "end", &label);
        }
        for (number, line) in chart.lines.iter().enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            let path = self.path(top, chart.scale, highest, &line.points);
            self.put(format_args!("<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\n"));
            let y = top + 12.0 + number as f64 * 16.0;
            let x = WIDTH - RIGHT + 12.0;
            self.put(format_args!("<path d=\"M{x} {y:.1}h16\" stroke=\"{colour}\" stroke-width=\"3\"/>\n"));
            self.text(x + 22.0, y + 4.0, "start", &line.name);
        }
    }

    /// A line with gaps where there are no values.
    fn path(&self, top: f64, scale: Scale, highest: f64, points: &[(f64, f64)]) -> String {
        let (mut path, mut last) = (String::new(), f64::NEG_INFINITY);
        for (at, value) in points.iter().filter(|(_, value)| value.is_finite()) {
            let command = if at - last > 1.5 * STEP { 'M' } else { 'L' };
            let y = top + CHART * (1.0 - share(scale, *value, highest));
            // Writing to a text does not fail.
            let _ = write!(path, "{command}{:.1} {y:.1}", self.x(*at));
            last = *at;
        }
        path
    }

    fn bar(&mut self, y: f64, alert: &Line, colour: &str) {
        for (at, _) in &alert.points {
            let (left, width) = (self.x(*at), self.x(STEP) - self.x(0.0) + 0.2);
            self.put(format_args!(
                "<rect x=\"{left:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"10\" fill=\"{colour}\"/>\n"
            ));
        }
        self.text(WIDTH - RIGHT + 12.0, y + 10.0, "start", &alert.name);
    }

    fn time_axis(&mut self, y: f64) {
        let step = if self.seconds > 60.0 { 20.0 } else { 10.0 };
        let mut second = 0.0;
        while second <= self.seconds {
            self.text(self.x(second), y + 16.0, "middle", &format!("{second:.0} s"));
            second += step;
        }
        let right = WIDTH - RIGHT;
        self.put(format_args!("<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"black\"/>\n"));
    }

    fn text(&mut self, x: f64, y: f64, anchor: &str, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        self.put(format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>\n"));
    }

    fn put(&mut self, what: std::fmt::Arguments<'_>) {
        // Writing to a text does not fail.
        let _ = self.svg.write_fmt(what);
    }
}

/// How high a value is, from 0 to 1.
fn share(scale: Scale, value: f64, highest: f64) -> f64 {
    match scale {
        Scale::Linear => value / highest,
        Scale::Seconds => (value.max(1e-4).log10() + 4.0) / 5.0,
    }
    .clamp(0.0, 1.0)
}

fn ticks(scale: Scale, highest: f64) -> Vec<(f64, String)> {
    match scale {
        Scale::Linear => [0.0, highest].map(|value| (value, format!("{value:.0}"))).to_vec(),
        Scale::Seconds => {
            [(1e-4, "0.1 ms"), (1e-3, "1 ms"), (1e-2, "10 ms"), (1e-1, "100 ms"), (1.0, "1 s"), (10.0, "10 s")]
                .map(|(value, label)| (value, label.to_owned()))
                .to_vec()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_its_lines_faults_and_alerts() {
        let line = |name: &str, points: &[(f64, f64)]| Line { name: name.to_owned(), points: points.to_vec() };
        let chart = Chart {
            title: "Latency",
            scale: Scale::Seconds,
            lines: vec![line("a<b", &[(0.0, 1e-4), (0.25, 10.0), (5.0, f64::NAN), (6.0, 1.0)])],
        };
        let svg =
            Canvas::new(10.0).picture(&[chart], &[line("Alert zk1", &[(2.0, 1.0)])], &[("leader killed", 1.0, 3.0)]);
        // The lowest and the highest of the scale, and a gap where nothing was known.
        let right = LEFT + (WIDTH - LEFT - RIGHT) * 0.025;
        let path = format!("M{LEFT:.1} {:.1}L{right:.1} {TOP:.1}M", TOP + CHART);
        assert!(svg.contains(&path), "{path} is not in {svg}");
        for part in ["a&lt;b", "Alert zk1", "leader killed", "</svg>"] {
            assert!(svg.contains(part), "{part} is not in {svg}");
        }
    }
}
