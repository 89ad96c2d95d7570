//! Implements `cargo xtask bench`, which xtask starts once everything is built: what the functions
//! cost where Lambda charges for it, their cold starts; what their build costs; and what a reconcile of
//! many targets costs.

mod aws;
mod build;
mod cold;
mod figures;
mod process;
mod record;
mod runtime;
mod scale;
mod table;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench", after_help = EXIT_STATUS)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

const EXIT_STATUS: &str = "Exit status: 0 success, 1 failure, 2 wrong usage.";

#[derive(Subcommand)]
enum Task {
    /// Start each function cold, beside a function with only the bare calls and one in Python.
    ///
    /// CPU time is that of the process, so other work on this machine disturbs it little. Every
    /// function gets an input that an execution in a local AWS gave it, and its calls are answered
    /// as they were there.
    Cold(cold::Options),
    /// Build the functions for release from nothing: how long it takes, how much memory, how large
    /// they are.
    Build(build::Options),
    /// Reconcile an account with many targets: what each costs, and what a night costs on AWS.
    ///
    /// The account is in a local AWS. It is reconciled twice: with a new image for every target, and
    /// with nothing to do.
    Scale(scale::Options),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Cold(options) => cold::run(&options),
        Task::Build(options) => build::run(&options),
        Task::Scale(options) => scale::run(&options),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
