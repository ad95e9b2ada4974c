//! Which of all changes that would make a pod fit are worth telling.

use std::collections::BTreeMap;

use loadline_framework::record::Remedy;

/// Remedies shown for a pod: a few say it all.
const SHOWN: usize = 5;

/// The remedies of the nodes, in the order of the nodes, as one short list: nodes that need fewer changes come first. Of
/// nodes that need one change, those that need the same are told by how much of it; others stay where they are. What
/// helps on several nodes is told once.
pub(crate) fn smallest_first(mut nodes: Vec<Vec<Remedy>>) -> Vec<Remedy> {
    nodes.retain(|remedies| !remedies.is_empty());
    nodes.sort_by_key(Vec::len);
    let mut alike: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (place, remedies) in nodes.iter().enumerate().take_while(|(_, remedies)| remedies.len() == 1) {
        if let Some((of, _)) = &remedies[0].measure {
            alike.entry(of.clone()).or_default().push(place);
        }
    }
    for places in alike.values() {
        let mut sorted: Vec<Vec<Remedy>> = places.iter().map(|place| std::mem::take(&mut nodes[*place])).collect();
        sorted.sort_by_key(|remedies| remedies[0].measure.as_ref().map(|(_, amount)| *amount));
        for (place, remedies) in places.iter().zip(sorted) {
            nodes[*place] = remedies;
        }
    }
    let mut shown: Vec<Remedy> = Vec::new();
    for remedy in nodes.into_iter().flatten() {
        if shown.len() == SHOWN {
            break;
        }
        if !shown.contains(&remedy) {
            shown.push(remedy);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Remedy {
        Remedy { text: text.to_owned(), ..Remedy::default() }
    }

    fn of(what: &str, amount: i64, node: &str) -> Remedy {
        Remedy { measure: Some((what.to_owned(), amount)), ..plain(&format!("{amount} {what} on {node}")) }
    }

    fn told(nodes: &[&[Remedy]]) -> Vec<String> {
        smallest_first(nodes.iter().map(|remedies| remedies.to_vec()).collect()).into_iter().map(|r| r.text).collect()
    }

    #[test]
    fn amounts_of_the_same_are_sorted_and_the_rest_stays() {
        let nodes: [&[Remedy]; 6] = [
            &[of("cpu", 900, "a")],
            &[plain("uncordon b")],
            &[of("memory", 7, "c")],
            &[of("cpu", 200, "d")],
            &[],
            &[of("cpu", 200, "e")],
        ];
        assert_eq!(told(&nodes), ["200 cpu on d", "uncordon b", "7 memory on c", "200 cpu on e", "900 cpu on a"]);
    }

    #[test]
    fn nodes_that_need_fewer_changes_come_first() {
        let nodes: [&[Remedy]; 2] = [&[of("cpu", 1, "a"), of("memory", 1, "a")], &[of("cpu", 900, "b")]];
        assert_eq!(told(&nodes), ["900 cpu on b", "1 cpu on a", "1 memory on a"]);
    }

    #[test]
    fn what_helps_on_several_nodes_is_told_once_and_a_few_are_enough() {
        let names = ["a", "a", "b", "c", "d", "a", "e", "f"];
        let nodes: Vec<Vec<Remedy>> = names.iter().map(|name| vec![plain(name)]).collect();
        let texts: Vec<String> = smallest_first(nodes).into_iter().map(|remedy| remedy.text).collect();
        assert_eq!(texts, ["a", "b", "c", "d", "e"]);
    }
}
