//! A line on standard error that says how far a long piece of work has come. Only on a terminal, and gone afterwards.

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
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
        if let Some((done, total)) = share(progress) {
            line.set_length(total);
            line.set_position(done);
        } else {
            line.unset_length();
        }
        line.set_message(in_words(progress));
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

fn share(progress: &Progress) -> Option<(u64, u64)> {
    match progress {
        Progress::Reading { bytes_done, bytes_total, .. } => Some((*bytes_done, *bytes_total)),
        Progress::Deciding { done, total } => Some((*done, *total)),
        Progress::Simulating { .. } => None,
    }
    .filter(|(_, total)| *total > 0)
}

fn in_words(progress: &Progress) -> String {
    match progress {
        Progress::Reading { file, bytes_done, .. } => {
            let name = if file == "-" { "standard input" } else { file };
            format!("reading {name}: {}{}", HumanBytes(*bytes_done), percent(progress))
        }
        Progress::Deciding { done, total } => {
            format!("deciding: {} of {} pods{}", HumanCount(*done), HumanCount(*total), percent(progress))
        }
        Progress::Simulating { placed, waiting, virtual_seconds } => format!(
            "simulating: {} placed, {} waiting, {virtual_seconds:.1} s of virtual time",
            HumanCount(*placed),
            HumanCount(*waiting)
        ),
    }
}

fn percent(progress: &Progress) -> String {
    share(progress).map_or_else(String::new, |(done, total)| format!(" ({}%)", done.saturating_mul(100) / total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_has_words() {
        let reading = Progress::Reading { file: "-".to_owned(), bytes_done: 2048, bytes_total: 0 };
        assert_eq!(in_words(&reading), "reading standard input: 2.00 KiB");
        assert_eq!(in_words(&Progress::Deciding { done: 500, total: 2000 }), "deciding: 500 of 2,000 pods (25%)");
        let simulating = Progress::Simulating { placed: 12_000, waiting: 3, virtual_seconds: 1.26 };
        assert_eq!(in_words(&simulating), "simulating: 12,000 placed, 3 waiting, 1.3 s of virtual time");
    }
}
