//! The workflow tests use a deployed Driftless only through AWS's API. They run against local AWSs
//! that end with this program, or against the real one (`DRIFTLESS_TEST_TARGET=aws`).
//!
//! Each test has a [`Scenario`] of its own, so all of them run at once, in any order.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, and JSON without a field has null there"
)]
#![allow(
    clippy::large_futures,
    clippy::large_stack_arrays,
    reason = "a test makes its futures once"
)]
#![allow(unreachable_pub, reason = "in a test program, `pub` is what other modules use")]

use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use anyhow::{Context, Result};
use clap::Parser;
use harness::driftless::ForTests;
use harness::{Driftless, Scenario, emulator, order, scenario};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use tokio::runtime::{Builder, Runtime};

/// Tests wait most of their time, for stacks above all.
const AT_ONCE: usize = 12;
/// A local AWS is one process that uses one processor.
const LOCAL_AWSS: usize = 2;

/// The named tests of a module; after `only here`, those that need what only a local AWS has.
macro_rules! trials {
    ($($test:ident),* $(,)? $(; only here, $why:literal: $($local:ident),* $(,)?)?) => {
        /// The tests of this module.
        pub fn trials() -> Vec<libtest_mimic::Trial> {
            vec![
                $(crate::trial(concat!(module_path!(), "::", stringify!($test)), None, $test),)*
                $($(crate::trial(
                    concat!(module_path!(), "::", stringify!($local)), Some($why), $local
                ),)*)?
            ]
        }
    };
}

mod announcements;
mod backup;
mod bounds;
mod calls;
mod checks;
mod dead_letters;
mod doctor;
mod drift;
mod errors;
mod events;
mod fault_injection;
mod guard;
mod idempotency;
mod image_events;
mod images;
mod input;
mod lost_responses;
mod lost_tags;
mod operators;
mod parameter;
mod permissions;
mod plan;
mod proof;
mod provenance;
mod reconcile;
mod refresh;
mod refusals;
mod rollback;
mod scale;
mod stack;
mod stack_settings_preserved;
mod support;
mod tags_of_others;
mod target_by_name;
mod targets;
mod templates;
mod times;
mod upgrade;
mod writes;

/// What the tests are against.
static SERVERS: OnceLock<Vec<Server>> = OnceLock::new();

/// A deployed Driftless, and how many tests use it now.
struct Server {
    driftless: Driftless,
    running: AtomicUsize,
}

/// What libtest takes, and the order.
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    libtest: Arguments,
    /// Runs the tests in the order of this seed.
    #[arg(long)]
    seed: Option<u64>,
    /// How many local AWSs the tests are spread over.
    #[arg(long, default_value_t = LOCAL_AWSS)]
    servers: usize,
}

fn main() -> ExitCode {
    let Options { mut libtest, seed, servers } = Options::parse();
    libtest.test_threads.get_or_insert(AT_ONCE);
    let mut trials = trials();
    if libtest.list {
        return libtest_mimic::run(&libtest, trials).exit_code();
    }
    let seed = seed.unwrap_or_else(order::seed);
    order::shuffle(&mut trials, seed);
    eprintln!("The order of these tests: --seed {seed}");
    // The local AWSs end with this.
    let deployed = match deploy(servers) {
        Ok(deployed) => deployed,
        Err(error) => {
            eprintln!("{error:#}");
            return ExitCode::FAILURE;
        }
    };
    let conclusion = libtest_mimic::run(&libtest, trials);
    eprintln!("The order was --seed {seed}; the slowest: {}", times::slowest());
    drop(deployed);
    // What was written on the way, in accounts of their own.
    let _ = emulator::scratch_folder().map(std::fs::remove_dir_all);
    conclusion.exit_code()
}

fn trials() -> Vec<Trial> {
    let modules = [
        announcements::trials(),
        backup::trials(),
        bounds::trials(),
        calls::trials(),
        checks::trials(),
        dead_letters::trials(),
        doctor::trials(),
        drift::trials(),
        errors::trials(),
        events::trials(),
        fault_injection::trials(),
        guard::trials(),
        idempotency::trials(),
        image_events::trials(),
        images::trials(),
        input::trials(),
        lost_responses::trials(),
        lost_tags::trials(),
        operators::trials(),
        parameter::trials(),
        permissions::trials(),
        plan::trials(),
        proof::trials(),
        provenance::trials(),
        reconcile::trials(),
        refresh::trials(),
        refusals::trials(),
        rollback::trials(),
        scale::trials(),
        stack::trials(),
        stack_settings_preserved::trials(),
        tags_of_others::trials(),
        target_by_name::trials(),
        targets::trials(),
        templates::trials(),
        upgrade::trials(),
        writes::trials(),
    ];
    modules.into_iter().flatten().collect()
}

fn deploy(servers: usize) -> Result<Vec<ForTests>> {
    // It takes some seconds.
    eprintln!("Deploying what is under test …");
    let deployed = runtime()?.block_on(Driftless::for_tests(servers.max(1)))?;
    let server =
        |one: &ForTests| Server { driftless: one.driftless.clone(), running: AtomicUsize::new(0) };
    SERVERS.get_or_init(|| deployed.iter().map(server).collect());
    Ok(deployed)
}

/// The use of a server by one test.
struct Use(&'static Server);

impl Use {
    /// Of the one that the fewest tests use.
    fn begin() -> Result<Self> {
        // Two tests that begin at once may choose the same: it is about the load only.
        let servers = SERVERS.get().context("nothing is deployed")?.iter();
        let server = servers.min_by_key(|server| server.running.load(Relaxed));
        let server = server.context("nothing is deployed")?;
        server.running.fetch_add(1, Relaxed);
        Ok(Self(server))
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Relaxed);
    }
}

/// `only_here` says why a test cannot run on the real AWS.
fn trial(
    path: &str,
    only_here: Option<&'static str>,
    test: impl AsyncFnOnce(&Scenario) -> Result<()> + Send + 'static,
) -> Trial {
    let name = path.split_once("::").map_or(path, |(_, name)| name).to_owned();
    let timed = name.clone();
    let run = move || {
        let server = Use::begin()?;
        let driftless = &server.0.driftless;
        if let (Some(why), false) = (only_here, driftless.cloud().is_local()) {
            return Ok(Completion::ignored_with(why));
        }
        let _time = times::of(timed);
        runtime()?.block_on(scenario::run(driftless, test))?;
        Ok(Completion::Completed)
    };
    Trial::ignorable_test(name, || {
        run().map_err(|error: anyhow::Error| Failed::from(format!("{error:#}")))
    })
}

/// Each test runs in a thread of its own.
fn runtime() -> Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("making a runtime")
}
