//! From records to text for people. Nothing here decides anything: what is shown stands in the record.

pub(crate) mod amount;
pub(crate) mod decision;
pub(crate) mod explain;
mod gangs;
pub(crate) mod lines;
pub(crate) mod pending;
pub(crate) mod placements;
pub(crate) mod plan;
pub(crate) mod simulate;
pub(crate) mod table;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod usage;
pub(crate) mod uses;

use std::fmt::Write as _;

use loadline_framework::record::Outcome;

use crate::output::Styles;

/// Rows that a table shows when it does not show all.
pub(crate) const TOP: usize = 10;

/// The style of a result's name.
pub(crate) fn style_of(result: Outcome, styles: Styles) -> anstyle::Style {
    match result {
        Outcome::Feasible => styles.good,
        Outcome::Unschedulable | Outcome::Error => styles.bad,
        Outcome::Gated => styles.doubtful,
    }
}

/// A result's name, as in the record.
pub(crate) const fn name_of(result: Outcome) -> &'static str {
    match result {
        Outcome::Feasible => "Feasible",
        Outcome::Unschedulable => "Unschedulable",
        Outcome::Gated => "Gated",
        Outcome::Error => "Error",
    }
}

/// `1 pod`, `2 pods`.
pub(crate) fn count(number: u64, thing: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{s}")
}

/// How many of a list are shown when it is cut to `most`. Whatever says that there is one more has the room to name it.
pub(crate) const fn shown_of(number: usize, most: usize) -> usize {
    if number <= most + 1 { number } else { most }
}

/// The first few of a list, and how many more there are.
pub(crate) fn first_few<'a>(items: impl ExactSizeIterator<Item = &'a str>, most: usize) -> String {
    let shown = shown_of(items.len(), most);
    let more = items.len() - shown;
    let mut text = items.take(shown).collect::<Vec<_>>().join(", ");
    if more > 0 {
        let _ = write!(text, " and {more} more");
    }
    text
}

/// The reasons in a kube-scheduler message: without the number of nodes, which is the same for every pod in a list, and
/// without what PostFilter plugins add, which is on record and says once more that the pod does not fit.
pub(crate) fn in_short(message: &str) -> &str {
    match message.split_once(" nodes are available: ") {
        Some((head, rest)) if head.starts_with("0/") => {
            let reasons = rest.split(". ").next().unwrap_or(rest);
            reasons.strip_suffix('.').unwrap_or(reasons)
        }
        _ => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_the_reasons_alone() {
        let reasons = "1 Insufficient example.com/gpu, 2 node(s) had untolerated taint(s)";
        for after in
            [".", ". preemption: 0/3 nodes are available: 3 x.", ". no new claims to deallocate, preemption: y."]
        {
            assert_eq!(in_short(&format!("0/3 nodes are available: {reasons}{after}")), reasons);
        }
        assert_eq!(in_short("no nodes available to schedule pods"), "no nodes available to schedule pods");
    }

    #[test]
    fn long_lists_are_cut() {
        assert_eq!(first_few(["a", "b"].into_iter(), 2), "a, b");
        assert_eq!(first_few(["a", "b", "c"].into_iter(), 2), "a, b, c");
        assert_eq!(first_few(["a", "b", "c", "d"].into_iter(), 2), "a, b and 2 more");
        assert_eq!([count(1, "pod"), count(0, "pod")], ["1 pod", "0 pods"]);
    }
}
