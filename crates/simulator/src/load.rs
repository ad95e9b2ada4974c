//! From paths to a [`Cluster`]: read, filled in, admitted, expanded, compiled.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use loadline_api::doc::Problem;
use loadline_api::intake::{Intake, load as read_all};
use loadline_api::wire::Object;

use crate::Progress;
use crate::cluster::{Builder, Cluster};

/// What to read.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Files, folders, or `-` for standard input.
    pub paths: Vec<PathBuf>,
    /// Let objects of a later path take the place of those of an earlier one.
    pub replace: bool,
    /// Go on without the objects that are wrong.
    pub keep_going: bool,
}

/// A cluster, and what was left out of it.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The cluster.
    pub cluster: Cluster,
    /// Number of objects of each kind that a scheduler has no use for.
    pub ignored: BTreeMap<String, u64>,
    /// Everything that is wrong; with `keep_going` these objects were left out.
    pub problems: Vec<Problem>,
    /// What took the place of something else, a line each.
    pub replaced: Vec<String>,
    /// What a user should know although nothing is wrong.
    pub warnings: Vec<String>,
}

/// Reads a cluster.
///
/// # Errors
/// All problems, when there are any and `keep_going` is off.
pub fn load(
    options: &LoadOptions,
    stdin: &mut dyn Read,
    progress: &mut dyn FnMut(Progress),
) -> Result<Loaded, Vec<Problem>> {
    let mut builder = Builder::default();
    let bytes_total = options.paths.iter().filter_map(|path| path.metadata().ok()).map(|meta| meta.len()).sum();
    let file = options.paths.first().map_or_else(String::new, |path| path.display().to_string());
    let mut objects = 0_u64;
    let found = read_all(&options.paths, options.replace, stdin, &mut |place, object| {
        objects += 1;
        if objects.is_multiple_of(4096) {
            progress(Progress::Reading { file: file.clone(), objects, bytes_total });
        }
        builder.add(place, &object);
    });
    progress(Progress::Reading { file, objects, bytes_total });
    let mut summary = found.summary;
    if summary.is_empty() && summary.problems.is_empty() {
        // A pipe from a command that failed looks like this: it must not pass for a cluster in which all is well.
        let input = options.paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
        summary.problems.push(Problem::of_file(&input, "no Kubernetes object in the input"));
    }
    if !summary.problems.is_empty() && (!options.keep_going || summary.is_empty()) {
        return Err(summary.problems);
    }
    let mut cluster = builder.finish(&found.missing);
    cluster.vacated = found.vacated as u64;
    let mut warnings = found.warnings;
    if cluster.node_count() == 0 {
        warnings.push("no Node in the input: no pod can be placed".to_owned());
    } else {
        warnings.extend(on_unknown_nodes(&cluster));
    }
    Ok(Loaded {
        cluster,
        ignored: summary.ignored.into_iter().map(|(kind, count)| (kind, count as u64)).collect(),
        problems: summary.problems,
        replaced: found.replaced,
        warnings,
    })
}

/// Pods of nodes that are not in the input count for nothing.
fn on_unknown_nodes(cluster: &Cluster) -> Option<String> {
    const NAMED: usize = 3;
    let unknown = cluster.unknown_nodes();
    let (pods, verb) = match unknown.values().sum() {
        0_u64 => return None,
        1 => ("1 pod is".to_owned(), "it takes"),
        pods => (format!("{pods} pods are"), "they take"),
    };
    let names: Vec<String> = unknown.keys().take(NAMED).map(|name| format!("`{name}`")).collect();
    let (names, more) = (names.join(", "), unknown.len().saturating_sub(NAMED));
    Some(match unknown.len() {
        1 => format!("{pods} on node {names}, which is not in the input; {verb} no room"),
        _ if more == 0 => format!("{pods} on nodes that are not in the input ({names}); {verb} no room"),
        _ => format!("{pods} on nodes that are not in the input ({names} and {more} more); {verb} no room"),
    })
}

/// A cluster of objects that are at hand already, filled in and expanded like those of files.
///
/// # Errors
/// What the API server would refuse, one line each.
pub fn of_objects(objects: Vec<Object>) -> Result<Cluster, Vec<String>> {
    let mut builder = Builder::default();
    let mut intake = Intake::new();
    for object in objects {
        intake.push(object, &mut |place, object| builder.add(place, &object));
    }
    let finished = intake.finish(&mut |place, object| builder.add(place, &object));
    if finished.refused.is_empty() {
        Ok(builder.finish(&finished.missing))
    } else {
        Err(finished.refused.into_iter().map(|refusal| refusal.message).collect())
    }
}
