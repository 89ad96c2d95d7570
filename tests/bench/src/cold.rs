//! Owns `bench cold`: records, measures in turns, prints.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use harness::control::Exchange;
use harness::paths;
use harness::progress::ProgressLines;
use serde_json::json;

use crate::figures::{Figures, Kind, Measured, Size};
use crate::record::{self, Recording};
use crate::runtime::{Function, Lambda, Sample};
use crate::table;

/// How to measure, and how to print the result.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How often to start each function.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    starts: u32,
    /// How often to invoke it after the first invocation.
    #[arg(long, default_value_t = 10)]
    warm: u32,
    /// How to print the result; progress always goes to stderr.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Exit with status 1 if a bound is exceeded, and print which.
    #[arg(long)]
    check: bool,
    /// Start each function once more, in callgrind, which writes `FOLDER/NAME.callgrind`: the instructions
    /// of a cold start, the same each time. `callgrind_annotate` prints them by function.
    #[arg(long, value_name = "FOLDER")]
    callgrind: Option<PathBuf>,
    /// Measure only the functions whose names contain this, and those they are compared with.
    filter: Option<String>,
}

/// How to print the result.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum Format {
    /// A table for people.
    #[default]
    Table,
    /// The same for programs.
    Json,
}

/// Returns whether nothing exceeds its bound, or it was not asked for.
pub(crate) fn run(options: &Options) -> Result<bool> {
    ensure!(Path::new("/proc/self/schedstat").exists(), "this needs Linux: it reads /proc");
    let progress = ProgressLines::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let recording = runtime.block_on(record::record(&progress))?;
    let is_wanted = |name: &str| options.filter.as_deref().is_none_or(|part| name.contains(part));
    let functions = functions(&recording, is_wanted)?;
    let sizes = sizes(&functions)?;
    let samples = in_turns(&progress, &functions, options)?;
    let measured = functions.iter().zip(samples).zip(sizes).map(|((function, samples), size)| {
        let calls = u32::try_from(function.exchanges.len()).unwrap_or(u32::MAX);
        Measured::of(&function.name, kind(&function.name), calls, &samples, size)
    });
    let figures = Figures::new(measured.collect(), &recording.of_a_parameter, options.starts)?;
    match options.format {
        Format::Table => print!("{}", table::printed(&figures)),
        Format::Json => println!("{}", serde_json::to_string_pretty(&figures)?),
    }
    Ok(!options.check || figures.findings.is_empty())
}

const FLOOR: &str = "bench-floor";
const EMPTY: &str = "bench-empty";
const PYTHON: &str = "python";
const COMPILED_PYTHON: &str = "python-compiled";
/// Has Python find no bytecode, and `-B` write none. That is how a function runs that AWS SAM packages:
/// what it finds in the package never matches its source's time
/// (<https://github.com/aws/aws-lambda-builders/issues/924>), and the package is read-only.
const NO_BYTECODE: [&str; 3] = ["-B", "-X", "pycache_prefix=/nonexistent"];

fn kind(name: &str) -> Kind {
    match name {
        FLOOR => Kind::Floor,
        EMPTY => Kind::Empty,
        PYTHON => Kind::Python,
        COMPILED_PYTHON => Kind::CompiledPython,
        _ => Kind::Step,
    }
}

fn is_python(name: &str) -> bool {
    matches!(kind(name), Kind::Python | Kind::CompiledPython)
}

/// Every function of the release build, and what they are compared with.
fn functions(recording: &Recording, is_wanted: impl Fn(&str) -> bool) -> Result<Vec<Function>> {
    let mut functions = Vec::new();
    let steps = recording.variables.iter().filter(|(name, _)| is_wanted(name));
    for (name, variables) in steps {
        let recorded = recording.invocations.get(name);
        let recorded = recorded.with_context(|| format!("no execution has invoked {name}"))?;
        functions.push(Function {
            name: name.clone(),
            program: paths::released(name),
            arguments: Vec::new(),
            variables: variables.clone(),
            input: recorded.input.clone(),
            output: Some(recorded.output.clone()),
            exchanges: recorded.exchanges.clone(),
        });
    }
    let two_calls = vec![
        recorded(recording, "DescribeImages")?,
        recorded(recording, "AmazonSSM.PutParameter")?,
    ];
    let python = paths::venv_program("python")?;
    let promote = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join("promote.py");
    let compiled = vec![PathBuf::from("-B"), promote.clone()];
    let not_compiled = NO_BYTECODE.map(PathBuf::from).into_iter().chain([promote]).collect();
    let compared = [
        (FLOOR, paths::released(FLOOR), Vec::new(), two_calls.clone()),
        (EMPTY, paths::released(EMPTY), Vec::new(), Vec::new()),
        (PYTHON, python.clone(), not_compiled, two_calls.clone()),
        (COMPILED_PYTHON, python, compiled, two_calls),
    ];
    functions.extend(compared.map(|(name, program, arguments, exchanges)| Function {
        name: name.to_owned(),
        program,
        arguments,
        variables: BTreeMap::new(),
        input: json!({"imageId": "ami-0123456789abcdef0", "parameterName": "/golden/web"}),
        output: None,
        exchanges,
    }));
    for function in &functions {
        ensure!(function.program.is_file(), "{} is not built", function.program.display());
    }
    Ok(functions)
}

/// A recorded call of this operation that succeeded.
fn recorded(recording: &Recording, operation: &str) -> Result<Exchange> {
    let mut all = recording.invocations.values().flat_map(|one| &one.exchanges);
    let is_one = |exchange: &&Exchange| {
        exchange.answer.status == 200
            && (exchange.target == operation
                || exchange.body.contains(&format!("Action={operation}&"))
                || exchange.body.ends_with(&format!("Action={operation}")))
    };
    let found = all.rfind(is_one).cloned();
    found.with_context(|| format!("no function has called {operation}"))
}

/// All functions once, then all again: what disturbs the machine for a while disturbs all alike.
fn in_turns(
    progress: &ProgressLines,
    functions: &[Function],
    options: &Options,
) -> Result<Vec<Vec<Sample>>> {
    let lambda = Lambda::start()?;
    let mut samples: Vec<Vec<Sample>> = functions.iter().map(|_| Vec::new()).collect();
    for turn in 1..=options.starts {
        progress.line(&format!("Starting every function cold, {turn} of {}", options.starts));
        for (function, samples) in functions.iter().zip(&mut samples) {
            let sample = lambda.measure(function, options.warm, None);
            samples.push(sample.with_context(|| format!("measuring {}", function.name))?);
        }
    }
    if let Some(folder) = &options.callgrind {
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        for function in functions.iter().filter(|function| !is_python(&function.name)) {
            progress.line(&format!("Counting the instructions of {}", function.name));
            let file = folder.join(format!("{}.callgrind", function.name));
            lambda.measure(function, 0, Some(&file)).context("is valgrind installed?")?;
        }
    }
    Ok(samples)
}

/// The sizes of the programs; Python's is of no interest, Lambda brings it along.
fn sizes(functions: &[Function]) -> Result<Vec<Option<Size>>> {
    let has_size = |function: &&Function| !is_python(&function.name);
    let programs: Vec<_> =
        functions.iter().filter(has_size).map(|function| function.program.clone()).collect();
    let mut sizes = Size::of(&programs)?.into_iter();
    let sizes =
        functions.iter().map(|function| has_size(&function).then(|| sizes.next()).flatten());
    Ok(sizes.collect())
}
