//! Our engine as a [`Judge`].

use std::sync::Arc;

use loadline_api::read::Reader;
use loadline_api::wire::Object;
use loadline_engine::{Depth, Engine, Settings};
use loadline_framework::Profiles;
use loadline_framework::record::Outcome;
use loadline_model::PodInfo;
use loadline_simulator::{Cluster, judge, nominate_pending, of_objects};
use serde_json::json;

use crate::judge::{Judge, Judged};
use crate::protocol::{Candidate, Request};

/// Loads the cluster and decides, nothing kept from anything before.
pub(crate) struct Cold;

impl Judge for Cold {
    fn judge(&mut self, request: &Request) -> Result<Vec<Judged>, String> {
        let world = World::read(request)?;
        let mut engine =
            world.cluster.engine(world.profiles.clone(), Settings { parallelism: 1, ..Settings::default() });
        nominate_pending(&world.cluster, &world.profiles, &mut engine);
        world.judged.iter().map(|pod| Ok(judge_one(&mut engine, pod))).collect()
    }
}

/// A request as the engine takes it.
#[derive(Debug)]
pub struct World {
    /// The objects.
    pub cluster: Cluster,
    /// The configuration.
    pub profiles: Profiles,
    /// The pods to judge.
    pub judged: Vec<Arc<PodInfo>>,
}

impl World {
    /// Reads and compiles a request. An error says what is wrong with it.
    pub fn read(request: &Request) -> Result<Self, String> {
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": request.objects });
        let mut objects: Vec<Object> = Vec::new();
        let mut reader = Reader::new(|object| objects.push(object));
        reader.read_text(&list.to_string(), "request");
        let summary = reader.finish();
        if let Some(problem) = summary.problems.first() {
            return Err(format!("{} problems in the objects, the first: {problem}", summary.problems.len()));
        }
        let cluster = of_objects(objects).map_err(|refused| refused.join("; "))?;
        let profiles = profiles(&request.config)?;
        let find = |wanted: &String| {
            let mut pending = cluster.pending();
            pending.find(|pod| pod.full_name() == *wanted).cloned().ok_or_else(|| format!("no pending pod {wanted}"))
        };
        let judged = request.pods.iter().map(find).collect::<Result<_, _>>()?;
        Ok(Self { cluster, profiles, judged })
    }
}

/// A configuration text, compiled with all of our plugins.
pub fn profiles(text: &str) -> Result<Profiles, String> {
    let registry = loadline_plugins::registry();
    let joined = |problems: Vec<loadline_config::Problem>| {
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    let config = if text.is_empty() {
        loadline_config::default_config(&registry).map_err(joined)?
    } else {
        loadline_config::parse(text, "config", &registry).map_err(joined)?.config
    };
    loadline_config::compile(&config, &registry).map_err(joined)
}

pub(crate) fn judge_one(engine: &mut Engine, pod: &Arc<PodInfo>) -> Judged {
    let decision = judge(engine, pod);
    let tried = decision.result == Outcome::Unschedulable && decision.preemption.is_some();
    let candidates = if tried {
        let cycle = engine.decide(pod, 1, Depth::Explain);
        let dry_run =
            |what_if: &dyn loadline_framework::WhatIf| loadline_plugins::default_preemption::dry_run(pod, what_if);
        let candidates = engine.what_if(&cycle, dry_run).unwrap_or_default();
        candidates
            .into_iter()
            .map(|candidate| Candidate {
                node: candidate.node.to_string(),
                victims: candidate.victims.iter().map(|victim| victim.full_name()).collect(),
                num_pdb_violations: candidate.violations,
            })
            .collect()
    } else {
        Vec::new()
    };
    Judged { decision, candidates }
}
