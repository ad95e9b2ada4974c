//! What the author of a plugin sees: the traits of the extension points, the descriptor and the registry, the cluster
//! as a plugin may read it, thought experiments, the compiled profile and the decision record.
//!
//! Invariants: no engine, no configuration file, no client, no clock. A plugin compiles against this crate and
//! `loadline-model` alone.

pub mod cluster;
pub mod counts;
pub mod descriptor;
pub mod erased;
pub mod event;
pub mod extender;
pub mod gang;
pub mod log;
pub mod plugin;
pub mod profile;
pub mod record;
pub mod status;
pub mod usage;
pub mod whatif;

pub use cluster::{
    CarriedTerm, Cluster, DomainId, ImageState, MatchedTerm, NodeDelta, NodeView, Prepare, Query, QueryId, Reads, Slot,
    TermKind, Topology, TopologyId,
};
pub use counts::Counts;
pub use descriptor::{
    ArgField, ArgKind, DefaultProfile, Descriptor, DuplicatePlugin, ExtensionPoint, FieldError, Plugin, Registry,
    no_further_checks,
};
pub use event::{Action, ClusterEvent, EventObject, Hint, Resource};
pub use extender::{
    Extender, ExtenderFilter, HostPriority, NodeMetaVictims, NodeVictims, SharedExtender, in_asking_order,
};
pub use gang::{COSCHEDULING, GangPreemption, GangSettings, GangWhatIf, VictimUnit};
pub use log::ChangeLog;
pub use plugin::{
    Bind, Bounds, IGNORED, NodePlugin, Normalization, Permit, PostBind, PostFilter, PostFilterResult, PreBind,
    PreBindStep, PreEnqueue, Prepared, QueueSort, QueueingHints, Reserve, Score, Touched, UNKNOWN, less_is_better,
    mean, normalize_default, normalize_reverse,
};
pub use profile::{Profile, ProfilePlugin, Profiles, ScorePlugin};
pub use status::{Code, Reason, Status, Verdict};
pub use usage::{NodeUsage, PrometheusQuery, Usage, UsageId, UsageKind, UsageSample, UsageSource, WHOLE};
pub use whatif::{Found, NodeTrial, WhatIf};
