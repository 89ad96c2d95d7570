//! The workflow tests: a deployed Driftless, seen through AWS's API only. They run against a
//! local AWS that ends with this program, or against the real one (`DRIFTLESS_TEST_TARGET=aws`).
//!
//! Each test has a [`Scenario`] of its own, so all of them run at once.

use std::process::ExitCode;
use std::sync::OnceLock;

use anyhow::{Context, Result};
use harness::driftless::ForTests;
use harness::{Driftless, Scenario, scenario};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use tokio::runtime::{Builder, Runtime};

/// Tests wait most of their time, for stacks above all.
const AT_ONCE: usize = 12;

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

mod bounds;
mod checks;
mod dead_letters;
mod definition;
mod deployed;
mod drift;
mod errors;
mod events;
mod expect;
mod images;
mod input;
mod kept;
mod lost;
mod numbers;
mod pair;
mod parameter;
mod permissions;
mod plan;
mod proof;
mod provenance;
mod reconcile;
mod refresh;
mod refusals;
mod rollback;
mod saboteur;
mod stack;
mod targets;
mod templates;
mod transcript;
mod twice;
mod writes;

/// What all tests are against.
static DRIFTLESS: OnceLock<Driftless> = OnceLock::new();

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    // A local AWS ends with this.
    let _deployed = match arguments.list {
        true => None,
        false => match deploy() {
            Ok(deployed) => Some(deployed),
            Err(error) => {
                eprintln!("{error:#}");
                return ExitCode::FAILURE;
            }
        },
    };
    // Those that take longest come first.
    let modules = [
        saboteur::trials(),
        bounds::trials(),
        permissions::trials(),
        lost::trials(),
        dead_letters::trials(),
        twice::trials(),
        numbers::trials(),
        reconcile::trials(),
        rollback::trials(),
        errors::trials(),
        stack::trials(),
        parameter::trials(),
        refresh::trials(),
        proof::trials(),
        refusals::trials(),
        targets::trials(),
        images::trials(),
        checks::trials(),
        provenance::trials(),
        writes::trials(),
        templates::trials(),
        kept::trials(),
        plan::trials(),
        drift::trials(),
        events::trials(),
        input::trials(),
    ];
    libtest_mimic::run(&arguments, modules.into_iter().flatten().collect()).exit_code()
}

fn deploy() -> Result<ForTests> {
    // It takes some seconds.
    eprintln!("Deploying what is under test …");
    let deployed = runtime()?.block_on(Driftless::for_tests())?;
    DRIFTLESS.get_or_init(|| deployed.driftless.clone());
    Ok(deployed)
}

/// `only_here` says why a test cannot run on the real AWS.
fn trial(
    path: &str,
    only_here: Option<&'static str>,
    test: impl AsyncFnOnce(&Scenario) -> Result<()> + Send + 'static,
) -> Trial {
    let name = path.split_once("::").map_or(path, |(_, name)| name);
    let run = move || {
        let driftless = DRIFTLESS.get().context("nothing is deployed")?;
        if let (Some(why), false) = (only_here, driftless.cloud().is_local()) {
            return Ok(Completion::ignored_with(why));
        }
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
