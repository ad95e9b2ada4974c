//! One descriptor for each plugin: validation, help, the generated reference, metric labels and the default profile all
//! come from it.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::erased::NodeRunner;
use crate::event::ClusterEvent;
use crate::gang::GangSettings;
use crate::plugin::{
    Bind, NodePlugin, Permit, PostBind, PostFilter, PreBind, PreEnqueue, QueueSort, QueueingHints, Reserve,
};
use crate::usage::UsageSource;

/// Extension points, with the names that configuration and metrics use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ExtensionPoint {
    /// Before a pod enters the queue.
    PreEnqueue,
    /// Order of the queue.
    QueueSort,
    /// Once for a pod.
    PreFilter,
    /// For each node.
    Filter,
    /// When no node is feasible.
    PostFilter,
    /// Once for a pod with feasible nodes.
    PreScore,
    /// For each feasible node.
    Score,
    /// When a node was chosen.
    Reserve,
    /// Before binding starts.
    Permit,
    /// Before the bind call.
    PreBind,
    /// The bind call.
    Bind,
    /// After it.
    PostBind,
}

impl ExtensionPoint {
    /// All, in the order of a cycle.
    pub const ALL: [Self; 12] = [
        Self::PreEnqueue,
        Self::QueueSort,
        Self::PreFilter,
        Self::Filter,
        Self::PostFilter,
        Self::PreScore,
        Self::Score,
        Self::Reserve,
        Self::Permit,
        Self::PreBind,
        Self::Bind,
        Self::PostBind,
    ];

    /// kube-scheduler's name in metrics and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PreEnqueue => "PreEnqueue",
            Self::QueueSort => "QueueSort",
            Self::PreFilter => "PreFilter",
            Self::Filter => "Filter",
            Self::PostFilter => "PostFilter",
            Self::PreScore => "PreScore",
            Self::Score => "Score",
            Self::Reserve => "Reserve",
            Self::Permit => "Permit",
            Self::PreBind => "PreBind",
            Self::Bind => "Bind",
            Self::PostBind => "PostBind",
        }
    }

    /// The field's name in a profile's `plugins`.
    pub const fn field(self) -> &'static str {
        match self {
            Self::PreEnqueue => "preEnqueue",
            Self::QueueSort => "queueSort",
            Self::PreFilter => "preFilter",
            Self::Filter => "filter",
            Self::PostFilter => "postFilter",
            Self::PreScore => "preScore",
            Self::Score => "score",
            Self::Reserve => "reserve",
            Self::Permit => "permit",
            Self::PreBind => "preBind",
            Self::Bind => "bind",
            Self::PostBind => "postBind",
        }
    }
}

impl fmt::Display for ExtensionPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Type of an argument.
#[derive(Clone, Copy, Debug)]
pub enum ArgKind {
    /// `true` or `false`.
    Bool,
    /// A whole number within these bounds.
    Int {
        /// Smallest allowed.
        min: i64,
        /// Largest allowed.
        max: i64,
    },
    /// A number within these bounds, with or without decimals.
    Number {
        /// Smallest allowed.
        min: f64,
        /// Largest allowed.
        max: f64,
    },
    /// Text.
    Text,
    /// One of these.
    Enum(&'static [&'static str]),
    /// A Go duration (`10s`, `1m30s`).
    Duration,
    /// A list.
    List(&'static ArgKind),
    /// An object with these fields and no others.
    Object(&'static [ArgField]),
    /// A `v1.NodeAffinity`.
    NodeAffinity,
    /// A `v1.TopologySpreadConstraint`.
    SpreadConstraint,
}

/// One argument of a plugin.
#[derive(Clone, Copy, Debug)]
pub struct ArgField {
    /// Field name, as in the configuration.
    pub name: &'static str,
    /// Type.
    pub kind: ArgKind,
    /// Default as JSON text; empty when absent by default.
    pub default: &'static str,
    /// What it does, one sentence.
    pub help: &'static str,
}

/// Something wrong with an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Path below `args`, such as `scoringStrategy.resources[0].weight`.
    pub path: String,
    /// What is wrong and what was expected.
    pub message: String,
}

impl FieldError {
    /// An error at a path below `args`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

/// A plugin as it runs in one profile: its name and one object for each kind of extension point that it has.
#[derive(Clone, Default)]
pub struct Plugin {
    /// Name.
    pub name: &'static str,
    /// PreEnqueue.
    pub pre_enqueue: Option<Arc<dyn PreEnqueue>>,
    /// QueueSort.
    pub queue_sort: Option<Arc<dyn QueueSort>>,
    /// PreFilter, Filter, PreScore, Score.
    pub node: Option<Arc<dyn NodeRunner>>,
    /// PostFilter.
    pub post_filter: Option<Arc<dyn PostFilter>>,
    /// Reserve.
    pub reserve: Option<Arc<dyn Reserve>>,
    /// Permit.
    pub permit: Option<Arc<dyn Permit>>,
    /// PreBind.
    pub pre_bind: Option<Arc<dyn PreBind>>,
    /// Bind.
    pub bind: Option<Arc<dyn Bind>>,
    /// PostBind.
    pub post_bind: Option<Arc<dyn PostBind>>,
    /// Queueing hints; without them every registered event wakes.
    pub hints: Option<Arc<dyn QueueingHints>>,
    /// What it wants to know about the real use of nodes: whoever runs the engine asks these sources.
    pub usage: Vec<Arc<UsageSource>>,
    /// Has the profile's pods that name a group placed with it.
    pub gangs: Option<Arc<GangSettings>>,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Plugin {
    /// A plugin without any part yet.
    pub fn new(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    /// Adds PreFilter, Filter, PreScore and Score.
    pub fn with_node<P: NodePlugin>(mut self, plugin: P) -> Self {
        self.node = Some(crate::erased::erase(plugin));
        self
    }

    /// Adds PreEnqueue.
    pub fn with_pre_enqueue(mut self, part: impl PreEnqueue + 'static) -> Self {
        self.pre_enqueue = Some(Arc::new(part));
        self
    }

    /// Adds QueueSort.
    pub fn with_queue_sort(mut self, part: impl QueueSort + 'static) -> Self {
        self.queue_sort = Some(Arc::new(part));
        self
    }

    /// Adds PostFilter.
    pub fn with_post_filter(mut self, part: impl PostFilter + 'static) -> Self {
        self.post_filter = Some(Arc::new(part));
        self
    }

    /// Adds Reserve.
    pub fn with_reserve(mut self, part: impl Reserve + 'static) -> Self {
        self.reserve = Some(Arc::new(part));
        self
    }

    /// Adds Permit.
    pub fn with_permit(mut self, part: impl Permit + 'static) -> Self {
        self.permit = Some(Arc::new(part));
        self
    }

    /// Adds PreBind.
    pub fn with_pre_bind(mut self, part: impl PreBind + 'static) -> Self {
        self.pre_bind = Some(Arc::new(part));
        self
    }

    /// Adds Bind.
    pub fn with_bind(mut self, part: impl Bind + 'static) -> Self {
        self.bind = Some(Arc::new(part));
        self
    }

    /// Adds PostBind.
    pub fn with_post_bind(mut self, part: impl PostBind + 'static) -> Self {
        self.post_bind = Some(Arc::new(part));
        self
    }

    /// Adds queueing hints.
    pub fn with_hints(mut self, part: impl QueueingHints + 'static) -> Self {
        self.hints = Some(Arc::new(part));
        self
    }

    /// Has pods that name a group placed with it.
    pub fn with_gangs(mut self, settings: GangSettings) -> Self {
        self.gangs = Some(Arc::new(settings));
        self
    }

    /// Adds a source of real use.
    pub fn with_usage(mut self, source: Arc<UsageSource>) -> Self {
        self.usage.push(source);
        self
    }
}

/// Where a plugin stands in the default profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultProfile {
    /// Not in it.
    Absent,
    /// In it; `weight` is its score's (0 when it does not score).
    Enabled {
        /// Weight of its score.
        weight: i32,
    },
}

/// What is known about a plugin before it is built.
#[derive(Clone, Copy)]
pub struct Descriptor {
    /// Name, as in the configuration.
    pub name: &'static str,
    /// One or two sentences for help and reference.
    pub help: &'static str,
    /// Extension points that it has.
    pub points: &'static [ExtensionPoint],
    /// Whether the default profile has it. The order of the default profile is the order of the registry.
    pub default_profile: DefaultProfile,
    /// Arguments; empty when it takes none.
    pub args: &'static [ArgField],
    /// Checks beyond types and bounds, on complete arguments (defaults filled in).
    pub validate: fn(&Value) -> Vec<FieldError>,
    /// Events that may make a pod schedulable that it turned down.
    pub events: &'static [ClusterEvent],
    /// Builds it from complete, valid arguments.
    pub build: fn(&Value) -> Result<Plugin, Vec<FieldError>>,
}

impl fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Descriptor").field("name", &self.name).finish_non_exhaustive()
    }
}

/// For plugins whose arguments need no check of their own.
pub fn no_further_checks(_args: &Value) -> Vec<FieldError> {
    Vec::new()
}

/// All plugins that a binary knows, in the order of the default profile.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    descriptors: Vec<&'static Descriptor>,
}

/// A plugin of that name is there already.
#[derive(Debug, PartialEq, Eq)]
pub struct DuplicatePlugin(pub &'static str);

impl fmt::Display for DuplicatePlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a plugin named `{}` is registered already", self.0)
    }
}

impl std::error::Error for DuplicatePlugin {}

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a plugin after the ones that are there.
    pub fn register(&mut self, descriptor: &'static Descriptor) -> Result<(), DuplicatePlugin> {
        if self.get(descriptor.name).is_some() {
            return Err(DuplicatePlugin(descriptor.name));
        }
        self.descriptors.push(descriptor);
        Ok(())
    }

    /// The descriptor of a plugin.
    pub fn get(&self, name: &str) -> Option<&'static Descriptor> {
        self.descriptors.iter().copied().find(|d| d.name == name)
    }

    /// All descriptors.
    pub fn iter(&self) -> impl Iterator<Item = &'static Descriptor> {
        self.descriptors.iter().copied()
    }
}
