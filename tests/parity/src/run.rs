//! A run: many clusters, each put before the referee and before our judges.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::json;
use thiserror::Error;

use crate::compare::{Difference, Tally, compare};
use crate::coverage::Coverage;
use crate::generate::{Profile, generate};
use crate::judge::{Judge, JudgeKind};
use crate::protocol::{Answer, Request};
use crate::referee::{Referee, RefereeError};

/// How many differences of one cluster a report shows.
const SHOWN: usize = 20;

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Profiles and seeds: one cluster each.
    pub clusters: Vec<(Profile, u64)>,
    /// Where to write clusters with differences.
    pub dump: Option<PathBuf>,
    /// How many clusters are judged at once; each takes a referee of its own.
    pub threads: usize,
    /// Start no further cluster after the first difference.
    pub stop_early: bool,
}

/// A cluster where we differ.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Profile.
    pub profile: Profile,
    /// Seed.
    pub seed: u64,
    /// The judge that differs.
    pub judge: &'static str,
    /// How.
    pub differences: Vec<Difference>,
    /// Where the cluster was written.
    pub dump: Option<PathBuf>,
}

/// What a run found.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Clusters judged.
    pub clusters: usize,
    /// How much was compared.
    pub tally: Tally,
    /// Clusters with differences, in the plan's order.
    pub failures: Vec<Failure>,
    /// What the clusters exercised.
    pub coverage: Coverage,
}

/// Why a run could not be finished.
#[derive(Debug, Error)]
pub enum RunError {
    /// The referee gave no answer.
    #[error(transparent)]
    Referee(#[from] RefereeError),
    /// A cluster with differences could not be written.
    #[error("can not write {path}: {source}")]
    Dump {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Judges all clusters of the plan. `progress` is told the number of clusters done.
pub fn run(plan: &Plan, judges: &[JudgeKind], progress: &(dyn Fn(usize) + Sync)) -> Result<Summary, RunError> {
    let (next, done, stop) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let total = Mutex::new(Summary::default());
    let worker = || -> Result<(), RunError> {
        let mut referee = Referee::start()?;
        let mut judges: Vec<_> = judges.iter().map(|kind| (kind.name, (kind.make)())).collect();
        while !stop.load(Ordering::Relaxed) {
            let Some((profile, seed)) = plan.clusters.get(next.fetch_add(1, Ordering::Relaxed)) else {
                break;
            };
            let one = cluster(*profile, *seed, &mut referee, &mut judges, plan.dump.as_deref())?;
            stop.fetch_or(plan.stop_early && !one.failures.is_empty(), Ordering::Relaxed);
            total.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take_in(one);
            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
        }
        Ok(())
    };
    let results: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..plan.threads.max(1)).map(|_| scope.spawn(worker)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    results.into_iter().collect::<Result<(), _>>()?;
    let mut summary = total.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    // Threads finish in any order.
    summary.failures.sort_by_key(|failure| (failure.profile, failure.seed, failure.judge));
    Ok(summary)
}

fn cluster(
    profile: Profile,
    seed: u64,
    referee: &mut Referee,
    judges: &mut [(&'static str, Box<dyn Judge>)],
    dump: Option<&Path>,
) -> Result<Summary, RunError> {
    let request = generate(profile, seed);
    let answer = referee.ask(&request)?;
    let mut summary = Summary { clusters: 1, ..Summary::default() };
    summary.coverage.add(profile, &request, &answer);
    for (judge, ours) in judges {
        let (differences, tally) = match ours.judge(&request) {
            Ok(judged) => compare(&request, &answer, &judged),
            Err(message) => (vec![refused(message)], Tally::default()),
        };
        summary.tally += tally;
        if differences.is_empty() {
            continue;
        }
        let file = dump.map(|folder| write(folder, judge, &request, &answer, &differences)).transpose()?;
        summary.failures.push(Failure { profile, seed, judge, differences, dump: file });
    }
    Ok(summary)
}

fn refused(message: String) -> Difference {
    Difference {
        pod: String::new(),
        node: String::new(),
        what: "the whole request".to_owned(),
        expected: "decisions".to_owned(),
        found: message,
    }
}

fn write(
    folder: &Path,
    judge: &str,
    request: &Request,
    answer: &Answer,
    differences: &[Difference],
) -> Result<PathBuf, RunError> {
    let path = folder.join(format!("{}-{judge}.json", request.id.replace('/', "-")));
    let differences: Vec<_> = differences.iter().map(ToString::to_string).collect();
    let value = json!({"differences": differences, "request": request, "answer": answer});
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&path, format!("{value:#}\n")))
        .map_err(|source| RunError::Dump { path: path.clone(), source })?;
    Ok(path)
}

impl Summary {
    fn take_in(&mut self, other: Self) {
        self.clusters += other.clusters;
        self.tally += other.tally;
        self.failures.extend(other.failures);
        self.coverage.merge(other.coverage);
    }

    /// The number of differences over all clusters and judges.
    pub fn differences(&self) -> usize {
        self.failures.iter().map(|failure| failure.differences.len()).sum()
    }

    /// Every failure with its first differences and how to see it again; empty when there is none.
    pub fn report(&self) -> String {
        let mut text = String::new();
        for failure in &self.failures {
            let Failure { profile, seed, judge, .. } = failure;
            let count = failure.differences.len();
            // Writing to a string does not fail.
            let _ = writeln!(text, "{profile}/{seed} ({judge}): {count} differences");
            for difference in failure.differences.iter().take(SHOWN) {
                let _ = writeln!(text, "  {difference}");
            }
            if count > SHOWN {
                let _ = writeln!(text, "  … and {} more", count - SHOWN);
            }
            let _ = writeln!(text, "  again: cargo xtask parity --profile {profile} --seed {seed} --clusters 1");
            if let Some(path) = &failure.dump {
                let _ = writeln!(text, "  written to {}", path.display());
            }
        }
        text
    }

    /// One line with what was compared.
    pub fn line(&self) -> String {
        let Tally { pods, nodes, scores, candidates } = self.tally;
        format!(
            "{} clusters: compared {pods} pods, {nodes} nodes, {scores} scores, {candidates} candidates for preemption: {} differences",
            self.clusters,
            self.differences()
        )
    }
}
