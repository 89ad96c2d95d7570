//! Runs a program, and both shows and reads its output.

use std::io::{self, BufRead, BufReader, Write};
use std::process::Command;

use anyhow::{Context, Result};

/// Runs the program to its end. Shows each line that it prints, on stdout or stderr, after
/// `prefix`, and reads it. Returns whether the program succeeded.
pub(crate) fn run(mut command: Command, prefix: &str, mut read: impl FnMut(&str)) -> Result<bool> {
    let program = command.get_program().display().to_string();
    let starting = || format!("starting {program}");
    // One pipe for both, which keeps the order of their lines.
    let (output, input) = io::pipe().with_context(starting)?;
    let twin = input.try_clone().with_context(starting)?;
    let mut child = command.stdout(input).stderr(twin).spawn().with_context(starting)?;
    // The command holds this program's ends of the pipe open, so the pipe would never end.
    drop(command);
    let mut lines = BufReader::new(output);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).context("reading a program's output")? > 0 {
        show(prefix, &line);
        read(&console::strip_ansi_codes(String::from_utf8_lossy(&line).trim_end()));
        line.clear();
    }
    Ok(child.wait().context("waiting for a program")?.success())
}

/// The reader of this program's output may have exited; the tests must run nevertheless.
fn show(prefix: &str, line: &[u8]) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(&[prefix.as_bytes(), line].concat()).and_then(|()| stdout.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_output_is_read_in_order() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo a; echo b >&2; printf '\\033[1mc\\033[0m\\nd'; exit 3"]);
        let mut lines = Vec::new();
        let succeeded = run(shell, "", |line| lines.push(line.to_owned())).unwrap();
        assert_eq!((succeeded, lines), (false, ["a", "b", "c", "d"].map(str::to_owned).to_vec()));
        assert!(run(Command::new("true"), "", |_| ()).unwrap());
    }
}
