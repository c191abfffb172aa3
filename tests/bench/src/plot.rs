use std::fmt::Write as _;

use crate::goals::{GOALS, Goal};
use crate::results::Results;
use crate::table::{best, date, machine, shown};

const LINE: f64 = 46.0;
const LEFT: f64 = 20.0;
const WIDTH: f64 = 760.0;
/// The end of a bar that reaches its goal.
const GOAL: f64 = 220.0;

/// Each goal with a value: a bar for us, one for the best alternative, and a line at the goal. A
/// bar far beyond it is cut off, with its value beside it.
pub(crate) fn svg(results: &Results) -> String {
    let goals: Vec<(&Goal, f64)> = GOALS
        .iter()
        .filter(|goal| goal.most > 0.0)
        .filter_map(|goal| Some((goal, results.value(goal.measure, &goal.ours)?)))
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
    let height = 60.0 + LINE * goals.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\" fill=\"#24292f\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"13\">What it costs; shorter is better. \
         {}, {}</text>\n",
        escaped(&machine()),
        date(),
    );
    let mut y = 44.0;
    for (goal, ours) in goals {
        let title = format!("{}. {} ({})", goal.row, goal.what, goal.measure.name());
        text(&mut svg, LEFT, y, &title);
        bar(&mut svg, y + 5.0, goal, "ours", ours, "#1f7a4d");
        if let Some((name, value)) = best(goal, results) {
            bar(&mut svg, y + 18.0, goal, name, value, "#8c959f");
        }
        let (x, bottom) = (LEFT + GOAL, y + 30.0);
        let top = y + 4.0;
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(
            svg,
            "<line x1=\"{x}\" x2=\"{x}\" y1=\"{top}\" y2=\"{bottom}\" stroke=\"#cf222e\" stroke-width=\"2\"/>"
        );
        y += LINE;
    }
    svg.push_str("</svg>\n");
    svg
}

fn bar(svg: &mut String, y: f64, goal: &Goal, name: &str, value: f64, colour: &str) {
    let most = WIDTH - LEFT - 260.0;
    let width = (value / goal.most * GOAL).clamp(1.0, most);
    let _ = writeln!(
        svg,
        "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"11\" fill=\"{colour}\"/>"
    );
    let label = format!("{} {name}", shown(goal, value));
    text(svg, LEFT + width.max(GOAL) + 8.0, y + 10.0, &label);
}

fn text(svg: &mut String, x: f64, y: f64, text: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
        escaped(text)
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
