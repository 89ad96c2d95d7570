//! Lays out a graph in layers (Sugiyama's method): each transition leads downwards, except those
//! that close a loop; long ones are bent around what is between; each state stands near its
//! neighbours.

mod layers;
mod place;

use crate::graph::Graph;

/// The height of a state, and the space between two layers.
const HEIGHT: f64 = 26.0;
const LAYER_GAP: f64 = 26.0;
/// The space between two neighbours in a layer, and what a passing transition takes.
const GAP: f64 = 18.0;
const PASSING: f64 = 8.0;
/// The width of a character, and of the space around a name.
const CHARACTER: f64 = 6.9;
const MARGIN: f64 = 20.0;
/// The space around the states of an iteration, and above them for the Map state's name.
const PADDING: f64 = 16.0;
const TITLE: f64 = 26.0;

/// A point.
pub(crate) type Point = (f64, f64);

/// A graph with its places.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Layout {
    pub width: f64,
    pub height: f64,
    /// In the order of the graph's states.
    pub boxes: Vec<Placed>,
    /// In the order of the graph's transitions: from the first state to the second.
    pub lines: Vec<Vec<Point>>,
}

/// A state's place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Placed {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
    /// The iteration of a Map state, relative to the state.
    pub inner: Option<Layout>,
}

/// Where the states of a Map state's iteration begin within it.
pub(crate) const INNER: Point = (PADDING, TITLE);

/// Lays out a graph.
pub(crate) fn of(graph: &Graph) -> Layout {
    let mut boxes: Vec<_> = graph.states.iter().map(size).collect();
    let layered = layers::of(graph);
    let widths: Vec<f64> = layered
        .nodes
        .iter()
        .map(|node| node.state.and_then(|state| boxes.get(state)).map_or(PASSING, |it| it.width))
        .collect();
    let centres = place::centres(&layered, &widths, GAP);
    let (tops, bottoms) = heights(&layered, &boxes);
    let left = centres.iter().zip(&widths).map(|(x, width)| x - width / 2.0);
    let left = left.fold(f64::INFINITY, f64::min);
    let right = centres.iter().zip(&widths).map(|(x, width)| x + width / 2.0);
    let width = right.fold(0.0, f64::max) - left;
    let at = |list: &[f64], index: usize| list.get(index).copied().unwrap_or_default();
    for (index, node) in layered.nodes.iter().enumerate() {
        if let Some(placed) = node.state.and_then(|state| boxes.get_mut(state)) {
            placed.x = at(&centres, index) - left - placed.width / 2.0;
            placed.y = at(&tops, node.layer);
        }
    }
    let points = |chain: &layers::Chain| {
        let places = chain.nodes.iter().filter_map(|index| {
            let node = layered.nodes.get(*index)?;
            let (top, bottom) = (at(&tops, node.layer), at(&bottoms, node.layer));
            let (x, middle) = (at(&centres, *index) - left, f64::midpoint(top, bottom));
            // Past a tall state, upright.
            let is_long = node.state.is_none() && bottom - top > HEIGHT;
            Some(if is_long { vec![(x, top), (x, bottom)] } else { vec![(x, middle)] })
        });
        let mut points: Vec<_> = places.flatten().collect();
        if chain.is_reversed {
            points.reverse();
        }
        points
    };
    let mut lines: Vec<_> = layered.chains.iter().map(points).collect();
    attach(graph, &boxes, &mut lines);
    let height = bottoms.last().copied().unwrap_or_default();
    Layout { width, height, boxes, lines }
}

/// A state's size; a Map state is as large as its iteration.
fn size(state: &crate::graph::State) -> Placed {
    #[expect(clippy::cast_precision_loss, reason = "a name is short")]
    let named = state.label().chars().count() as f64 * CHARACTER + MARGIN;
    let inner = state.inner.as_ref().map(of);
    let (width, height) = inner.as_ref().map_or((named, HEIGHT), |inner| {
        (inner.width.max(named) + 2.0 * PADDING, inner.height + TITLE + PADDING)
    });
    Placed { x: 0.0, y: 0.0, width, height, inner }
}

/// The top and the bottom of each layer.
fn heights(layered: &layers::Layered, boxes: &[Placed]) -> (Vec<f64>, Vec<f64>) {
    let (mut tops, mut bottoms) = (Vec::new(), Vec::new());
    let mut y = 0.0;
    for layer in &layered.order {
        let height = layer
            .iter()
            .filter_map(|index| Some(boxes.get(layered.nodes.get(*index)?.state?)?.height));
        tops.push(y);
        y += height.fold(HEIGHT, f64::max);
        bottoms.push(y);
        y += LAYER_GAP;
    }
    (tops, bottoms)
}

/// Lets each line begin and end at the edge of a state, side by side with its neighbours there.
fn attach(graph: &Graph, boxes: &[Placed], lines: &mut [Vec<Point>]) {
    for (index, placed) in boxes.iter().enumerate() {
        for is_below in [true, false] {
            // Where each line leads from this edge: its next point.
            let mut ends: Vec<(usize, bool, f64)> = Vec::new();
            for (line, transition) in graph.transitions.iter().enumerate() {
                let Some(points) = lines.get(line) else { continue };
                for (is_start, state) in [(true, transition.from), (false, transition.to)] {
                    let next = if is_start { points.get(1) } else { points.iter().rev().nth(1) };
                    if let Some(next) = next.filter(|next| {
                        state == index && (next.1 > placed.y + placed.height / 2.0) == is_below
                    }) {
                        ends.push((line, is_start, next.0));
                    }
                }
            }
            ends.sort_by(|one, other| one.2.total_cmp(&other.2));
            let y = if is_below { placed.y + placed.height } else { placed.y };
            #[expect(clippy::cast_precision_loss, reason = "a state has few transitions")]
            let step = placed.width / (ends.len() as f64 + 1.0);
            let mut x = placed.x;
            for (line, is_start, _) in ends {
                x += step;
                let points = lines.get_mut(line);
                let end =
                    points.and_then(|it| if is_start { it.first_mut() } else { it.last_mut() });
                if let Some(end) = end {
                    *end = (x, y);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: &str = r#"{"StartAt": "Begin", "States": {
        "Begin": {"Type": "Task", "Next": "IsDone"},
        "IsDone": {"Type": "Choice", "Choices": [{"Next": "Wait"}], "Default": "Each"},
        "Wait": {"Type": "Wait", "Next": "Begin"},
        "Each": {"Type": "Map", "Next": "End", "ItemProcessor": {"StartAt": "One", "States": {
            "One": {"Type": "Task", "Next": "Two"}, "Two": {"Type": "Task", "End": true}}}},
        "End": {"Type": "Succeed"}}}"#;

    fn layout() -> (Graph, Layout) {
        let graph = Graph::of(&serde_json::from_str(MACHINE).unwrap()).unwrap();
        let layout = of(&graph);
        (graph, layout)
    }

    #[test]
    fn no_state_covers_another() {
        let (_, layout) = layout();
        for (index, one) in layout.boxes.iter().enumerate() {
            assert!(one.x >= 0.0 && one.x + one.width <= layout.width + 0.01, "{one:?}");
            assert!(one.y >= 0.0 && one.y + one.height <= layout.height, "{one:?}");
            for other in &layout.boxes[..index] {
                let is_beside = one.x + one.width <= other.x || other.x + other.width <= one.x;
                let is_below = one.y + one.height <= other.y || other.y + other.height <= one.y;
                assert!(is_beside || is_below, "{one:?} and {other:?}");
            }
        }
    }

    #[test]
    fn lines_lead_downwards_unless_they_close_a_loop() {
        let (graph, layout) = layout();
        for (transition, points) in graph.transitions.iter().zip(&layout.lines) {
            let names = (&graph.states[transition.from].name, &graph.states[transition.to].name);
            let (first, last) = (points[0], points[points.len() - 1]);
            let closes_loop = names.0 == "Wait";
            assert_eq!(first.1 > last.1, closes_loop, "{names:?}: {points:?}");
            // They touch their states.
            let (from, to) = (&layout.boxes[transition.from], &layout.boxes[transition.to]);
            let touches = |one: &Placed, point: Point| {
                (one.x..=one.x + one.width).contains(&point.0)
                    && [one.y, one.y + one.height].iter().any(|y| (point.1 - y).abs() < 0.01)
            };
            assert!(touches(from, first) && touches(to, last), "{names:?}: {points:?}");
        }
    }

    #[test]
    fn an_iteration_is_inside_its_map() {
        let (_, layout) = layout();
        let map = &layout.boxes[3];
        let inner = map.inner.as_ref().unwrap();
        assert!(inner.width + INNER.0 < map.width && inner.height + INNER.1 < map.height);
    }
}
