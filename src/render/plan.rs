//! A plan of the Rescheduler: the moves, who stays and why, and the balance before and after.

use std::cmp::Reverse;
use std::fmt::Write as _;

use loadline_rescheduler::{Balance, NodeBalance, Plan, Skipped};

use super::decision::section;
use super::table::{Column, Table};
use super::{TOP, count, shown_of};
use crate::output::View;

/// Longest bar, characters.
const LONGEST: usize = 20;
/// Shortest bar that tells anything.
const SHORTEST: usize = 5;
/// Of a name that the chart shows in full beside its bars.
const LONG_NAME: usize = 28;

/// The whole plan. `all` shows every node.
pub(crate) fn render(plan: &Plan, all: bool, view: View) -> String {
    let mut text = summary(plan);
    text += &moves(plan, view);
    text += &skipped(plan, view);
    text += &balance(&plan.before, &plan.after, view);
    text += &chart(plan, all, view);
    text
}

fn summary(plan: &Plan) -> String {
    let stay: u64 = plan.skipped.iter().map(|skipped| skipped.pods).sum();
    let moves = match plan.moves.len() {
        0 => "Nothing to move".to_owned(),
        number => format!("{} to move", count(number as u64, "pod")),
    };
    let looked = if stay == 0 { String::new() } else { format!("; {} looked at and left", count(stay, "pod")) };
    format!("{moves}{looked}.\nconfiguration {}, seed {}\n", plan.config_hash, plan.seed)
}

fn moves(plan: &Plan, view: View) -> String {
    if plan.moves.is_empty() {
        return String::new();
    }
    let mut table = Table::new(vec![
        Column::right(""),
        Column::left("POD"),
        Column::left("FROM"),
        Column::left("TO"),
        Column::right("GAIN"),
        Column::text("WHY"),
    ]);
    for (at, step) in plan.moves.iter().enumerate() {
        let why = format!("{}: {}", step.strategy, step.reason);
        table.row([
            (at + 1).to_string(),
            format!("{}/{}", step.namespace, step.name),
            if step.from.is_empty() { "-".to_owned() } else { step.from.clone() },
            step.to.clone(),
            format!("{:.1}", step.gain),
            why,
        ]);
    }
    section("Moves, in this order", view) + &table.render(view, 2)
}

fn skipped(plan: &Plan, view: View) -> String {
    let mut text = String::new();
    if !plan.skipped.is_empty() {
        let mut table = Table::new(vec![
            Column::right("PODS"),
            Column::left("REASON"),
            Column::left("SUCH AS"),
            Column::text("WHICH MEANS"),
        ]);
        for Skipped { reason, pods, meaning, example } in &plan.skipped {
            table.row([pods.to_string(), reason.clone(), example.clone(), meaning.clone()]);
        }
        text += &section("Left where they are", view);
        text += &table.render(view, 2);
    }
    if !plan.notes.is_empty() {
        let mut table = Table::new(vec![Column::text("")]);
        plan.notes.iter().for_each(|note| table.row([note.clone()]));
        text += &section("To be known", view);
        text += &table.render(view, 2);
    }
    text
}

fn balance(before: &Balance, after: &Balance, view: View) -> String {
    let mut table = Table::new(vec![Column::left("PERCENT"), Column::right("NOW"), Column::right("THEN")]);
    let mut row = |name: &str, of: &dyn Fn(&Balance) -> f64| {
        table.row([name.to_owned(), format!("{:.1}", of(before)), format!("{:.1}", of(after))]);
    };
    row("cpu of the fullest node", &|balance| balance.cpu.highest);
    row("cpu, difference to the emptiest", &|balance| balance.cpu.difference);
    row("cpu, standard deviation", &|balance| balance.cpu.deviation);
    row("memory of the fullest node", &|balance| balance.memory.highest);
    row("memory, difference to the emptiest", &|balance| balance.memory.difference);
    row("memory, standard deviation", &|balance| balance.memory.deviation);
    row("load balance score, 100 is even", &|balance| balance.score);
    section("Balance", view) + &table.render(view, 2)
}

/// Whether a node is used differently with all moves made.
fn changes(node: &NodeBalance) -> bool {
    let differ = |a: f64, b: f64| (a - b).abs() > 1e-9;
    node.pods_before != node.pods_after
        || differ(node.cpu_before, node.cpu_after)
        || differ(node.memory_before, node.memory_after)
}

fn chart(plan: &Plan, all: bool, view: View) -> String {
    if plan.nodes.is_empty() {
        return "\nThere are no nodes with cpu and memory to give.\n".to_owned();
    }
    let mut nodes: Vec<&NodeBalance> = plan.nodes.iter().collect();
    let changed = nodes.iter().filter(|node| changes(node)).count();
    let shown = if all { nodes.len() } else { shown_of(nodes.len(), TOP.max(changed)) };
    let title = if shown == nodes.len() {
        "Each node".to_owned()
    } else {
        // In thousandths of a percent: there is no order of f64.
        let fullness = |node: &NodeBalance| (node.cpu_before.max(node.memory_before) * 1000.0) as i64;
        nodes.sort_by_key(|node| (Reverse(changes(node)), Reverse(fullness(node)), node.name.clone()));
        nodes.truncate(shown);
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        format!("{shown} of {} nodes (--nodes shows all)", plan.nodes.len())
    };
    let longest = nodes.iter().map(|node| node.name.chars().count()).max().unwrap_or(0);
    let beside = longest <= LONG_NAME;
    // Two spaces in front, and for each resource a space on either side of a bar and `100 > 100` behind it.
    let taken = 2 + if beside { longest } else { 2 } + 2 * (3 + NUMBERS);
    let room = view.width.map_or(LONGEST, |width| usize::from(width).saturating_sub(taken) / 2);
    let bar = room.clamp(SHORTEST, LONGEST);
    let legend = if changed == 0 { "# used" } else { "# used, - goes away, + comes" };
    let mut text = section(&format!("{title}: {legend}"), view);
    let head = view.styles.head;
    let indent = if beside { longest } else { 2 };
    let line = format!(
        "  {:indent$}  {:bar$} {:>NUMBERS$}  {:bar$} {:>NUMBERS$}",
        if beside { "NODE" } else { "" },
        "CPU",
        "%",
        "MEMORY",
        "%",
    );
    // Memory takes everything.
    let _ = writeln!(text, "{head}{}{head:#}", line.trim_end());
    for node in nodes {
        let name = super::table::clean(&node.name);
        let beside_name = if beside { name.as_str() } else { "" };
        if !beside {
            let _ = writeln!(text, "  {name}");
        }
        let cpu = bars(node.cpu_before, node.cpu_after, bar);
        let memory = bars(node.memory_before, node.memory_after, bar);
        let line = format!(
            "  {beside_name:indent$}  {cpu} {:>NUMBERS$}  {memory} {:>NUMBERS$}",
            numbers(node.cpu_before, node.cpu_after),
            numbers(node.memory_before, node.memory_after),
        );
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// Characters of `100 > 100`.
const NUMBERS: usize = 9;

fn numbers(before: f64, after: f64) -> String {
    let (before, after) = (format!("{before:.0}"), format!("{after:.0}"));
    if before == after { after } else { format!("{before} > {after}") }
}

/// What stays, what goes away or comes, and what is free.
fn bars(before: f64, after: f64, width: usize) -> String {
    let cells = |percent: f64| ((percent / 100.0 * width as f64).round().max(0.0) as usize).min(width);
    let (low, high) = (cells(before.min(after)), cells(before.max(after)));
    let change = if after < before { '-' } else { '+' };
    let cell = |at: usize| match at {
        at if at < low => '#',
        at if at < high => change,
        _ => '.',
    };
    (0..width).map(cell).collect()
}

#[cfg(test)]
mod tests {
    use loadline_rescheduler::{Move, Requests, Spread};

    use super::*;
    use crate::render::testing::{narrow, wide};

    fn plan(names: [&str; 3]) -> Plan {
        let node = |name: &str, before: f64, after: f64, pods: (i64, i64)| NodeBalance {
            name: name.to_owned(),
            cpu_before: before,
            cpu_after: after,
            memory_before: before / 2.0,
            memory_after: after / 2.0,
            pods_before: pods.0,
            pods_after: pods.1,
        };
        let spread = |highest: f64, lowest: f64| Spread {
            highest,
            lowest,
            difference: highest - lowest,
            mean: 50.0,
            deviation: (highest - lowest) / 2.0,
        };
        let balance = |cpu: Spread, memory: Spread| Balance {
            cpu,
            memory,
            difference: cpu.difference,
            score: 100.0 - cpu.deviation - memory.deviation,
        };
        Plan {
            api_version: "loadline.dev/v1alpha1".to_owned(),
            kind: Plan::KIND.to_owned(),
            config_hash: "0123".to_owned(),
            seed: 0,
            moves: vec![Move {
                namespace: "shop".to_owned(),
                name: "web-0".to_owned(),
                uid: "u".to_owned(),
                owner: "ReplicaSet/web".to_owned(),
                from: names[0].to_owned(),
                to: names[2].to_owned(),
                strategy: "LoadBalancing".to_owned(),
                reason: "cpu of a is at 90.0 %, of c at 10.0 %".to_owned(),
                gain: 40.0,
                priority: 0,
                requests: Requests { milli_cpu: 2000, memory: 1 << 30 },
            }],
            skipped: vec![Skipped {
                reason: "bare-pod".to_owned(),
                pods: 2,
                meaning: "no controller would replace it (allowBarePods)".to_owned(),
                example: "shop/debug".to_owned(),
            }],
            before: balance(spread(90.0, 10.0), spread(45.0, 5.0)),
            after: balance(spread(70.0, 30.0), spread(35.0, 15.0)),
            nodes: vec![
                node(names[0], 90.0, 70.0, (5, 4)),
                node(names[1], 60.0, 60.0, (3, 3)),
                node(names[2], 10.0, 30.0, (1, 2)),
            ],
            notes: vec!["shop/db-0 fits no other node: 2 Insufficient cpu".to_owned()],
        }
    }

    #[test]
    fn a_plan() {
        insta::assert_snapshot!(render(&plan(["a", "b", "c"]), false, wide()));
    }

    #[test]
    fn a_terminal_of_eighty_columns_is_enough_for_any_names() {
        let long = ["ip-10-0-12-34.eu-west-1.compute.internal", "b", "ip-10-0-12-35.eu-west-1.compute.internal"];
        for names in [["node-a", "node-b", "node-c"], long] {
            let mut plan = plan(names);
            let text = render(&plan, true, narrow(80));
            let chart = text.split("Each node").nth(1).expect("a chart");
            assert!(chart.lines().all(|line| line.chars().count() <= 80), "{text}");
            plan.moves.clear();
            let text = render(&plan, true, narrow(80));
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        }
    }

    #[test]
    fn bars_show_what_goes_and_what_comes() {
        assert_eq!(bars(90.0, 70.0, 10), "#######--.");
        assert_eq!(bars(10.0, 30.0, 10), "#++.......");
        assert_eq!(bars(130.0, 130.0, 10), "##########");
        assert_eq!(bars(0.0, 0.0, 5), ".....");
        assert_eq!(numbers(12.4, 12.4), "12");
        assert_eq!(numbers(100.0, 0.0), "100 > 0");
    }

    #[test]
    fn a_plan_without_moves_says_so() {
        let mut plan = plan(["a", "b", "c"]);
        plan.moves.clear();
        plan.skipped.clear();
        let text = render(&plan, false, wide());
        assert!(text.starts_with("Nothing to move.\n"), "{text}");
    }
}
