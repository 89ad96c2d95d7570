//! The place of each node in its layer: as near to its neighbours as the nodes beside it permit.

use super::layers::Layered;

/// How often all layers are placed again.
const ROUNDS: usize = 60;
/// How much more a passing transition is kept straight than a state near its neighbours.
const STRAIGHT: f64 = 4.0;

/// The centre of each node.
pub(super) fn centres(layered: &Layered, widths: &[f64], gap: f64) -> Vec<f64> {
    let width = |node: usize| widths.get(node).copied().unwrap_or_default();
    let mut centres = vec![0.0; layered.nodes.len()];
    for layer in &layered.order {
        let mut x = 0.0;
        for &node in layer {
            set(&mut centres, node, x + width(node) / 2.0);
            x += width(node) + gap;
        }
    }
    for round in 0..ROUNDS {
        let count = layered.order.len();
        for step in 0..count {
            let index = if round % 2 == 0 { step } else { count - 1 - step };
            let Some(layer) = layered.order.get(index) else { continue };
            let wanted: Vec<(f64, f64)> =
                layer.iter().map(|&node| wanted(layered, &centres, node)).collect();
            // The distance of each centre from the first, if all stand side by side.
            let mut offsets = vec![0.0];
            for pair in layer.windows(2) {
                let &[left, right] = pair else { continue };
                let last = offsets.last().copied().unwrap_or_default();
                offsets.push(last + width(left) / 2.0 + gap + width(right) / 2.0);
            }
            for (&node, x) in layer.iter().zip(side_by_side(&wanted, &offsets)) {
                set(&mut centres, node, x);
            }
        }
    }
    centres
}

fn set(list: &mut [f64], index: usize, value: f64) {
    if let Some(place) = list.get_mut(index) {
        *place = value;
    }
}

/// The mean of a node's neighbours above and below, and how much that counts.
fn wanted(layered: &Layered, centres: &[f64], node: usize) -> (f64, f64) {
    let is_passing = |node: usize| layered.nodes.get(node).is_some_and(|it| it.state.is_none());
    let neighbours = [&layered.above, &layered.below].into_iter().filter_map(|all| all.get(node));
    let (mut sum, mut weight) = (0.0, 0.0);
    for &neighbour in neighbours.flatten() {
        let counts = if is_passing(node) && is_passing(neighbour) { STRAIGHT } else { 1.0 };
        sum += counts * centres.get(neighbour).copied().unwrap_or_default();
        weight += counts;
    }
    if weight > 0.0 {
        return (sum / weight, weight);
    }
    (centres.get(node).copied().unwrap_or_default(), 1.0)
}

/// The places nearest to the wanted ones (by the weighted squares of the distances) that keep the
/// order and the offsets: neighbours that are in each other's way move together.
fn side_by_side(wanted: &[(f64, f64)], offsets: &[f64]) -> Vec<f64> {
    /// Nodes that stand side by side: their number, weight, and mean of where the first would be.
    struct Block {
        count: usize,
        weight: f64,
        mean: f64,
    }
    let mut blocks: Vec<Block> = Vec::new();
    for (&(x, weight), offset) in wanted.iter().zip(offsets) {
        let mut block = Block { count: 1, weight, mean: x - offset };
        while let Some(before) = blocks.pop_if(|before| before.mean > block.mean) {
            let weight = before.weight + block.weight;
            let mean = (before.mean * before.weight + block.mean * block.weight) / weight;
            block = Block { count: before.count + block.count, weight, mean };
        }
        blocks.push(block);
    }
    let means = blocks.iter().flat_map(|block| std::iter::repeat_n(block.mean, block.count));
    means.zip(offsets).map(|(mean, offset)| mean + offset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_way_moves_aside() {
        let places = |wanted: &[f64]| {
            let wanted: Vec<_> = wanted.iter().map(|x| (*x, 1.0)).collect();
            side_by_side(&wanted, &[0.0, 10.0, 20.0])
        };
        assert_eq!(places(&[0.0, 50.0, 90.0]), [0.0, 50.0, 90.0]);
        assert_eq!(places(&[50.0, 50.0, 90.0]), [45.0, 55.0, 90.0]);
        assert_eq!(places(&[50.0, 50.0, 50.0]), [40.0, 50.0, 60.0]);
    }
}
