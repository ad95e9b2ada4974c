//! A small world for gangs: nodes of cpu alone, and effects that are performed when a test says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use loadline_engine::{Attempt, Effect, Event, Scheduler, Settings};
use loadline_framework::record::{GangRecord, GangState};
use loadline_framework::{
    DefaultProfile, Descriptor, ExtensionPoint, Plugin, PreBind, PreBindStep, ProfilePlugin, Profiles, Status,
    no_further_checks,
};
use loadline_model::{GroupApi, GroupKey, NodeSpec, PodGroupInfo, PodHealth, PodInfo, Str, Time};
use loadline_parity::profiles;

use crate::preemption::{cpu, pod};

pub(crate) const SECOND: Time = 1_000_000_000;

/// With Coscheduling in the place of PrioritySort, and these arguments.
pub(crate) fn config(args: &str) -> String {
    format!(
        "\
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- plugins:
    multiPoint:
      enabled: [{{name: Coscheduling}}]
      disabled: [{{name: PrioritySort}}]
  pluginConfig:
  - name: Coscheduling
    args: {{{args}}}
"
    )
}

/// What PreBind says of pods, by name.
pub(crate) type Verdicts = Arc<Mutex<BTreeMap<String, PreBindStep>>>;

struct Guard(Verdicts);

impl PreBind for Guard {
    fn pre_bind(&self, pod: &PodInfo, _: &Str, _: Time) -> PreBindStep {
        let verdicts = self.0.lock().expect("nobody panics with it");
        verdicts.get(pod.name.as_str()).cloned().unwrap_or(PreBindStep::Done)
    }
}

static GUARD: Descriptor = Descriptor {
    name: "Guard",
    help: "",
    points: &[ExtensionPoint::PreBind],
    default_profile: DefaultProfile::Absent,
    args: &[],
    validate: no_further_checks,
    events: &[],
    build: |_| Err(Vec::new()),
};

pub(crate) fn guarded_profiles(config: &str, verdicts: &Verdicts) -> Profiles {
    let mut profiles = profiles(config).expect("the configuration is valid");
    let profile = profiles.profiles.pop().and_then(Arc::into_inner);
    let mut profile = profile.expect("nobody else has it");
    profile.pre_bind.push(profile.plugins.len());
    let plugin = Plugin::new("Guard").with_pre_bind(Guard(verdicts.clone()));
    profile.plugins.push(ProfilePlugin { plugin, descriptor: &GUARD });
    profiles.profiles.push(Arc::new(profile));
    profiles
}

pub(crate) struct World {
    pub(crate) scheduler: Scheduler,
    pub(crate) now: Time,
    pub(crate) verdicts: Verdicts,
    /// Effects that nobody has performed, Bind apart.
    pub(crate) told: Vec<Effect>,
    /// Bind effects that are not answered.
    pub(crate) binds: Vec<(Arc<PodInfo>, Str)>,
    /// Pods as the API has them.
    pub(crate) pods: BTreeMap<Str, Arc<PodInfo>>,
}

pub(crate) fn key(name: &str) -> GroupKey {
    GroupKey { namespace: "default".into(), name: name.into(), api: GroupApi::Crd }
}

pub(crate) fn gang(name: &str, minimum: u32) -> PodGroupInfo {
    PodGroupInfo::gang(key(name), minimum)
}

/// A pod of a gang, named `GANG-NUMBER`.
pub(crate) fn member(gang: &str, number: usize, milli_cpu: i64, priority: i32) -> Arc<PodInfo> {
    let one = PodInfo::clone(&pod(&format!("{gang}-{number}"), milli_cpu, priority, None));
    Arc::new(PodInfo { pod_group: Some(Arc::new(key(gang))), ..one })
}

impl World {
    pub(crate) fn new(args: &str) -> Self {
        Self::with(&config(args), Settings::default())
    }

    pub(crate) fn with(config: &str, settings: Settings) -> Self {
        let verdicts = Verdicts::default();
        let scheduler = Scheduler::new(guarded_profiles(config, &verdicts), settings);
        Self { scheduler, now: SECOND, verdicts, told: Vec::new(), binds: Vec::new(), pods: BTreeMap::new() }
    }

    /// A scheduler that begins anew and is told what the API has.
    pub(crate) fn restarted(&self, groups: &[PodGroupInfo], nodes: &[(&str, i64)]) -> Self {
        let mut world = Self { now: self.now, pods: BTreeMap::new(), ..Self::new("") };
        for (name, milli_cpu) in nodes {
            world.node(name, *milli_cpu);
        }
        for group in groups {
            world.apply(Event::PodGroup(group.clone()));
        }
        for pod in self.pods.values() {
            world.add(pod.clone());
        }
        world
    }

    pub(crate) fn apply(&mut self, event: Event) {
        self.scheduler.apply(event, self.now);
        self.is_sound();
    }

    pub(crate) fn is_sound(&self) {
        let findings = self.scheduler.findings();
        assert!(findings.is_sound(), "{:?}", findings.broken);
    }

    pub(crate) fn node(&mut self, name: &str, milli_cpu: i64) {
        self.labelled_node(name, milli_cpu, &[]);
    }

    pub(crate) fn labelled_node(&mut self, name: &str, milli_cpu: i64, labels: &[(&str, &str)]) {
        let labels = Arc::new(labels.iter().copied().collect());
        let allocatable = cpu(milli_cpu);
        let node = NodeSpec { name: name.into(), allocatable, allowed_pods: 200, labels, ..NodeSpec::default() };
        self.apply(Event::Node(Arc::new(node)));
    }

    pub(crate) fn add(&mut self, pod: Arc<PodInfo>) {
        self.pods.insert(pod.uid.clone(), pod.clone());
        self.apply(Event::Pod(pod));
    }

    /// So many members of a gang that exists.
    pub(crate) fn members(&mut self, name: &str, count: usize, milli_cpu: i64) {
        for number in 0..count {
            self.add(member(name, number, milli_cpu, 0));
        }
    }

    /// A gang with all of its pods.
    pub(crate) fn whole(&mut self, name: &str, count: usize, milli_cpu: i64) {
        self.whole_of(name, count, milli_cpu, 0);
    }

    /// The same with this priority.
    pub(crate) fn whole_of(&mut self, name: &str, count: usize, milli_cpu: i64, priority: i32) {
        self.apply(Event::PodGroup(gang(name, count as u32)));
        for number in 0..count {
            self.add(member(name, number, milli_cpu, priority));
        }
    }

    pub(crate) fn gone(&mut self, uid: &str) {
        self.pods.remove(uid);
        self.apply(Event::PodGone(uid.into()));
    }

    /// A placed pod ends; a member's end is told by those who follow finished members.
    pub(crate) fn finish(&mut self, uid: &str) {
        self.end(uid, "Succeeded");
    }

    /// The same in a phase.
    pub(crate) fn end(&mut self, uid: &str, phase: &str) {
        let pod = self.pods.get(uid).expect("it exists").clone();
        let health = Some(Arc::new(PodHealth { phase: phase.into(), ..PodHealth::default() }));
        let finished = Arc::new(PodInfo { finished: true, health, ..PodInfo::clone(&pod) });
        self.pods.insert(pod.uid.clone(), finished.clone());
        if pod.pod_group.is_some() {
            self.apply(Event::MemberFinished(finished));
        }
        self.apply(Event::PodGone(pod.uid.clone()));
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Bind { pod, node, .. } => self.binds.push((pod, node)),
                other => self.told.push(other),
            }
        }
        self.is_sound();
    }

    /// Lets the clock tick, and decides until nothing is left to be tried now.
    pub(crate) fn run(&mut self) -> Vec<Attempt> {
        let effects = self.scheduler.tick(self.now);
        self.take(effects);
        let mut attempts = Vec::new();
        while let Some((attempt, effects)) = self.scheduler.schedule_one(self.now) {
            self.take(effects);
            attempts.push(attempt);
            self.now += 1;
            assert!(attempts.len() < 10_000, "it goes in circles");
            // Those in backoff would come for ever.
            if self.scheduler.queue().counts().active == 0 {
                break;
            }
        }
        attempts
    }

    pub(crate) fn wait(&mut self, seconds: Time) -> Vec<Attempt> {
        self.now += seconds * SECOND;
        self.run()
    }

    /// Answers all bindings: they succeed, and the watch tells.
    pub(crate) fn bind_all(&mut self) -> BTreeSet<String> {
        let binds = std::mem::take(&mut self.binds);
        for (pod, node) in &binds {
            let effects = self.scheduler.bound(&pod.uid, Ok(()), self.now);
            self.take(effects);
            let (node_name, started) = (Some(node.clone()), Some(self.now));
            let placed = Arc::new(PodInfo { node_name, started, ..PodInfo::clone(pod) });
            self.pods.insert(placed.uid.clone(), placed.clone());
            self.apply(Event::Pod(placed));
        }
        binds.into_iter().map(|(pod, _)| pod.name.to_string()).collect()
    }

    /// Runs, and binds what was decided.
    pub(crate) fn settle(&mut self) -> BTreeSet<String> {
        self.run();
        self.bind_all()
    }

    /// Number of pods that hold room without being bound.
    pub(crate) fn held(&self) -> usize {
        self.scheduler.engine().cluster().assumed_count()
    }

    pub(crate) fn record(&self, name: &str) -> GangRecord {
        self.scheduler.gang(&key(name), self.now).expect("the gang is known")
    }

    pub(crate) fn state(&self, name: &str) -> GangState {
        self.record(name).state
    }

    /// Deletes the victims that were asked to go. Returns their names.
    pub(crate) fn delete_victims(&mut self) -> BTreeSet<String> {
        let told = std::mem::take(&mut self.told);
        let mut names = BTreeSet::new();
        for effect in told {
            if let Effect::DeleteVictims { preemptor, victims, .. } = effect {
                for victim in &victims {
                    names.insert(victim.name.to_string());
                    self.gone(&victim.uid);
                }
                if let Some(last) = victims.last() {
                    self.scheduler.release(&preemptor.uid, &last.uid, self.now);
                }
            }
        }
        names
    }

    /// Reasons and texts of what was told of groups since this was asked last.
    pub(crate) fn group_events(&mut self) -> Vec<(&'static str, String)> {
        let told = std::mem::take(&mut self.told).into_iter();
        told.filter_map(|effect| match effect {
            Effect::RecordGroupEvent { reason, note, .. } => Some((reason, note)),
            _ => None,
        })
        .collect()
    }

    pub(crate) fn pre_bind(&self, name: &str, step: PreBindStep) {
        self.verdicts.lock().expect("nobody panics with it").insert(name.to_owned(), step);
    }

    pub(crate) fn refuse_pre_bind(&self, name: &str) {
        self.pre_bind(name, PreBindStep::Fail(Status::error("the disk is on fire")));
    }
}

pub(crate) fn names(gang: &str, count: usize) -> BTreeSet<String> {
    (0..count).map(|number| format!("{gang}-{number}")).collect()
}
