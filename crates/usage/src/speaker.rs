//! What is told of a source's state: each change once.

use std::collections::BTreeSet;
use std::fmt::Write;

use loadline_framework::UsageSource;
use tracing::{info, warn};

use crate::error::{PollResult, QueryError};
use crate::measurement::{Measurement, Reason};

/// What distinguishes failures: the same again is no news.
pub(crate) type FailureKind = (PollResult, Option<u16>);

/// What may be wrong with an answer that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Complaint {
    /// There is no series at all.
    Nothing,
    /// Some are not used as they are.
    Ignored(Reason),
}

/// What there is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// The first answer.
    Works,
    /// No answer, for a reason of a kind that was not told since the last one.
    Fails(FailureKind),
    /// An answer after failures.
    Recovers,
    /// Something is wrong with the answer, of kinds that were not told last.
    Complains(BTreeSet<Complaint>),
    /// Nothing is wrong with it any more.
    IsClean,
}

/// What was told last.
#[derive(Debug, Default)]
pub(crate) struct Speaker {
    health: Health,
    complaints: BTreeSet<Complaint>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Health {
    #[default]
    Unknown,
    Fine,
    /// With what has been told of since it was fine.
    Failing(BTreeSet<FailureKind>),
}

impl Speaker {
    /// What there is to say after an answer, or none.
    pub(crate) fn hear(&mut self, outcome: Result<BTreeSet<Complaint>, FailureKind>) -> Vec<Word> {
        let mut words = Vec::new();
        match outcome {
            Err(kind) => {
                if !matches!(self.health, Health::Failing(_)) {
                    self.health = Health::Failing(BTreeSet::new());
                }
                if let Health::Failing(told) = &mut self.health
                    && told.insert(kind)
                {
                    words.push(Word::Fails(kind));
                }
            }
            Ok(complaints) => {
                match std::mem::replace(&mut self.health, Health::Fine) {
                    Health::Unknown => words.push(Word::Works),
                    Health::Failing(_) => words.push(Word::Recovers),
                    Health::Fine => {}
                }
                if self.complaints != complaints {
                    self.complaints.clone_from(&complaints);
                    words.push(if complaints.is_empty() { Word::IsClean } else { Word::Complains(complaints) });
                }
            }
        }
        words
    }

    /// Logs what there is to say.
    pub(crate) fn tell(&mut self, source: &UsageSource, outcome: Result<&Measurement, &QueryError>) {
        let address = source.prometheus.address.as_str();
        let resource = source.kind.as_str();
        let nodes = outcome.map_or(0, |measurement| measurement.samples.len());
        let words = self.hear(outcome.map(complaints).map_err(|error| (error.result(), error.status())));
        for word in words {
            match word {
                Word::Works => info!(address, resource, nodes, "Prometheus tells what nodes use"),
                Word::Recovers => info!(address, resource, nodes, "Prometheus tells again what nodes use"),
                Word::Fails(_) => {
                    let error = outcome.err().map(QueryError::what).unwrap_or_default();
                    let stale_after_seconds = source.stale_after_seconds;
                    warn!(
                        address,
                        resource,
                        error,
                        stale_after_seconds,
                        "Prometheus does not tell what nodes use; scheduling goes on with what is known until that is stale"
                    );
                }
                Word::Complains(complaints) if complaints.contains(&Complaint::Nothing) => {
                    let query = source.prometheus.query.as_str();
                    warn!(address, resource, query, "the query gives no series: the use of no node is known");
                }
                Word::Complains(_) => {
                    let (ignored, examples) = outcome.map_or_else(|_| (0, String::new()), examples);
                    let node_label = source.prometheus.node_label.as_str();
                    warn!(
                        address,
                        resource, nodes, ignored, node_label, examples, "some series are not used as they are"
                    );
                }
                Word::IsClean => info!(address, resource, nodes, "all series are used again"),
            }
        }
    }
}

fn complaints(measurement: &Measurement) -> BTreeSet<Complaint> {
    let nothing = (measurement.series == 0).then_some(Complaint::Nothing);
    nothing.into_iter().chain(measurement.ignored.iter().map(|ignored| Complaint::Ignored(ignored.reason))).collect()
}

/// How many series are not used, and a few of them: of each kind one, before a second of any.
fn examples(measurement: &Measurement) -> (usize, String) {
    const SHOWN: usize = 5;
    let mut kinds = BTreeSet::new();
    let (first, more): (Vec<_>, Vec<_>) = measurement.ignored.iter().partition(|ignored| kinds.insert(ignored.reason));
    let mut text = String::new();
    for ignored in first.into_iter().chain(more).take(SHOWN) {
        // Writing to a string does not fail.
        let _ = write!(text, "{}{ignored}", if text.is_empty() { "" } else { "; " });
    }
    (measurement.ignored.len(), text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BTreeSet, Complaint, FailureKind, PollResult, Reason, Speaker, Word, examples};
    use crate::measurement::{Ignored, Measurement};

    const GONE: FailureKind = (PollResult::Unreachable, None);
    const BARRED: FailureKind = (PollResult::Unauthorized, Some(401));

    fn set(complaints: &[Complaint]) -> BTreeSet<Complaint> {
        complaints.iter().copied().collect()
    }

    #[test]
    fn a_change_is_told_once() {
        let mut speaker = Speaker::default();
        assert_eq!(speaker.hear(Err(GONE)), [Word::Fails(GONE)]);
        assert_eq!(speaker.hear(Err(GONE)), []);
        assert_eq!(speaker.hear(Err(BARRED)), [Word::Fails(BARRED)]);
        assert_eq!(speaker.hear(Err(BARRED)), []);
        assert_eq!(speaker.hear(Err(GONE)), [], "it was told of");
        assert_eq!(speaker.hear(Ok(set(&[]))), [Word::Recovers]);
        assert_eq!(speaker.hear(Ok(set(&[]))), []);
        let nan = set(&[Complaint::Ignored(Reason::NotFinite)]);
        assert_eq!(speaker.hear(Ok(nan.clone())), [Word::Complains(nan.clone())]);
        assert_eq!(speaker.hear(Ok(nan.clone())), []);
        assert_eq!(speaker.hear(Err(GONE)), [Word::Fails(GONE)]);
        assert_eq!(speaker.hear(Ok(nan)), [Word::Recovers], "what was wrong before is no news");
        assert_eq!(speaker.hear(Ok(set(&[]))), [Word::IsClean]);
        assert_eq!(Speaker::default().hear(Ok(set(&[]))), [Word::Works]);
    }

    #[test]
    fn examples_are_few_and_of_every_kind() {
        let ignored = |reason| Ignored { series: "{}".to_owned(), value: 1.0, reason };
        let mut all = vec![ignored(Reason::NoAge); 9];
        all.push(ignored(Reason::OutOfRange));
        let (count, text) = examples(&Measurement { ignored: all, ..Measurement::default() });
        assert_eq!((count, text.split("; ").count()), (10, 5));
        assert!(text.contains(Reason::OutOfRange.as_str()), "{text}");
    }

    proptest! {
        #[test]
        fn nothing_is_told_twice_in_a_row(outcomes in proptest::collection::vec(outcome(), 0..50)) {
            let mut speaker = Speaker::default();
            let (mut health, mut answer) = (None, None);
            for outcome in outcomes {
                let is_failure = outcome.is_err();
                let words = speaker.hear(outcome);
                let most = if is_failure { 1 } else { 2 };
                prop_assert!(words.len() <= most);
                for word in words {
                    let last = match word {
                        Word::Works | Word::Recovers | Word::Fails(_) => &mut health,
                        Word::Complains(_) | Word::IsClean => &mut answer,
                    };
                    prop_assert_ne!(last.as_ref(), Some(&word));
                    *last = Some(word);
                }
            }
        }
    }

    fn outcome() -> impl Strategy<Value = Result<BTreeSet<Complaint>, FailureKind>> {
        let complaints = [Complaint::Nothing, Complaint::Ignored(Reason::NoAge), Complaint::Ignored(Reason::NotFinite)];
        prop_oneof![
            proptest::sample::subsequence(complaints.to_vec(), 0..=3).prop_map(|found| Ok(set(&found))),
            prop_oneof![Just(GONE), Just(BARRED)].prop_map(Err),
        ]
    }
}
