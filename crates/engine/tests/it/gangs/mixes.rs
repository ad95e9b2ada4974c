//! Random mixes of gangs and other pods: whatever happens, no gang is placed in part, nothing is held by one that waits, nobody waits for
//! longer than the deadline, and all of it is the same on any number of threads and with nothing kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use loadline_engine::{Effect, Event, Settings};
use loadline_framework::record::GangState;
use loadline_framework::{PreBindStep, Status};
use loadline_model::{Labels, PodGroupInfo, PodInfo, Str, Time};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::world::{SECOND, World, config, gang, member};
use crate::preemption::pod;

const STORIES: u64 = 500;
/// Longest life of a pod, seconds.
const LONGEST: i64 = 40;
const RESERVE_AFTER: i64 = 60;

/// Something that will happen.
#[derive(Clone, Debug)]
enum Planned {
    Group(PodGroupInfo),
    Pod(Arc<PodInfo>),
    Deleted(Str),
    /// PreBind refuses the pod of this name for a while.
    Refuse(String),
    Accept(String),
}

struct Story {
    /// What happens, by second.
    events: BTreeMap<i64, Vec<Planned>>,
    nodes: Vec<(String, i64, &'static str)>,
    /// Members at least by gang, and how many it has.
    gangs: BTreeMap<String, (u32, usize)>,
    /// Every so-manieth answer to a Bind is a refusal.
    refuses: usize,
    /// Whether anybody is deleted, refused, or not placed by itself.
    is_calm: bool,
}

fn story(seed: u64) -> Story {
    let mut dice = Pcg64::seed_from_u64(seed);
    let node_count = dice.random_range(2..6);
    let nodes: Vec<(String, i64, &'static str)> = (0..node_count)
        .map(|number| {
            let rack = if number % 2 == 0 { "even" } else { "odd" };
            (format!("n{number}"), dice.random_range(2..6) * 1000, rack)
        })
        .collect();
    let largest = nodes.iter().map(|(_, milli_cpu, _)| *milli_cpu).max().unwrap_or(0);
    let is_calm = dice.random_bool(0.5);
    let mut story = Story { events: BTreeMap::new(), nodes, gangs: BTreeMap::new(), refuses: usize::MAX, is_calm };
    if !is_calm {
        story.refuses = dice.random_range(2..9);
    }
    for number in 0..dice.random_range(2..6) {
        let name = format!("g{number}");
        let count: usize = dice.random_range(1..6);
        let minimum = dice.random_range(1..=count) as u32;
        let at: i64 = dice.random_range(0..60);
        let mut group = gang(&name, minimum);
        if dice.random_bool(0.2) {
            group.preferred_topology = Some("rack".into());
        }
        if !is_calm && dice.random_bool(0.2) {
            group.required_topology = Some("rack".into());
        }
        let spread: i64 = dice.random_range(0..10);
        story.at(at + dice.random_range(0..=spread)).push(Planned::Group(group));
        let priority = if is_calm { 0 } else { dice.random_range(0..3) };
        for index in 0..count {
            let milli_cpu = (dice.random_range(1..5_i64) * 500).min(largest);
            let mut one = PodInfo::clone(&member(&name, index, milli_cpu, priority));
            if dice.random_bool(0.15) {
                one.node_selector = [("rack", "even")].into_iter().collect::<Labels>();
            }
            let one = Arc::new(one);
            let when = at + dice.random_range(0..=spread);
            if !is_calm && dice.random_bool(0.1) {
                story.at(when + dice.random_range(1..20)).push(Planned::Deleted(one.uid.clone()));
            }
            if !is_calm && dice.random_bool(0.1) {
                story.at(0).push(Planned::Refuse(one.name.to_string()));
                story.at(when + dice.random_range(1..40)).push(Planned::Accept(one.name.to_string()));
            }
            story.at(when).push(Planned::Pod(one));
        }
        story.gangs.insert(name, (minimum, count));
    }
    for number in 0..dice.random_range(0..40) {
        let milli_cpu = (dice.random_range(1..4_i64) * 500).min(largest);
        let priority = if is_calm { 0 } else { dice.random_range(0..2) };
        let at = dice.random_range(0..200);
        story.at(at).push(Planned::Pod(pod(&format!("s{number}"), milli_cpu, priority, None)));
    }
    story
}

impl Story {
    fn at(&mut self, second: i64) -> &mut Vec<Planned> {
        self.events.entry(second).or_default()
    }
}

/// Lives through a story. Returns everything that was wanted and said, as text.
fn live(seed: u64, story: &Story, parallelism: usize, keeps: bool) -> String {
    let args = format!("reserveAfterSeconds: {RESERVE_AFTER}, reserveForSeconds: 100, permitWaitingTimeSeconds: 15");
    let settings = Settings { seed, parallelism, ..Settings::default() };
    let mut world = World::with(&config(&args), settings);
    world.scheduler.engine_mut().set_keeping(keeps);
    let begin = world.now;
    for (name, milli_cpu, rack) in &story.nodes {
        world.labelled_node(name, *milli_cpu, &[("rack", *rack)]);
    }
    let mut log = String::new();
    let mut ends: BTreeMap<Time, Vec<Str>> = BTreeMap::new();
    let mut deleted: BTreeSet<Str> = BTreeSet::new();
    let mut answers = 0_usize;
    let mut sent: BTreeSet<Str> = BTreeSet::new();
    let last = story.events.keys().last().copied().unwrap_or(0);
    // Each gang has its turn, and what runs then has ended.
    let end = last + (story.gangs.len() as i64 + 1) * (RESERVE_AFTER + LONGEST + 30);
    for second in 0..end {
        world.now = world.now.max(begin + second * SECOND);
        for event in story.events.get(&second).into_iter().flatten() {
            match event.clone() {
                Planned::Group(group) => world.apply(Event::PodGroup(group)),
                Planned::Pod(pod) if deleted.contains(&pod.uid) => {}
                Planned::Pod(pod) => world.add(pod),
                Planned::Deleted(uid) => {
                    deleted.insert(uid.clone());
                    world.gone(&uid);
                }
                Planned::Refuse(name) => world.pre_bind(&name, PreBindStep::Fail(Status::error("refused"))),
                Planned::Accept(name) => world.pre_bind(&name, PreBindStep::Done),
            }
        }
        let over: Vec<Time> = ends.range(..=world.now).map(|(at, _)| *at).collect();
        for at in over {
            for uid in ends.remove(&at).into_iter().flatten() {
                if world.pods.get(&uid).is_some_and(|pod| !pod.finished) {
                    world.finish(&uid);
                }
            }
        }
        world.run();
        whole_or_nothing(&world, story, &mut sent, &mut log);
        let binds = std::mem::take(&mut world.binds);
        for (pod, node) in binds {
            answers += 1;
            if answers.is_multiple_of(story.refuses) {
                let effects = world.scheduler.bound(&pod.uid, Err("refused".into()), world.now);
                log_effects(&effects, &mut log);
                world.told.extend(effects);
                continue;
            }
            world.binds = vec![(pod.clone(), node)];
            world.bind_all();
            let life = 5 + (pod.uid.len() as i64 * 7 + pod.requests.usage.milli_cpu / 100) % (LONGEST - 5);
            ends.entry(world.now + life * SECOND).or_default().push(pod.uid.clone());
        }
        log_effects(&world.told, &mut log);
        for victim in world.delete_victims() {
            let _ = writeln!(log, "{second} gone {victim}");
        }
        world.told.clear();
        world.scheduler.trim();
        assert_eq!(world.held(), world.scheduler.in_flight(), "seed {seed}: room is held for nobody");
    }
    if story.is_calm {
        all_had_their_turn(&world, story, seed);
    }
    log
}

/// Bindings of a gang go out for as many members as it lacks, at least.
fn whole_or_nothing(world: &World, story: &Story, sent: &mut BTreeSet<Str>, log: &mut String) {
    let mut begun: BTreeSet<&str> = BTreeSet::new();
    for (pod, node) in &world.binds {
        let _ = writeln!(log, "{} bind {} {node}", world.now, pod.name);
        // One that is tried again may find that others have gone meanwhile.
        let is_first = sent.insert(pod.uid.clone());
        if let Some(key) = pod.pod_group.as_ref().filter(|_| is_first) {
            begun.insert(&key.name);
        }
    }
    for name in begun {
        let record = world.record(name);
        let (minimum, _) = story.gangs[name];
        assert!(
            record.placed + record.finished >= minimum,
            "{name} is placed in part: {} of {minimum}",
            record.placed + record.finished
        );
    }
    for name in story.gangs.keys() {
        let Some(record) = world.scheduler.gang(&super::world::key(name), world.now) else { continue };
        if record.state == GangState::WaitsForRoom {
            let of_it = world.scheduler.engine().cluster().pods().filter(|cached| {
                cached.assumed && cached.pod.pod_group.as_ref().is_some_and(|key| *key.name == **name)
            });
            // One that is bound again on its room is the only thing that a gang holds.
            let held = of_it.count();
            assert!(held == 0 || record.placed as usize >= held, "{name} waits and holds {held}");
        }
    }
}

fn log_effects(effects: &[Effect], log: &mut String) {
    for effect in effects {
        let _ = match effect {
            Effect::Bind { pod, node, .. } => writeln!(log, "bind {} {node}", pod.name),
            Effect::DeleteVictims { victims, node, .. } => {
                let names: Vec<&str> = victims.iter().map(|victim| victim.name.as_str()).collect();
                writeln!(log, "victims {names:?} on {node}")
            }
            Effect::RecordEvent { pod, reason, note, .. } => writeln!(log, "{reason} {}: {note}", pod.name),
            Effect::RecordGroupEvent { group, reason, note, .. } => {
                writeln!(log, "{reason} {}: {note}", group.key.name)
            }
            Effect::PatchStatus { pod, condition, nominated_node_name } => {
                writeln!(log, "status {} {condition:?} {nominated_node_name:?}", pod.name)
            }
        };
    }
}

/// In a calm story every gang that fits into the empty cluster has been placed by the end.
fn all_had_their_turn(world: &World, story: &Story, seed: u64) {
    for (name, (minimum, count)) in &story.gangs {
        let record = world.record(name);
        let settled = record.placed + record.finished;
        if settled >= *minimum {
            continue;
        }
        // Only one that does not fit into the empty cluster either may still wait.
        let mut empty = World::new("");
        for (node, milli_cpu, rack) in &story.nodes {
            empty.labelled_node(node, *milli_cpu, &[("rack", *rack)]);
        }
        let events = story.events.values().flatten();
        for event in events {
            match event {
                Planned::Group(group) if *group.key.name == **name => empty.apply(Event::PodGroup(group.clone())),
                Planned::Pod(pod) if pod.pod_group.as_ref().is_some_and(|key| *key.name == **name) => {
                    empty.add(pod.clone());
                }
                _ => {}
            }
        }
        empty.run();
        assert!(empty.binds.is_empty(), "seed {seed}: {name} of {count} starved: {record:?}");
    }
}

#[test]
fn random_mixes_of_gangs_end_well_and_the_same_every_time() {
    let (mut placed, mut told) = (0, 0);
    for seed in 0..STORIES {
        let story = story(seed);
        let log = live(seed, &story, 1, true);
        placed += log.matches(" bind g").count();
        told += log.matches("room is kept for it").count();
        if seed % 5 == 0 {
            assert_eq!(live(seed, &story, 2, true), log, "seed {seed} on two threads");
            assert_eq!(live(seed, &story, 1, false), log, "seed {seed} with nothing kept");
        }
    }
    assert!(placed > 2000 && told > 20, "the stories tell something: {placed} placed, {told} reservations");
}
