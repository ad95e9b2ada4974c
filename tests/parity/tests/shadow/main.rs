//! The live scheduler, with the real kube-scheduler as its shadow.
//!
//! Loadline schedules pods of many kinds on a real API server. It tells everything that it takes in and decides, in its order, so
//! that the cluster can be put together as it was before each decision. That goes before the referee, with all nodes scored: the
//! choice has to be one of the best nodes or the nominated one, and what is said of a pod that fits nowhere, and who would have to
//! go for it, has to be what kube-scheduler says.

mod pods;
mod replay;

use std::time::Duration;

use loadline_fixture::ControlPlane;
use loadline_kubernetes::{Access, Connection, Fence, Live, LiveOptions, Originals, Witnessed};
use loadline_metrics::Metrics;
use loadline_parity::{Referee, fresh_seed};
use serde_json::{Deserializer, Value, json};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::pods::{Mix, REFUSED, refused, victims};
use crate::replay::{Replay, Tally};

/// So many pods at once, and all of them gone before the next: what goes before the referee grows with the pods that are there.
const PODS: usize = 200;
/// How often, unless [`ROUNDS_VARIABLE`] says otherwise.
const ROUNDS: usize = 2;
const ROUNDS_VARIABLE: &str = "LOADLINE_SHADOW_ROUNDS";

/// At least so much must have happened in each round, or agreement would mean little.
const FLOORS: Tally = Tally { decisions: 200, placed: 120, refused: 20, preemptions: 2, nominated: 1, doubted: 200 };

fn kubectl(server: &ControlPlane, arguments: &[&str], input: &str) -> String {
    server.kubectl(arguments, Some(input)).expect("kubectl succeeds")
}

/// Creates objects, and gives them as the API server has them now.
fn create(server: &ControlPlane, objects: &[Value]) -> Vec<Value> {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    documents(&kubectl(server, &["create", "--output=json", "-f", "-"], &list.to_string()))
}

/// Writes the status of objects, and gives them as the API server has them then.
fn with_status(server: &ControlPlane, objects: &[Value]) -> Vec<Value> {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    let arguments = ["replace", "--subresource=status", "--output=json", "-f", "-"];
    documents(&kubectl(server, &arguments, &list.to_string()))
}

/// What kubectl prints: one JSON document after another.
fn documents(text: &str) -> Vec<Value> {
    let documents = Deserializer::from_str(text).into_iter::<Value>().collect::<Result<_, _>>();
    documents.expect("kubectl prints JSON")
}

/// What stays as it is: nodes, namespaces, services and a disruption budget.
fn surroundings(server: &ControlPlane) -> Vec<Value> {
    let (mut budgets, mut objects): (Vec<Value>, Vec<Value>) =
        create(server, &pods::surroundings()).into_iter().partition(|object| object["kind"] == "PodDisruptionBudget");
    for budget in &mut budgets {
        budget["status"]["disruptionsAllowed"] = 1.into();
    }
    objects.extend(with_status(server, &budgets));
    // Pods have their priority in their spec by now.
    objects.retain(|object| object["kind"] != "PriorityClass");
    objects.extend(documents(&kubectl(server, &["get", "namespace", "default", "--output=json"], "")));
    objects
}

async fn start(server: &ControlPlane, witness: UnboundedSender<Witnessed>) -> Live {
    let access = Access { kubeconfig: Some(server.kubeconfig()), master: None };
    let metrics = Metrics::new();
    let connection = Connection::new(&access, None, &metrics).await.expect("the kubeconfig is right");
    let options = LiveOptions {
        parallelism: 2,
        seed: 0,
        max_in_unschedulable: 300_000_000_000,
        check_period: Duration::from_mins(15),
        // Longer than the test.
        refusal_backoff: 3_600_000_000_000,
        is_cold: false,
        metrics,
        witness: Some(witness),
        originals: Originals::default(),
    };
    let profiles = loadline_parity::profiles("").expect("the default profile compiles");
    let mut live = Live::start(&connection, &Fence::open(), profiles, &options).expect("it starts");
    live.lead();
    live
}

#[allow(clippy::panic, reason = "so a test fails")]
/// Hands on what is witnessed until the replay has seen enough.
fn follow(
    runtime: &Runtime,
    witnessed: &mut UnboundedReceiver<Witnessed>,
    replay: &mut Replay,
    is_enough: impl Fn(&Replay) -> bool,
) {
    while !is_enough(replay) {
        let next = runtime.block_on(async { timeout(Duration::from_mins(1), witnessed.recv()).await });
        let next = next.unwrap_or_else(|_| panic!("nothing happened for a minute, and {}", replay.lacks()));
        replay.take(next.expect("the scheduler has not ended"));
    }
}

#[test]
fn live_decisions_are_those_of_kube_scheduler() {
    let server = ControlPlane::start().expect("the control plane starts");
    let mut replay = Replay::new(Referee::start().expect("the referee starts"), surroundings(&server));
    let rounds = std::env::var(ROUNDS_VARIABLE).map_or(ROUNDS, |rounds| rounds.parse().expect("a number of rounds"));
    let seed = fresh_seed();
    println!("seed {seed}, {rounds} rounds");
    let mut mix = Mix::new(seed);
    let runtime = Runtime::new().expect("a runtime");
    let (sender, mut witnessed) = unbounded_channel();
    let live = runtime.block_on(start(&server, sender));

    for round in 0..rounds {
        // They are on their nodes already, and started one after another: kube-scheduler orders those that it may delete by that.
        let mut started = create(&server, &victims(round));
        for (number, pod) in started.iter_mut().enumerate() {
            let time = format!("2026-01-01T00:{:02}:00Z", number % 60);
            pod["status"] = json!({"phase": "Running", "startTime": time});
        }
        replay.expect(with_status(&server, &started));
        // Kubelets refuse some, and their nodes count for less from then on.
        let refused = create(&server, &refused(round));
        replay.expect(refused.clone());
        follow(&runtime, &mut witnessed, &mut replay, Replay::knows_all_placed);
        let failed = refused.into_iter().map(|mut pod| {
            pod["status"] = json!({"phase": "Failed", "reason": pod["metadata"]["annotations"]["reason"]});
            pod
        });
        with_status(&server, &failed.collect::<Vec<_>>());
        follow(&runtime, &mut witnessed, &mut replay, |replay| replay.refusals() == REFUSED * (round + 1));
        let pods: Vec<Value> = (0..PODS).map(|number| mix.pod(round, number)).collect();
        replay.expect(create(&server, &pods));
        follow(&runtime, &mut witnessed, &mut replay, Replay::has_decided_all);
        // First those that wait: each of the others that leaves would have them tried again.
        let all = ["delete", "pods", "--all-namespaces", "--force", "--grace-period=0"];
        for which in ["--field-selector=spec.nodeName=", "--all"] {
            kubectl(&server, &[all.as_slice(), &[which]].concat(), "");
        }
        follow(&runtime, &mut witnessed, &mut replay, Replay::is_empty);
        let differences = replay.differences();
        println!("after round {round}: {:?}, {} differences", replay.tally(), differences.len());
        assert!(differences.is_empty(), "seed {seed}: {}", differences.join("\n"));
    }
    runtime.block_on(live.stop()).expect("it ends well");

    let tally = replay.tally();
    assert!(tally.reaches(&FLOORS, rounds), "seed {seed}: {tally:?} is less than {rounds} times {FLOORS:?}");
}
