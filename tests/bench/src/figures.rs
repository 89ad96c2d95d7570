//! The figures of a benchmark, and the bounds that they must keep.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::paths;
use serde::Serialize;

use crate::runtime::Sample;

/// Milliseconds of CPU until the first invocation.
const MAX_INIT: f64 = 3.6;
/// The same with the first invocation, if it makes up to `CALLS_INCLUDED` calls.
const MAX_COLD: f64 = 5.0;
const CALLS_INCLUDED: u32 = 3;
/// For each call more.
const MAX_PER_CALL: f64 = 0.5;
/// On a slower machine: this many times what the floor takes there.
const TIMES_FLOOR: f64 = 2.0;
/// Bytes. Lambda counts its quotas so: of a zip file of 50 MB it takes 69,905,067 bytes as base64
/// ("Request must be smaller than 69905067 bytes for the `UpdateFunctionCode` operation").
const MEGABYTE: f64 = 1_048_576.0;
/// Megabytes.
const MAX_MEMORY: f64 = 6.0;
pub(crate) const MAX_BINARY: f64 = 4.5;
pub(crate) const MAX_ZIP: f64 = 2.0;
/// The functions that decide about an image, write a parameter, and prove that no stack drifts for it.
const PATTERN_1: [&str; 4] = ["resolve-tags", "validate-ami", "promote-ssm", "detect-drift"];
/// How much less than the Python function these together must take.
const MIN_TIMES_BELOW_PYTHON: f64 = 40.0;

/// What a function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Kind {
    /// A function of Driftless.
    Step,
    /// The two calls of a promotion and nothing else.
    Floor,
    /// A function that calls nothing.
    Empty,
    /// The two calls in Python, as AWS SAM packages a function.
    Python,
    /// The same with its bytecode.
    CompiledPython,
}

/// Bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) binary: u64,
    pub(crate) zip: u64,
}

/// The zip file's size as cargo-lambda makes it.
const ZIPPED: &str = "import io, sys, zipfile
for path in sys.argv[1:]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, 'bootstrap')
    print(len(buffer.getvalue()))";

impl Size {
    /// Those of programs.
    ///
    /// # Errors
    /// One cannot be read.
    pub(crate) fn of(programs: &[PathBuf]) -> Result<Vec<Self>> {
        let output = Command::new(paths::venv_program("python")?)
            .args(["-c", ZIPPED])
            .args(programs)
            .output()
            .context("zipping the functions")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).context("the sizes are not UTF-8")?;
        let zips = text.lines().map(|line| line.parse::<u64>().context("a size"));
        let size = |(program, zip): (&PathBuf, Result<u64>)| {
            Ok(Self { binary: fs::metadata(program)?.len(), zip: zip? })
        };
        programs.iter().zip(zips).map(size).collect()
    }
}

/// The medians of one function.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Measured {
    pub(crate) function: String,
    pub(crate) kind: Kind,
    /// The calls to AWS in the invocation.
    pub(crate) calls: u32,
    pub(crate) init_ms: f64,
    pub(crate) first_ms: f64,
    pub(crate) warm_ms: f64,
    pub(crate) memory_mb: f64,
    pub(crate) binary_mb: Option<f64>,
    pub(crate) zip_mb: Option<f64>,
}

impl Measured {
    pub(crate) fn of(
        function: &str,
        kind: Kind,
        calls: u32,
        samples: &[Sample],
        size: Option<Size>,
    ) -> Self {
        let milliseconds = |times: Vec<Duration>| {
            median(times.iter().map(|time| time.as_secs_f64() * 1e3).collect())
        };
        Self {
            function: function.to_owned(),
            kind,
            calls,
            init_ms: milliseconds(samples.iter().map(|sample| sample.init).collect()),
            first_ms: milliseconds(samples.iter().map(|sample| sample.first).collect()),
            warm_ms: milliseconds(samples.iter().flat_map(|sample| sample.warm.clone()).collect()),
            memory_mb: median(samples.iter().map(|sample| megabytes(sample.memory)).collect()),
            binary_mb: size.map(|size| megabytes(size.binary)),
            zip_mb: size.map(|size| megabytes(size.zip)),
        }
    }

    /// The CPU time of a cold start: of the initialisation and the first invocation.
    pub(crate) fn cold_ms(&self) -> f64 {
        self.init_ms + self.first_ms
    }
}

/// The result.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Figures {
    pub(crate) starts: u32,
    pub(crate) functions: Vec<Measured>,
    /// By [`PATTERN_1`], then by all functions that a promotion of a parameter invokes. Empty if not all
    /// were measured.
    pub(crate) promotions: Vec<Promotion>,
    /// What exceeds its bound, one line each.
    pub(crate) findings: Vec<String>,
}

/// A promotion of a parameter with these functions cold, beside one Python function.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Promotion {
    pub(crate) functions: Vec<String>,
    pub(crate) cold_ms: f64,
    pub(crate) times_below_python: f64,
    pub(crate) times_below_compiled_python: f64,
}

impl Figures {
    /// `path` are the functions that a promotion invokes.
    pub(crate) fn new(functions: Vec<Measured>, path: &[String], starts: u32) -> Result<Self> {
        let mut figures = Self { starts, functions, promotions: Vec::new(), findings: Vec::new() };
        for path in [PATTERN_1.map(str::to_owned).to_vec(), path.to_vec()] {
            let promotion = figures.promotion(path)?;
            figures.promotions.extend(promotion);
        }
        figures.findings = figures.findings()?;
        Ok(figures)
    }

    /// With a filter, not every function is there.
    fn promotion(&self, functions: Vec<String>) -> Result<Option<Promotion>> {
        let measured = self.functions.iter().filter(|one| functions.contains(&one.function));
        let cold: Vec<_> = measured.map(Measured::cold_ms).collect();
        if cold.len() < functions.len() {
            return Ok(None);
        }
        let cold_ms = cold.into_iter().sum();
        let below = |kind| anyhow::Ok(self.of(kind)?.cold_ms() / cold_ms);
        let times_below_python = below(Kind::Python)?;
        let times_below_compiled_python = below(Kind::CompiledPython)?;
        Ok(Some(Promotion { functions, cold_ms, times_below_python, times_below_compiled_python }))
    }

    /// The function of this kind, of which there is one.
    pub(crate) fn of(&self, kind: Kind) -> Result<&Measured> {
        let found = self.functions.iter().find(|one| one.kind == kind);
        found.with_context(|| format!("{kind:?} was not measured"))
    }

    fn findings(&self) -> Result<Vec<String>> {
        let floor = self.of(Kind::Floor)?;
        let mut findings = Vec::new();
        for one in self.functions.iter().filter(|one| one.kind == Kind::Step) {
            let further = f64::from(one.calls.saturating_sub(CALLS_INCLUDED));
            let cold = MAX_COLD.max(TIMES_FLOOR * floor.cold_ms()) + MAX_PER_CALL * further;
            let init = MAX_INIT.max(TIMES_FLOOR * floor.init_ms);
            let bounds = [
                ("initialisation", "ms", Some(one.init_ms), init),
                ("cold start", "ms", Some(one.cold_ms()), cold),
                ("memory", "MB", Some(one.memory_mb), MAX_MEMORY),
                ("program", "MB", one.binary_mb, MAX_BINARY),
                ("zip file", "MB", one.zip_mb, MAX_ZIP),
            ];
            findings.extend(bounds.into_iter().filter_map(|(what, unit, found, most)| {
                let found = found.filter(|found| *found > most)?;
                let function = &one.function;
                Some(format!("{function}: {what} {found:.2} {unit}, at most {most:.2} {unit}"))
            }));
        }
        let too_close = self.promotions.first().map(|promotion| promotion.times_below_python);
        findings.extend(too_close.filter(|times| *times < MIN_TIMES_BELOW_PYTHON).map(|times| {
            let least = MIN_TIMES_BELOW_PYTHON;
            format!(
                "a promotion takes {times:.1} times less than Python, at least {least:.0} times"
            )
        }));
        Ok(findings)
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / MEGABYTE
}

/// The middle one, or the mean of the two in the middle; zero of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = |n: usize| values.get(n).copied().unwrap_or_default();
    let half = values.len() / 2;
    if values.len() % 2 == 1 {
        at(half)
    } else {
        f64::midpoint(at(half.saturating_sub(1)), at(half))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(kind: Kind, function: &str, init_ms: f64, first_ms: f64) -> Measured {
        Measured {
            function: function.to_owned(),
            kind,
            calls: 4,
            init_ms,
            first_ms,
            warm_ms: 0.1,
            memory_mb: 5.0,
            binary_mb: Some(4.0),
            zip_mb: Some(1.0),
        }
    }

    /// Four steps alike, and what they are compared with.
    fn figures(step: &Measured) -> Figures {
        let compared = [
            measured(Kind::Floor, "floor", 1.5, 0.5),
            measured(Kind::Python, "python", 1_000.0, 100.0),
            measured(Kind::CompiledPython, "python-compiled", 300.0, 100.0),
        ];
        let steps = PATTERN_1.map(|name| Measured { function: name.to_owned(), ..step.clone() });
        let path = ["resolve-tags", "another"].map(str::to_owned);
        Figures::new(compared.into_iter().chain(steps).collect(), &path, 1).unwrap()
    }

    #[test]
    fn the_middle() {
        let median = |values| format!("{:.1}", median(values));
        assert_eq!(median(vec![3.0, 1.0, 2.0]), "2.0");
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), "2.5");
        assert_eq!(median(vec![]), "0.0");
    }

    #[test]
    fn what_keeps_its_bounds_is_no_finding() {
        let found = figures(&measured(Kind::Step, "", 3.5, 2.0));
        assert_eq!(found.findings, [] as [&str; 0]);
        // One function of the other path was not measured.
        let [promotion] = &found.promotions[..] else { panic!("{:?}", found.promotions) };
        assert!((promotion.times_below_python - 50.0).abs() < 1e-9);
        assert!(promotion.times_below_compiled_python < 20.0);
    }

    #[test]
    fn what_exceeds_a_bound_is_named() {
        let step =
            Measured { memory_mb: 6.5, zip_mb: Some(2.5), ..measured(Kind::Step, "", 9.0, 2.0) };
        let found = figures(&step).findings;
        assert_eq!(
            found[..4],
            [
                "resolve-tags: initialisation 9.00 ms, at most 3.60 ms",
                "resolve-tags: cold start 11.00 ms, at most 5.50 ms",
                "resolve-tags: memory 6.50 MB, at most 6.00 MB",
                "resolve-tags: zip file 2.50 MB, at most 2.00 MB",
            ]
        );
        assert_eq!(
            found.last().unwrap(),
            "a promotion takes 25.0 times less than Python, at least 40 times"
        );
    }
}
