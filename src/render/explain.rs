//! Many decisions: a list first, and the full decision of those that were asked for.

use std::fmt::Write as _;

use loadline_framework::record::{LiveDecision, Outcome};

use super::decision;
use super::table::{Column, Table};
use super::{count, name_of};
use crate::output::View;

/// Without names on the command line, up to this number of decisions is shown in full.
const IN_FULL: usize = 3;

/// The column that only matters when a decision stands for several pods.
const PODS: usize = 2;

/// Decisions as they come. Only their lines are kept: the tables of nodes do not pass through memory together.
pub(crate) struct Explained {
    view: View,
    named: bool,
    list: Table,
    full: Vec<String>,
    number: u64,
    pods: [u64; 4],
}

impl Explained {
    /// `named`: the pods were named by whoever asks, so that all are shown in full.
    pub(crate) fn new(named: bool, view: View) -> Self {
        let columns = vec![
            Column::left("NAMESPACE"),
            Column::left("POD"),
            Column::right("PODS"),
            Column::left("RESULT"),
            Column::left("NODE"),
            Column::text("WHY"),
        ];
        Self { view, named, list: Table::new(columns), full: Vec::new(), number: 0, pods: [0; 4] }
    }

    /// One more.
    pub(crate) fn add(&mut self, LiveDecision { decision, summary }: &LiveDecision) {
        let pods = decision.count.unwrap_or(1);
        self.number += 1;
        self.pods[place_of(decision.result)] += u64::from(pods);
        self.list.row([
            decision.namespace.clone(),
            decision.name.clone(),
            pods.to_string(),
            name_of(decision.result).to_owned(),
            decision.node.clone().unwrap_or_else(|| "-".to_owned()),
            decision::in_short(decision),
        ]);
        if self.named || self.number <= IN_FULL as u64 {
            self.full.push(decision::render(decision, summary.as_ref(), self.view));
        } else {
            self.full.clear();
        }
    }

    /// The text of all.
    pub(crate) fn finish(mut self) -> String {
        if self.number == 0 {
            return "No pod waits for this scheduler.\n".to_owned();
        }
        let full = self.full.join("\n");
        if self.number == 1 {
            return full;
        }
        if self.number == self.pods.iter().sum::<u64>() {
            self.list.drop_column(PODS);
        }
        let mut text = self.list.render(self.view, 0);
        let _ = writeln!(text, "\n{}", self.totals());
        if full.is_empty() {
            text += "Name a pod to see its nodes and scores: loadline explain … NAMESPACE/POD\n";
        } else {
            text.push('\n');
            text += &full;
        }
        text
    }

    fn totals(&self) -> String {
        let parts: Vec<String> = ALL
            .iter()
            .zip(self.pods)
            .filter(|(_, pods)| *pods > 0)
            .map(|(result, pods)| format!("{pods} {}", name_of(*result).to_lowercase()))
            .collect();
        let pods = count(self.pods.iter().sum(), "pod");
        format!("{pods}, each decided on its own against the cluster as it is: {}.", parts.join(", "))
    }
}

const ALL: [Outcome; 4] = [Outcome::Feasible, Outcome::Unschedulable, Outcome::Gated, Outcome::Error];

const fn place_of(result: Outcome) -> usize {
    match result {
        Outcome::Feasible => 0,
        Outcome::Unschedulable => 1,
        Outcome::Gated => 2,
        Outcome::Error => 3,
    }
}

#[cfg(test)]
mod tests {
    use loadline_framework::record::Decision;

    use super::*;
    use crate::output::Styles;
    use crate::render::testing::{gated, narrow, placed, recorded, unplaced, wide};

    fn explained(named: bool, view: View, decisions: &[Decision]) -> String {
        let mut explained = Explained::new(named, view);
        for decision in decisions {
            explained.add(&LiveDecision { decision: decision.clone(), summary: None });
        }
        explained.finish()
    }

    #[test]
    fn one_pod_that_has_a_node() {
        insta::assert_snapshot!(explained(false, wide(), &[placed()]));
    }

    #[test]
    fn one_pod_that_has_none() {
        insta::assert_snapshot!(explained(false, wide(), &[unplaced()]));
    }

    #[test]
    fn one_pod_in_a_narrow_terminal() {
        let text = explained(false, narrow(72), &[unplaced()]);
        assert!(text.lines().all(|line| line.chars().count() <= 72), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn of_a_record_without_its_nodes_the_summary_is_shown() {
        for (name, decision) in [("record_of_a_placed_pod", placed()), ("record_of_an_unplaced_pod", unplaced())] {
            let mut explained = Explained::new(true, wide());
            explained.add(&recorded(decision));
            insta::assert_snapshot!(name, explained.finish());
        }
    }

    #[test]
    fn several_pods_begin_with_a_list() {
        insta::assert_snapshot!(explained(false, wide(), &[placed(), gated()]));
    }

    #[test]
    fn many_pods_are_a_list_unless_named() {
        let many = [placed(), unplaced(), gated(), placed()];
        insta::assert_snapshot!(explained(false, wide(), &many));
        let named = explained(true, wide(), &many);
        assert_eq!(named.matches("profile").count(), 4, "{named}");
    }

    #[test]
    fn nothing_to_explain_is_said() {
        assert_eq!(explained(false, wide(), &[]), "No pod waits for this scheduler.\n");
    }

    #[test]
    fn colours_add_nothing_but_colours() {
        let coloured = View { styles: Styles::coloured(), ..wide() };
        let text = explained(false, coloured, &[placed(), unplaced(), gated()]);
        assert!(text.contains("\u{1b}["));
        let stripped = anstream::adapter::strip_str(&text).to_string();
        assert_eq!(stripped, explained(false, wide(), &[placed(), unplaced(), gated()]));
    }
}
