//! The layer of each state, the places that long transitions take in the layers between, and the
//! order in each layer that makes few lines cross.

use crate::graph::{Graph, Transition};

/// How often the order is improved, from the top and from the bottom in turn.
const SWEEPS: usize = 24;

/// A graph in layers.
#[derive(Debug, Clone)]
pub(super) struct Layered {
    pub nodes: Vec<LayerNode>,
    /// The nodes of each layer, from left to right.
    pub order: Vec<Vec<usize>>,
    /// In the order of the graph's transitions.
    pub chains: Vec<Chain>,
    /// Neighbours in the layers above and below.
    pub above: Vec<Vec<usize>>,
    pub below: Vec<Vec<usize>>,
}

/// A state, or the place of a transition that passes.
#[derive(Debug, Clone, Copy)]
pub(super) struct LayerNode {
    pub state: Option<usize>,
    pub layer: usize,
}

/// The nodes of a transition, from the top.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    pub nodes: Vec<usize>,
    /// Whether the transition leads upwards.
    pub is_reversed: bool,
}

pub(super) fn of(graph: &Graph) -> Layered {
    // Each transition downwards: a definition has its states in the order in which they are entered.
    let downwards = |it: &Transition| (it.from.min(it.to), it.from.max(it.to));
    let edges: Vec<_> = graph.transitions.iter().map(downwards).collect();
    let all: Vec<_> = graph.transitions.iter().chain(&graph.left_out).map(downwards).collect();
    let layers = layers(graph.states.len(), &all);
    let mut nodes: Vec<_> = layers
        .iter()
        .enumerate()
        .map(|(state, layer)| LayerNode { state: Some(state), layer: *layer })
        .collect();
    let mut chains = Vec::new();
    for (&(from, to), transition) in edges.iter().zip(&graph.transitions) {
        let layer = |state: usize| layers.get(state).copied().unwrap_or_default();
        let mut chain = vec![from];
        for layer in layer(from) + 1..layer(to) {
            chain.push(nodes.len());
            nodes.push(LayerNode { state: None, layer });
        }
        chain.push(to);
        chains.push(Chain { nodes: chain, is_reversed: transition.from == to });
    }
    let (mut above, mut below) = (vec![Vec::new(); nodes.len()], vec![Vec::new(); nodes.len()]);
    for pair in chains.iter().flat_map(|chain| chain.nodes.windows(2)) {
        let &[upper, lower] = pair else { continue };
        if let (Some(below), Some(above)) = (below.get_mut(upper), above.get_mut(lower)) {
            below.push(lower);
            above.push(upper);
        }
    }
    let count = nodes.iter().map(|node| node.layer + 1).max().unwrap_or_default();
    let mut order = vec![Vec::new(); count];
    for (index, node) in nodes.iter().enumerate() {
        if let Some(layer) = order.get_mut(node.layer) {
            layer.push(index);
        }
    }
    let mut layered = Layered { nodes, order, chains, above, below };
    layered.uncross();
    layered
}

/// The longest way from a state without transitions to it.
fn layers(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut layers = vec![0; count];
    // There is no loop, so every way is shorter than the number of states.
    for _ in 0..count {
        for &(from, to) in edges {
            let next = layers.get(from).copied().unwrap_or_default() + 1;
            if let Some(layer) = layers.get_mut(to) {
                *layer = next.max(*layer);
            }
        }
    }
    layers
}

impl Layered {
    /// Puts each node at the mean place of its neighbours, in turn from the top and the bottom, and
    /// keeps the order with the fewest crossings.
    fn uncross(&mut self) {
        let mut best = (self.crossings(), self.order.clone());
        for sweep in 0..SWEEPS {
            let is_down = sweep % 2 == 0;
            let count = self.order.len();
            for step in 0..count {
                let layer = if is_down { step } else { count - 1 - step };
                self.sort(layer, is_down);
            }
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.order.clone());
            }
        }
        self.order = best.1;
    }

    /// Sorts a layer by the neighbours above, or by those below.
    fn sort(&mut self, layer: usize, is_down: bool) {
        let places = self.places();
        let place = |node: usize| places.get(node).copied().unwrap_or_default();
        let neighbours = if is_down { &self.above } else { &self.below };
        let key = |&node: &usize| {
            let next = neighbours.get(node).map(Vec::as_slice).unwrap_or_default();
            let sum: f64 = next.iter().map(|&it| place(it)).sum();
            #[expect(clippy::cast_precision_loss, reason = "a state has few neighbours")]
            let mean = if next.is_empty() { place(node) } else { sum / next.len() as f64 };
            mean
        };
        if let Some(nodes) = self.order.get_mut(layer) {
            nodes.sort_by(|one, other| key(one).total_cmp(&key(other)));
        }
    }

    /// Each node's place in its layer.
    fn places(&self) -> Vec<f64> {
        let mut places = vec![0.0; self.nodes.len()];
        for layer in &self.order {
            for (place, &node) in layer.iter().enumerate() {
                if let Some(found) = places.get_mut(node) {
                    #[expect(clippy::cast_precision_loss, reason = "a layer has few nodes")]
                    let place = place as f64;
                    *found = place;
                }
            }
        }
        places
    }

    fn crossings(&self) -> usize {
        let places = self.places();
        let place = |node: usize| places.get(node).copied().unwrap_or_default();
        let mut count = 0;
        for layer in &self.order {
            let lines: Vec<(f64, f64)> = layer
                .iter()
                .flat_map(|&upper| {
                    let below = self.below.get(upper).map(Vec::as_slice).unwrap_or_default();
                    below.iter().map(move |&lower| (place(upper), place(lower)))
                })
                .collect();
            for (index, one) in lines.iter().enumerate() {
                let crosses = |other: &&(f64, f64)| (one.0 - other.0) * (one.1 - other.1) < 0.0;
                count += lines.iter().skip(index + 1).filter(crosses).count();
            }
        }
        count
    }
}
