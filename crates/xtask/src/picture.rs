//! Draws a state machine's definition as an SVG that reads well on light and dark pages. Each state
//! and each line is marked with its name, so that a page can show the way that an execution took.

use std::fmt::Write;

use crate::graph::{Graph, State, Transition};
use crate::layout::{self, INNER, Layout, Placed, Point};

/// The space around everything.
const MARGIN: f64 = 12.0;
/// How far the points of a Choice stand out.
const POINTED: f64 = 9.0;

const STYLE: &str = "\
svg{color-scheme:light dark}\
text{font:12px system-ui,sans-serif;text-anchor:middle;dominant-baseline:central;fill:#1f2328}\
.shape{fill:#f6f8fa;stroke:#8c959f}\
.Task>.shape{fill:#ddf4ff;stroke:#0969da}\
.Choice>.shape{fill:#fff8c5;stroke:#9a6700}\
.Succeed>.shape{fill:#dafbe1;stroke:#1a7f37}\
.Fail>.shape{fill:#ffebe9;stroke:#cf222e}\
.Map>.shape,.Parallel>.shape{fill:none;stroke-dasharray:5 3}\
.line{fill:none;stroke:#57606a;marker-end:url(#arrow)}\
.catch{stroke:#cf222e;stroke-dasharray:3 3;marker-end:url(#catch)}\
#arrow path{fill:#57606a}#catch path{fill:#cf222e}\
@media(prefers-color-scheme:dark){\
text{fill:#e6edf3}\
.shape{fill:#21262d;stroke:#8b949e}\
.Task>.shape{fill:#0c2d6b;stroke:#58a6ff}\
.Choice>.shape{fill:#3b2300;stroke:#d29922}\
.Succeed>.shape{fill:#04260f;stroke:#3fb950}\
.Fail>.shape{fill:#490202;stroke:#f85149}\
.line{stroke:#8b949e}.catch{stroke:#f85149}\
#arrow path{fill:#8b949e}#catch path{fill:#f85149}}";

/// The text of the file.
pub(crate) fn svg(graph: &Graph, title: &str) -> String {
    let layout = layout::of(graph);
    let (width, height) = (layout.width + 2.0 * MARGIN, layout.height + 2.0 * MARGIN);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n<defs>{}{}</defs>\n",
        escaped(title),
        marker("arrow"),
        marker("catch"),
    );
    draw(&mut text, graph, &layout, (MARGIN, MARGIN));
    text.push_str("</svg>\n");
    text
}

fn marker(id: &str) -> String {
    format!(
        "<marker id=\"{id}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" \
         markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\"/></marker>"
    )
}

/// The lines first, so that no line covers a name.
fn draw(text: &mut String, graph: &Graph, layout: &Layout, origin: Point) {
    for (transition, points) in graph.transitions.iter().zip(&layout.lines) {
        draw_line(text, graph, *transition, points, origin);
    }
    for (state, placed) in graph.states.iter().zip(&layout.boxes) {
        draw_state(text, state, placed, origin);
    }
}

fn draw_line(text: &mut String, graph: &Graph, it: Transition, points: &[Point], origin: Point) {
    let name = |state: usize| graph.states.get(state).map_or("", |state| state.name.as_str());
    let class = if it.is_catch { "line catch" } else { "line" };
    let path = curve(points, origin);
    let (from, to) = (escaped(name(it.from)), escaped(name(it.to)));
    let _ = writeln!(
        text,
        "<path class=\"{class}\" data-from=\"{from}\" data-to=\"{to}\" d=\"{path}\"/>"
    );
}

/// A smooth line through the points that leaves and arrives upright, and does not swing out between
/// them (a monotone cubic spline of x over y).
fn curve(points: &[Point], origin: Point) -> String {
    let at = |index: usize| points.get(index).copied().unwrap_or_default();
    let secant = |index: usize| {
        let ((x, y), (to_x, to_y)) = (at(index), at(index + 1));
        (to_x - x) / (to_y - y)
    };
    let last = points.len().saturating_sub(1);
    let slope = |index: usize| {
        if index == 0 || index == last {
            return 0.0;
        }
        let (before, after) = (secant(index - 1), secant(index));
        if before * after > 0.0 { 2.0 * before * after / (before + after) } else { 0.0 }
    };
    let mut path = format!("M{:.0} {:.0}", at(0).0 + origin.0, at(0).1 + origin.1);
    for index in 0..last {
        let ((x, y), (to_x, to_y)) = (at(index), at(index + 1));
        // The ends of the line are more upright than a third of the way.
        let third = (to_y - y) / if index == 0 || index + 1 == last { 2.0 } else { 3.0 };
        let (start, end) = (slope(index) * third, slope(index + 1) * third);
        let controls = [(x + start, y + third), (to_x - end, to_y - third), (to_x, to_y)];
        let controls = controls.map(|(x, y)| format!("{:.0} {:.0}", x + origin.0, y + origin.1));
        let _ = write!(path, "C{}", controls.join(" "));
    }
    path
}

fn draw_state(text: &mut String, state: &State, placed: &Placed, origin: Point) {
    let (x, y) = (placed.x + origin.0, placed.y + origin.1);
    let Placed { width, height, .. } = placed;
    let middle = x + width / 2.0;
    let _ = write!(
        text,
        "<g class=\"{}\" data-state=\"{}\"><title>{}</title>{}",
        escaped(&state.kind),
        escaped(&state.name),
        escaped(&state.comment),
        shape(&state.kind, (x, y), (*width, *height)),
    );
    let name_y = y + if state.inner.is_some() { INNER.1 / 2.0 } else { height / 2.0 };
    let _ = writeln!(
        text,
        "<text x=\"{middle:.0}\" y=\"{name_y:.0}\">{}</text></g>",
        escaped(&state.label())
    );
    if let (Some(graph), Some(layout)) = (&state.inner, &placed.inner) {
        let inner = ((width - layout.width) / 2.0 + x, INNER.1 + y);
        draw(text, graph, layout, inner);
    }
}

fn shape(kind: &str, (x, y): Point, (width, height): Point) -> String {
    let round = match kind {
        "Succeed" | "Fail" | "Wait" => height / 2.0,
        "Choice" => {
            let (right, bottom, middle) = (x + width, y + height, y + height / 2.0);
            let (inner, outer) = (x + POINTED, right - POINTED);
            return format!(
                "<path class=\"shape\" d=\"M{inner:.0} {y:.0}H{outer:.0}L{right:.0} {middle:.0}L{outer:.0} \
                 {bottom:.0}H{inner:.0}L{x:.0} {middle:.0}z\"/>"
            );
        }
        _ => 4.0,
    };
    format!(
        "<rect class=\"shape\" x=\"{x:.0}\" y=\"{y:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" \
         rx=\"{round:.0}\"/>"
    )
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_and_transition_is_drawn_and_marked() {
        let definition = r#"{"StartAt": "A", "States": {
            "A": {"Type": "Task", "Comment": "a < b", "Next": "B"},
            "B": {"Type": "Map", "Next": "C", "Catch": [{"Next": "A"}], "ItemProcessor":
                {"StartAt": "X", "States": {"X": {"Type": "Choice", "Default": "Y"},
                                            "Y": {"Type": "Pass"}}}},
            "C": {"Type": "Succeed"}}}"#;
        let graph = Graph::of(&serde_json::from_str(definition).unwrap()).unwrap();
        let text = svg(&graph, "A & B");
        for part in [
            "<title>A &amp; B</title>",
            "<g class=\"Task\" data-state=\"A\"><title>a &lt; b</title>",
            "data-state=\"X\"",
            "class=\"line\" data-from=\"X\" data-to=\"Y\"",
            "class=\"line catch\" data-from=\"B\" data-to=\"A\"",
            "prefers-color-scheme:dark",
        ] {
            assert!(text.contains(part), "no {part} in {text}");
        }
        assert_eq!(text.matches("<path class=\"line").count(), 4);
        assert_eq!(text, svg(&graph, "A & B"));
    }
}
