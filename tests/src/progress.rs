//! Progress output: permanent lines, and on a terminal a spinner for each running operation. All of
//! it goes to stderr; stdout is for results.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use console::style;
use indicatif::{MultiProgress, ProgressBar};

/// How often the spinners turn.
const TICK: Duration = Duration::from_millis(100);
/// The width of the column with a line's subject.
const SUBJECT_WIDTH: usize = 9;

/// The progress output of a command.
#[derive(Debug)]
pub struct ProgressLines {
    /// Absent if stderr is not a terminal.
    spinners: Option<MultiProgress>,
    started: Instant,
}

impl ProgressLines {
    /// Starts; times are relative to now.
    #[must_use]
    pub fn start() -> Self {
        let spinners = std::io::stderr().is_terminal().then(MultiProgress::new);
        Self { spinners, started: Instant::now() }
    }

    /// Prints a permanent line.
    pub fn line(&self, text: &str) {
        let time = format!("{:5.1} s", self.started.elapsed().as_secs_f64());
        let line = format!("{}  {text}", style(time).for_stderr().dim());
        match &self.spinners {
            Some(spinners) => spinners.suspend(|| eprintln!("{line}")),
            None => eprintln!("{line}"),
        }
    }

    /// Prints a line about one of several subjects.
    pub fn about(&self, subject: &str, text: &str) {
        // Padded before it is styled: a format would count the escape codes.
        let subject = format!("{subject:SUBJECT_WIDTH$}");
        self.line(&format!("{}  {text}", style(subject).for_stderr().cyan()));
    }

    /// Shows an operation while it runs, and prints a line when it is done.
    pub async fn during<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        let spinner = self.spinners.as_ref().map(|spinners| {
            let spinner = spinners.add(ProgressBar::new_spinner().with_message(what.to_owned()));
            spinner.enable_steady_tick(TICK);
            spinner
        });
        if spinner.is_none() {
            self.line(&format!("{what} …"));
        }
        let done = work.await;
        if let Some(spinner) = spinner {
            spinner.finish_and_clear();
        }
        self.line(&format!("{what}: done"));
        done
    }
}
