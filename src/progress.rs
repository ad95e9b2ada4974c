//! A line on standard error that says how far a long piece of work has come. Only on a terminal, and gone afterwards.

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use loadline_simulator::Progress;

/// The line, or nothing.
pub(crate) struct Bar {
    line: Option<ProgressBar>,
}

impl Bar {
    /// A line that is drawn when `draw` is true.
    pub(crate) fn new(draw: bool) -> Self {
        let line = draw.then(|| {
            let line = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            line.with_style(style())
        });
        Self { line }
    }

    /// Shows how far it is.
    pub(crate) fn show(&mut self, progress: &Progress) {
        let Some(line) = &self.line else { return };
        line.set_message(in_words(progress));
        line.tick();
    }

    /// Takes the line away, so that other text can be written.
    pub(crate) fn clear(&mut self) {
        if let Some(line) = &self.line {
            line.finish_and_clear();
            line.reset();
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn in_words(progress: &Progress) -> String {
    match progress {
        Progress::Reading { file, objects, .. } => {
            let name = if file == "-" { "standard input" } else { file };
            format!("reading {name}: {} objects", HumanCount(*objects))
        }
        Progress::Deciding { done, total } => {
            let percent = done.saturating_mul(100) / (*total).max(1);
            format!("deciding: {} of {} pods ({percent}%)", HumanCount(*done), HumanCount(*total))
        }
        Progress::Simulating { placed, waiting, virtual_seconds } => format!(
            "simulating: {} placed, {} waiting, {virtual_seconds:.1} s of virtual time",
            HumanCount(*placed),
            HumanCount(*waiting)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_has_words() {
        let reading = Progress::Reading { file: "-".to_owned(), objects: 4096, bytes_total: 0 };
        assert_eq!(in_words(&reading), "reading standard input: 4,096 objects");
        assert_eq!(in_words(&Progress::Deciding { done: 500, total: 2000 }), "deciding: 500 of 2,000 pods (25%)");
        let simulating = Progress::Simulating { placed: 12_000, waiting: 3, virtual_seconds: 1.26 };
        assert_eq!(in_words(&simulating), "simulating: 12,000 placed, 3 waiting, 1.3 s of virtual time");
    }
}
