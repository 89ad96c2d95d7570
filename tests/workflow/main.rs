//! The workflow tests: a deployed Driftless, seen through AWS's API only. They run against a
//! local AWS that ends with this program, or against the real one (`DRIFTLESS_TEST_TARGET=aws`).
//!
//! Each test has a [`Scenario`] of its own, so all of them run at once.

use std::process::ExitCode;

use anyhow::Result;
use harness::{Scenario, cloud, scenario};
use libtest_mimic::{Arguments, Completion, Failed, Trial};

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

mod errors;
mod events;
mod expect;
mod images;
mod input;
mod parameter;
mod proof;
mod refresh;
mod refusals;
mod stack;
mod targets;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let modules = [
        errors::trials(),
        stack::trials(),
        parameter::trials(),
        refresh::trials(),
        proof::trials(),
        refusals::trials(),
        targets::trials(),
        images::trials(),
        events::trials(),
        input::trials(),
    ];
    libtest_mimic::run(&arguments, modules.into_iter().flatten().collect()).exit_code()
}

/// `only_here` says why a test cannot run on the real AWS.
fn trial(
    path: &str,
    only_here: Option<&'static str>,
    test: impl AsyncFnOnce(&Scenario) -> Result<()> + Send + 'static,
) -> Trial {
    let name = path.split_once("::").map_or(path, |(_, name)| name);
    Trial::ignorable_test(name, move || {
        let failed = |error: anyhow::Error| Failed::from(format!("{error:#}"));
        match only_here {
            Some(why) if cloud::is_aws_wanted().map_err(failed)? => {
                return Ok(Completion::ignored_with(why));
            }
            _ => {}
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(scenario::run(test)).map_err(failed)?;
        Ok(Completion::Completed)
    })
}
