//! The progress display of long tasks: a bar on a terminal, otherwise a line every few seconds. All
//! of it goes to stderr; stdout is for results.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a line is printed without a terminal.
const PLAIN_EVERY: Duration = Duration::from_secs(5);
/// How often the bar moves.
const TICK: Duration = Duration::from_millis(100);

/// One task's progress.
pub(crate) struct Progress {
    what: String,
    /// Absent if stderr is not a terminal.
    bar: Option<ProgressBar>,
    started: Instant,
    printed: Instant,
    state: String,
}

impl Progress {
    /// Shows that `what` has begun.
    pub(crate) fn start(what: &str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            bar.set_style(style("{spinner:.cyan} {prefix:.bold} {wide_msg} {elapsed:.dim}"));
            bar.set_prefix(what.to_owned());
            bar.enable_steady_tick(TICK);
            bar
        });
        let now = Instant::now();
        Self { what: what.to_owned(), bar, started: now, printed: now, state: String::new() }
    }

    /// `done` of `total` steps are finished, `now` is the current one.
    pub(crate) fn step(&mut self, done: u64, total: u64, now: &str) {
        self.state = format!("{done} of {total}: {now}");
        if let Some(bar) = &self.bar {
            if bar.length().is_none() {
                let template = "{spinner:.cyan} {prefix:.bold} {bar:24.cyan/dim} {pos}/{len} {wide_msg} {elapsed:.dim}";
                bar.set_style(style(template));
            }
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(now.to_owned());
        }
    }

    /// Shows the current step, when the total is unknown.
    pub(crate) fn note(&mut self, now: &str) {
        now.clone_into(&mut self.state);
        if let Some(bar) = &self.bar {
            bar.set_message(now.to_owned());
        }
    }

    /// Time has passed. Call it at least every second.
    pub(crate) fn tick(&mut self) {
        if self.bar.is_none() && self.printed.elapsed() >= PLAIN_EVERY {
            self.printed = Instant::now();
            eprintln!("{} … {} s {}", self.what, self.started.elapsed().as_secs(), self.state);
        }
    }

    /// Prints a line that stays: a warning, an error.
    pub(crate) fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }

    /// Ends the task; prints a line only if it took a noticeable time.
    pub(crate) fn done(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if self.started.elapsed() >= Duration::from_secs(2) {
            eprintln!("{}: done in {} s", self.what, self.started.elapsed().as_secs());
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are literals; a template that indicatif rejects only makes the bar plainer.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
