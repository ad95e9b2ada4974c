//! A profile, compiled: which plugins run at which extension point, in which order, with which weight.

use std::fmt;
use std::sync::Arc;

use loadline_model::{PodInfo, Str};

use crate::descriptor::{Descriptor, Plugin};
use crate::extender::SharedExtender;
use crate::gang::GangSettings;
use crate::status::Status;
use crate::usage::UsageSource;

/// A plugin in a profile.
#[derive(Clone)]
pub struct ProfilePlugin {
    /// As it runs.
    pub plugin: Plugin,
    /// What is known about it.
    pub descriptor: &'static Descriptor,
}

/// A plugin at Score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScorePlugin {
    /// Index into [`Profile::plugins`].
    pub plugin: usize,
    /// Weight, at least 1.
    pub weight: i64,
}

/// A profile. Lists hold indices into `plugins`, in the order in which they run.
pub struct Profile {
    /// `schedulerName` of the pods that it schedules.
    pub scheduler_name: Str,
    /// Share of nodes to find before scoring, in percent. `None` or `Some(0)`: all of them.
    pub percentage_of_nodes_to_score: Option<i32>,
    /// Its plugins.
    pub plugins: Vec<ProfilePlugin>,
    /// PreEnqueue.
    pub pre_enqueue: Vec<usize>,
    /// QueueSort: exactly one.
    pub queue_sort: usize,
    /// PreFilter.
    pub pre_filter: Vec<usize>,
    /// Filter.
    pub filter: Vec<usize>,
    /// PostFilter.
    pub post_filter: Vec<usize>,
    /// PreScore.
    pub pre_score: Vec<usize>,
    /// Score.
    pub score: Vec<ScorePlugin>,
    /// Reserve.
    pub reserve: Vec<usize>,
    /// Permit.
    pub permit: Vec<usize>,
    /// PreBind.
    pub pre_bind: Vec<usize>,
    /// Bind: at least one.
    pub bind: Vec<usize>,
    /// PostBind.
    pub post_bind: Vec<usize>,
}

impl Profile {
    /// Name of the plugin at an index.
    pub fn name(&self, plugin: usize) -> &'static str {
        self.plugins[plugin].descriptor.name
    }

    /// What holds for gangs; `None` when pods that name a group are placed like any others.
    pub fn gangs(&self) -> Option<&Arc<GangSettings>> {
        self.plugins.iter().find_map(|plugin| plugin.plugin.gangs.as_ref())
    }

    /// The plugin that keeps a pod out of the queue (PreEnqueue), with its status.
    pub fn gate(&self, pod: &PodInfo) -> Option<(&'static str, Status)> {
        self.pre_enqueue.iter().find_map(|plugin| {
            let status = self.plugins[*plugin].plugin.pre_enqueue.as_ref()?.pre_enqueue(pod);
            (!status.is_success()).then(|| (self.name(*plugin), status))
        })
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile").field("scheduler_name", &self.scheduler_name).finish_non_exhaustive()
    }
}

/// All profiles of a configuration, as the engine runs them.
#[derive(Clone, Debug)]
pub struct Profiles {
    /// By order in the configuration; at least one.
    pub profiles: Vec<Arc<Profile>>,
    /// Who outside is asked, for the pods of every profile, in this order: see [`crate::in_asking_order`]. Compiling a
    /// configuration leaves it empty: to call them is for whoever runs the engine.
    pub extenders: Vec<SharedExtender>,
    /// Hash of the effective configuration, stamped on each decision.
    pub config_hash: Str,
    /// First backoff, nanoseconds.
    pub pod_initial_backoff: i64,
    /// Longest backoff, nanoseconds.
    pub pod_max_backoff: i64,
}

impl Profiles {
    /// The profile that schedules pods of this name.
    pub fn get(&self, scheduler_name: &str) -> Option<&Arc<Profile>> {
        self.profiles.iter().find(|p| p.scheduler_name == *scheduler_name)
    }

    /// Sources of real use that any plugin wants to know, each once, in the order of the configuration.
    pub fn usage_sources(&self) -> Vec<Arc<UsageSource>> {
        let plugins = self.profiles.iter().flat_map(|profile| &profile.plugins);
        let mut sources: Vec<Arc<UsageSource>> = Vec::new();
        for source in plugins.flat_map(|plugin| &plugin.plugin.usage) {
            if !sources.contains(source) {
                sources.push(source.clone());
            }
        }
        sources
    }
}
