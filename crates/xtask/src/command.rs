//! Runs another program, and reads its output to show progress.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::progress::Progress;

/// How much of a failed program's output is shown.
const TAIL_LINES: usize = 60;
/// How often progress is updated while the program prints nothing.
const TICK: Duration = Duration::from_millis(500);

/// What a line of output means.
pub(crate) enum Line {
    /// The number of finished steps, the total, and the current step.
    Step(u64, u64, String),
    /// The current step.
    Note(String),
    /// Shown as it is.
    Show,
    /// Shown only if the program fails.
    Keep,
    /// Of no interest.
    Drop,
}

/// Runs the program to its end. Its output is read line by line (`\r` ends a line too, as in
/// progress bars); if it fails, the end of what was not shown yet is printed.
pub(crate) fn run(
    command: &mut Command,
    mut progress: Progress,
    mut meaning: impl FnMut(&str) -> Line,
) -> Result<()> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", command.get_program().display()))?;
    let (sender, lines) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        send_lines(stdout, sender.clone());
    }
    if let Some(stderr) = child.stderr.take() {
        send_lines(stderr, sender);
    }
    let mut kept = VecDeque::new();
    loop {
        match lines.recv_timeout(TICK) {
            Ok(line) => match meaning(&line) {
                Line::Step(done, total, now) => progress.step(done, total, &now),
                Line::Note(now) => progress.note(&now),
                Line::Show => progress.line(&line),
                Line::Keep => kept.push_back(line),
                Line::Drop => {}
            },
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        progress.tick();
        if kept.len() > TAIL_LINES {
            kept.pop_front();
        }
    }
    let status = child.wait().context("waiting for the program")?;
    if status.success() {
        progress.done();
        return Ok(());
    }
    for line in &kept {
        progress.line(line);
    }
    progress.done();
    bail!("{} ended with {status}", command.get_program().display())
}

/// Sends the input line by line, until the end.
fn send_lines(mut source: impl Read + Send + 'static, lines: Sender<String>) {
    thread::spawn(move || {
        let mut pending = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let read = match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            pending.extend(buffer.iter().take(read));
            while let Some(end) = pending.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
                let line: Vec<u8> = pending.drain(..=end).collect();
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                if lines.send(text).is_err() {
                    return;
                }
            }
        }
        // A receiver that no longer exists needs no message.
        let _ = lines.send(String::from_utf8_lossy(&pending).trim_end().to_owned());
    });
}
