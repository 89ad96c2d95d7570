//! A linear program by the simplex method (Dantzig): the greatest value of a sum under upper bounds
//! on other sums. Small, dense and exact enough for counts of events.

/// What counts as zero: every coefficient is a small integer.
const EPSILON: f64 = 1e-7;

/// Find `x >= 0` with the greatest `gain . x`, so that `row . x <= limit` for each row.
pub struct Program {
    pub gain: Vec<f64>,
    /// Each with its limit, which is not negative: zeros are then a first solution.
    pub rows: Vec<(Vec<f64>, f64)>,
}

/// The best `x`, and its proof.
pub struct Solution {
    pub value: f64,
    pub x: Vec<f64>,
    /// What one more of each limit would be worth.
    prices: Vec<f64>,
}

impl Program {
    /// `None` if there is no greatest value.
    pub fn solve(&self) -> Option<Solution> {
        let (rows, columns) = (self.rows.len(), self.gain.len());
        let width = columns + rows + 1;
        // Each row's slack is a variable of its own; the last column has the limits.
        let mut table: Vec<Vec<f64>> = Vec::new();
        for (at, (row, limit)) in self.rows.iter().enumerate() {
            let mut line = row.clone();
            line.resize(width, 0.0);
            line[columns + at] = 1.0;
            line[width - 1] = *limit;
            table.push(line);
        }
        let mut costs: Vec<f64> = self.gain.iter().map(|gain| -gain).collect();
        costs.resize(width, 0.0);
        let mut basis: Vec<usize> = (columns..columns + rows).collect();
        // Bland's rule, the first column and the lowest variable, never runs in circles.
        while let Some(column) = costs[..width - 1].iter().position(|cost| *cost < -EPSILON) {
            let ratio = |row: &usize| table[*row][width - 1] / table[*row][column];
            let row = (0..rows)
                .filter(|row| table[*row][column] > EPSILON)
                .min_by(|a, b| ratio(a).total_cmp(&ratio(b)).then(basis[*a].cmp(&basis[*b])))?;
            basis[row] = column;
            pivot(&mut table, &mut costs, row, column);
        }
        let mut x = vec![0.0; columns];
        for (row, variable) in basis.iter().enumerate().filter(|(_, variable)| **variable < columns)
        {
            x[*variable] = table[row][width - 1];
        }
        let prices = costs[columns..width - 1].to_vec();
        Some(Solution { value: costs[width - 1], x, prices })
    }

    /// Whether nothing can be better, whichever way the solution was found: at these prices the limits
    /// are worth the value, and no variable gains more than what it takes (weak duality).
    pub fn is_proved(&self, solution: &Solution) -> bool {
        let worth: f64 =
            self.rows.iter().zip(&solution.prices).map(|((_, limit), p)| limit * p).sum();
        let takes = |column: usize| -> f64 {
            self.rows
                .iter()
                .zip(&solution.prices)
                .map(|((row, _), price)| row[column] * price)
                .sum()
        };
        let slack = 1e-4;
        (worth - solution.value).abs() < slack
            && solution.prices.iter().all(|price| *price > -slack)
            && (0..self.gain.len()).all(|column| takes(column) > self.gain[column] - slack)
    }
}

/// Makes the column zero in every line but this one.
fn pivot(table: &mut [Vec<f64>], costs: &mut [f64], row: usize, column: usize) {
    let by = table[row][column];
    for value in &mut table[row] {
        *value /= by;
    }
    let pivot = table[row].clone();
    let others =
        table.iter_mut().enumerate().filter(|(at, _)| *at != row).map(|(_, line)| &mut line[..]);
    for line in others.chain([costs]) {
        let times = line[column];
        if times.abs() > 0.0 {
            for (value, from) in line.iter_mut().zip(&pivot) {
                *value -= times * from;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_sum_and_its_proof() {
        // 3x + 5y with x <= 4, 2y <= 12, 3x + 2y <= 18: the textbook's example.
        let rows = vec![(vec![1.0, 0.0], 4.0), (vec![0.0, 2.0], 12.0), (vec![3.0, 2.0], 18.0)];
        let program = Program { gain: vec![3.0, 5.0], rows };
        let mut found = program.solve().unwrap();
        assert!((found.value - 36.0).abs() < EPSILON, "{}", found.value);
        assert!(program.is_proved(&found));
        found.value = 35.0;
        assert!(!program.is_proved(&found));
    }

    #[test]
    fn what_nothing_bounds_has_no_greatest_value() {
        let program = Program { gain: vec![1.0, 0.0], rows: vec![(vec![-1.0, 1.0], 0.0)] };
        assert!(program.solve().is_none());
    }
}
