//! `cargo bench --bench reschedule`: how long a plan of the Rescheduler takes, the fork of the engine included, at 5,000 nodes and
//! 100,000 pods; and how much slower pods are decided while one plan follows the other.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark measures time and prints it")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use clap::Parser;
use comfy_table::{CellAlignment, Table, presets};
use loadline_benches::{HOSTNAME, ZONE, ZONES, node_name, profiles};
use loadline_engine::{Depth, Engine, Settings};
use loadline_model::{
    Effect, Labels, NodeSpec, Owner, PodInfo, PodRequests, Resources, Selector, SpreadConstraint, Str, Taint,
    UnsatisfiableAction,
};
use loadline_rescheduler::policy::args::LowNodeUtilizationArgs;
use loadline_rescheduler::policy::{self, Policy, Profile, Step};
use loadline_rescheduler::{Limits, MAINTENANCE, Options, Plan, Situation, Strategy, plan};

/// How long plans take.
#[derive(Parser)]
struct Arguments {
    /// Nodes.
    #[arg(long, default_value_t = 5000)]
    nodes: usize,
    /// Pods.
    #[arg(long, default_value_t = 100_000)]
    pods: usize,
    /// Plans of each kind; the median counts.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Threads of the engine.
    #[arg(long, default_value_t = 2)]
    parallelism: usize,
    /// Seconds for which pods are decided, with and without plans meanwhile.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

const GI: i64 = 1 << 30;
/// Pods of a ReplicaSet.
const REPLICAS: usize = 40;

fn node(index: usize, more: &[(&str, &str)], taints: Box<[Taint]>) -> NodeSpec {
    let (name, zone) = (node_name(index), format!("zone-{}", index % ZONES));
    let own = [(HOSTNAME, name.as_str()), (ZONE, zone.as_str())];
    NodeSpec {
        name: name.as_str().into(),
        labels: Arc::new(own.into_iter().chain(more.iter().copied()).collect()),
        taints,
        allocatable: Resources { milli_cpu: 16_000, memory: 64 * GI, ..Resources::default() },
        allowed_pods: 110,
        ..NodeSpec::default()
    }
}

/// Pods of a third of the ReplicaSets are spread over zones, hard, and of another third softly over nodes.
fn pod(number: usize, node: &str) -> PodInfo {
    let set = number / REPLICAS;
    let app = format!("app-{set}");
    let [milli_cpu, memory] = [[400, GI], [800, 2 * GI], [200, 4 * GI], [600, GI]][set % 4];
    let amounts = Resources { milli_cpu, memory, ..Resources::default() };
    let requests = PodRequests {
        spec: amounts.clone(),
        usage: amounts.clone(),
        non_zero_milli_cpu: milli_cpu,
        non_zero_memory: memory,
        score: amounts,
    };
    let spread = |key: &str, action: UnsatisfiableAction| SpreadConstraint {
        max_skew: 5,
        topology_key: key.into(),
        when_unsatisfiable: action,
        selector: Selector::from_pairs([(&Str::from("app"), &Str::from(app.as_str()))]),
        min_domains: 1,
        honor_affinity: true,
        honor_taints: false,
        match_label_keys: Box::default(),
    };
    let constraints = match set % 3 {
        0 => vec![spread(ZONE, UnsatisfiableAction::DoNotSchedule)],
        1 => vec![spread(HOSTNAME, UnsatisfiableAction::ScheduleAnyway)],
        _ => Vec::new(),
    };
    let owner =
        Owner { api_version: "apps/v1".into(), kind: "ReplicaSet".into(), name: app.as_str().into(), uid: "u".into() };
    PodInfo {
        namespace: format!("team-{}", set % 50).as_str().into(),
        name: format!("{app}-{number}").as_str().into(),
        uid: format!("uid-{number}").as_str().into(),
        labels: Arc::new([("app", app.as_str())].into_iter().collect::<Labels>()),
        owner: Some(Arc::new(owner)),
        scheduler_name: "default-scheduler".into(),
        node_name: Some(node.into()),
        requests: Arc::new(requests),
        created: Some(0),
        spread: constraints.into(),
        ..PodInfo::default()
    }
}

/// What the nodes of a cluster are like.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    /// All alike.
    Even,
    /// One node in ten holds three times as much.
    Uneven,
    /// Alike, but for nodes that take nobody and are empty.
    Closed,
    /// One node in two hundred and fifty is marked for maintenance.
    Marked,
}

fn cluster(shape: Shape, arguments: &Arguments) -> Engine {
    let settings = Settings { parallelism: arguments.parallelism, record_bytes: 0, ..Settings::default() };
    let mut engine = Engine::new(profiles(), settings);
    let is_closed = |index: usize| shape == Shape::Closed && index.is_multiple_of(100);
    for index in 0..arguments.nodes {
        let marked = shape == Shape::Marked && index.is_multiple_of(250);
        let more: &[(&str, &str)] = if marked { &[(MAINTENANCE, "true")] } else { &[] };
        let taint = || Taint { key: "closed".into(), value: "".into(), effect: Effect::NoSchedule };
        let taints = if is_closed(index) { [taint()].into() } else { Box::default() };
        engine.set_node(Arc::new(node(index, more, taints)));
    }
    // A full node stands in the row three times.
    let places: Vec<usize> = (0..arguments.nodes)
        .filter(|index| !is_closed(*index))
        .flat_map(|index| {
            let times = if shape == Shape::Uneven && index.is_multiple_of(10) { 3 } else { 1 };
            std::iter::repeat_n(index, times)
        })
        .collect();
    for number in 0..arguments.pods {
        let name = node_name(places[number % places.len()]);
        engine.set_placed_pod(Arc::new(pod(number, &name)), &name.as_str().into());
    }
    engine
}

struct Measured {
    fork: Duration,
    plan: Duration,
    made: Plan,
}

fn measure(engine: &Engine, runs: usize, work: &dyn Fn(&mut Engine) -> Plan) -> Measured {
    let mut all: Vec<Measured> = (0..runs.max(1))
        .map(|_| {
            let begun = Instant::now();
            let mut copy = engine.fork();
            let fork = begun.elapsed();
            let begun = Instant::now();
            let made = work(&mut copy);
            Measured { fork, plan: begun.elapsed(), made }
        })
        .collect();
    all.sort_by_key(|measured| measured.fork + measured.plan);
    all.swap_remove(all.len() / 2)
}

/// Makes a plan on a fork.
type Planning = dyn Fn(&mut Engine) -> Plan + Sync;

/// Decides pods for a while, one after the other as a scheduler does, and gives how many in a second. With `planning` another
/// thread asks for forks and plans on them, with such pauses; how often it did comes along.
fn decisions(engine: &mut Engine, time: Duration, planning: Option<(&Planning, Duration)>) -> (f64, usize) {
    /// Pods that are on nodes at a time.
    const STAY: usize = 1000;
    std::thread::scope(|scope| {
        let (asks, asked) = mpsc::channel::<mpsc::Sender<Engine>>();
        let planner = planning.map(|(planning, pause)| {
            scope.spawn(move || {
                let fork = || {
                    let (gives, given) = mpsc::channel();
                    asks.send(gives).ok()?;
                    given.recv().ok()
                };
                let mut plans = 0;
                while let Some(mut fork) = fork() {
                    planning(&mut fork);
                    drop(fork);
                    plans += 1;
                    std::thread::sleep(pause);
                }
                plans
            })
        });
        let mut placed = VecDeque::new();
        let mut decided: u32 = 0;
        let begun = Instant::now();
        while begun.elapsed() < time {
            if let Ok(gives) = asked.try_recv() {
                drop(gives.send(engine.fork()));
            }
            let mut pod = pod(decided as usize % 400, "");
            pod.uid = format!("new-{decided}").as_str().into();
            pod.node_name = None;
            let pod = Arc::new(pod);
            let node = engine.decide(&pod, 1, Depth::Decide).node.expect("there is room");
            engine.assume(&pod, &node);
            placed.push_back(pod.uid.clone());
            if placed.len() > STAY
                && let Some(gone) = placed.pop_front()
            {
                engine.remove_pod(&gone);
            }
            decided += 1;
        }
        let took = begun.elapsed();
        drop(asked);
        let plans = planner.map_or(0, |planner| planner.join().expect("no plan panics"));
        for gone in placed {
            engine.remove_pod(&gone);
        }
        (f64::from(decided) / took.as_secs_f64(), plans)
    })
}

fn main() {
    let arguments = Arguments::parse();
    let situation = Situation { now: i64::MAX / 2, ..Situation::default() };
    let options = |strategy: Strategy, limits: Limits| Options {
        strategies: vec![strategy],
        limits,
        // Pods of this cluster are small beside its nodes.
        min_gain: 1.0,
        ..Options::default()
    };
    let limits = Options::default().limits;
    let many = Limits { round: Some(500), ..Limits::default() };
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["plan", "moves", "looked at", "fork ms", "plan ms", "difference before", "after"]);
    let mut row = |name: &str, measured: &Measured| {
        let Measured { fork, plan, made } = measured;
        let ms = |time: &Duration| format!("{:.1}", time.as_secs_f64() * 1000.0);
        let looked: u64 = made.skipped.iter().map(|skipped| skipped.pods).sum();
        table.add_row([
            name.to_owned(),
            made.moves.len().to_string(),
            (looked + made.moves.len() as u64).to_string(),
            ms(fork),
            ms(plan),
            format!("{:.1}", made.before.difference),
            format!("{:.1}", made.after.difference),
        ]);
    };
    let own = |options: Options| {
        let situation = situation.clone();
        move |fork: &mut Engine| plan(fork, &situation, &options)
    };
    let balancing = |limits: Limits| own(options(Strategy::LoadBalancing, limits));
    let even = cluster(Shape::Even, &arguments);
    row("at rest", &measure(&even, arguments.runs, &balancing(limits)));
    drop(even);
    let closed = cluster(Shape::Closed, &arguments);
    row("only nodes that take nobody are empty", &measure(&closed, arguments.runs, &balancing(limits)));
    drop(closed);
    let uneven = cluster(Shape::Uneven, &arguments);
    row("LoadBalancing, limits as they are", &measure(&uneven, arguments.runs, &balancing(limits)));
    row("LoadBalancing, 500 moves", &measure(&uneven, arguments.runs, &balancing(many)));
    let relief =
        Options { cpu_threshold: 60.0, memory_threshold: 60.0, ..options(Strategy::ResourceOptimization, many) };
    row("ResourceOptimization, 500 moves", &measure(&uneven, arguments.runs, &own(relief)));
    let thresholds = |percent: f64| BTreeMap::from([("cpu".to_owned(), percent), ("memory".to_owned(), percent)]);
    let low = LowNodeUtilizationArgs {
        thresholds: thresholds(50.0),
        target_thresholds: thresholds(60.0),
        ..LowNodeUtilizationArgs::default()
    };
    let profile = Profile { steps: vec![Step::LowNodeUtilization(low)], ..Profile::default() };
    let descheduler = Policy { limits: many, profiles: vec![profile], ..Policy::default() };
    let by_policy = |fork: &mut Engine| {
        policy::plan(fork, &situation, &descheduler, &BTreeMap::new()).expect("no class is named in it")
    };
    row("descheduler's LowNodeUtilization, 500 moves", &measure(&uneven, arguments.runs, &by_policy));
    let mut uneven = uneven;
    let busy = balancing(many);
    let time = Duration::from_secs(arguments.seconds);
    let mut slowed = Vec::new();
    for pause in [Duration::ZERO, Duration::from_secs(1)] {
        let mut rounds: Vec<(f64, f64, usize)> = (0..arguments.runs.max(1))
            .map(|_| {
                let (alone, _) = decisions(&mut uneven, time, None);
                let (meanwhile, plans) = decisions(&mut uneven, time, Some((&busy, pause)));
                (alone, meanwhile, plans)
            })
            .collect();
        rounds.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
        slowed.push((pause, rounds[rounds.len() / 2]));
    }
    drop(uneven);
    let marked = cluster(Shape::Marked, &arguments);
    let empty = own(options(Strategy::NodeMaintenance, Limits::default()));
    row("NodeMaintenance, no limits", &measure(&marked, arguments.runs, &empty));
    for column in 1..7 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    println!("{} nodes, {} pods, {} threads", arguments.nodes, arguments.pods, arguments.parallelism);
    println!("{table}");
    for (pause, (alone, meanwhile, plans)) in slowed {
        println!(
            "decisions a second: {alone:.0} alone, {meanwhile:.0} while 500 moves are planned {plans} times in {} s with pauses of {} s: {:.1} % fewer",
            arguments.seconds,
            pause.as_secs(),
            100.0 * (1.0 - meanwhile / alone)
        );
    }
}
