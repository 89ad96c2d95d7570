//! Reads from the output of cargo and pytest which tests failed, and how to run each alone.

/// A test that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The command that runs it alone.
    pub(crate) command: String,
}

/// Reads the output of `cargo test`, line by line.
#[derive(Debug, Default)]
pub(crate) struct Cargo {
    /// The names in the last list of failures, and whether that list continues.
    names: Vec<String>,
    is_in_list: bool,
    failures: Vec<Failure>,
}

impl Cargo {
    /// Reads the next line.
    pub(crate) fn read(&mut self, line: &str) {
        if line == "failures:" {
            // A test may print the same line; the list is the last one.
            self.names.clear();
            self.is_in_list = true;
        } else if let Some(target) = failed_target(line) {
            self.failures.extend(of_target(target, &std::mem::take(&mut self.names)));
        } else if line.starts_with("test result:") {
            self.is_in_list = false;
        } else if let (true, Some(name)) = (self.is_in_list, line.strip_prefix("    ")) {
            self.names.push(name.to_owned());
        }
    }

    /// All failures that were read.
    pub(crate) fn failures(self) -> Vec<Failure> {
        self.failures
    }
}

/// The arguments with which cargo reruns a failed target.
fn failed_target(line: &str) -> Option<&str> {
    line.strip_prefix("error: ")?.split_once("to rerun pass `")?.1.strip_suffix('`')
}

/// The target's failed tests, or the whole target if it ended before it could name them.
fn of_target(target: &str, names: &[String]) -> Vec<Failure> {
    let is_workflow = target.ends_with("--test workflow");
    let alone = |name: &String| match () {
        // It needs artifacts that only xtask builds.
        () if is_workflow => format!("cargo xtask test {}", quoted(name)),
        // rustdoc prints longer names than its filter accepts.
        () if target.ends_with("--doc") => {
            let name = name.split(" (line").next().unwrap_or(name);
            format!("cargo test {target} -- {}", quoted(name))
        }
        () => format!("cargo test {target} -- --exact {}", quoted(name)),
    };
    let mut commands: Vec<_> = names.iter().map(alone).collect();
    if commands.is_empty() {
        commands.push(format!("cargo test {target}"));
    }
    commands.into_iter().map(|command| Failure { command }).collect()
}

/// Parses a failure in a line of pytest's output (`-r fE`); `python` is the interpreter.
pub(crate) fn of_pytest(line: &str, python: &str) -> Option<Failure> {
    let id = line.strip_prefix("FAILED ").or_else(|| line.strip_prefix("ERROR "))?;
    // The reason follows, if there is one.
    let id = id.split(" - ").next().unwrap_or(id).trim_end();
    // A line of a test's log may begin with the same word.
    let is_test = id.contains(".py");
    is_test.then(|| Failure { command: format!("{python} -m pytest {}", quoted(id)) })
}

/// Quotes a word for a shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(output: &str) -> Vec<String> {
        let mut cargo = Cargo::default();
        output.lines().for_each(|line| cargo.read(line));
        cargo.failures().into_iter().map(|failure| failure.command).collect()
    }

    #[test]
    fn the_last_list_before_the_result_has_the_names() {
        let output = "     Running unittests src/lib.rs (target/debug/deps/a_b-604f9f6213a47efa)

running 3 tests
test tests::good ... ok
test tests::worse ... FAILED
test tests::bad ... FAILED

failures:

---- tests::worse stdout ----
failures:
    made_up
assertion `left == right` failed
  left: 1
stack backtrace:
    0: a_b::tests::worse

failures:
    tests::bad
    tests::worse

test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.08s

error: test failed, to rerun pass `-p a-b --lib`
     Running unittests src/lib.rs (target/debug/deps/c-b8f9cf2b557ae793)

running 1 test
test good ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

error: 1 target failed:
    `-p a-b --lib`";
        let alone = "cargo test -p a-b --lib -- --exact tests::";
        assert_eq!(commands(output), [format!("{alone}bad"), format!("{alone}worse")]);
    }

    #[test]
    fn a_target_that_died_failed_as_a_whole() {
        let output = "running 1 test
error: test failed, to rerun pass `-p c --lib`

Caused by:
  process didn't exit successfully: `deps/c-b8f9cf2b557ae793` (signal: 6, SIGABRT)";
        assert_eq!(commands(output), ["cargo test -p c --lib"]);
    }

    #[test]
    fn workflow_tests_are_run_by_xtask() {
        let output = "failures:

---- stacks::a_busy_stack_is_waited_for ----
waited 1200 s in vain for more

failures:
    stacks::a_busy_stack_is_waited_for

test result: FAILED. 161 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out
error: test failed, to rerun pass `-p harness --test workflow`";
        assert_eq!(commands(output), ["cargo xtask test stacks::a_busy_stack_is_waited_for"]);
    }

    #[test]
    fn examples_are_found_by_what_is_before_their_line() {
        let output = "failures:
    crates/c/src/lib.rs - f (line 2)

test result: FAILED. 0 passed; 1 failed
error: doctest failed, to rerun pass `-p c --doc`";
        assert_eq!(commands(output), ["cargo test -p c --doc -- 'crates/c/src/lib.rs - f'"]);
    }

    #[test]
    fn pytest_names_what_failed_and_what_could_not_begin() {
        let of = |line: &str| of_pytest(line, "python").map(|failure| failure.command);
        let test = "tests/emulator/contract/test_drift.py::test_it";
        let alone = Some(format!("python -m pytest {test}"));
        assert_eq!(of(&format!("FAILED {test} - AssertionError: assert 1 == 2")), alone);
        assert_eq!(of(&format!("ERROR {test}")), alone);
        assert_eq!(
            of(&format!("FAILED {test}[it's a] - x")),
            Some(format!(r"python -m pytest '{test}[it'\''s a]'"))
        );
        for other in ["ERROR overlay: background work failed", "1 failed, 2 passed", ""] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
