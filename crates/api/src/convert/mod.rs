//! From wire types to the model: the one place where API objects are compiled.
//!
//! A [`Converter`] shares what is equal: pods of one template have one allocation for their labels, requests, affinity and so on, so
//! that 150,000 pods are small and comparing them is mostly comparing addresses. Nothing depends on the sharing for correctness.
//!
//! Objects are taken as they are: whether they make sense is asked by [`crate::check`] and what is absent is filled in by
//! [`crate::defaults`]. What neither would let pass is read as kube-scheduler would read it: a term that cannot be understood never
//! matches, a taint without a known effect does nothing.

mod affinity;
mod movable;
mod node;
mod pod;
mod requests;
mod selector;
mod small;

#[cfg(test)]
mod tests;

use std::hash::Hash;
use std::sync::Arc;

use loadline_model::{
    Affinity, GroupKey, Image, Labels, Owner, PodHealth, PodRequests, Set, SpreadConstraint, Str, StrPool, Toleration,
};

pub use requests::pod_requests;
pub(crate) use requests::{container_sum, is_pod_level};

/// Compiles wire objects and shares what is equal among them.
#[derive(Debug, Default)]
pub struct Converter {
    strings: StrPool,
    labels: Shared<Labels>,
    requests: Shared<PodRequests>,
    affinities: Shared<Affinity>,
    owners: Shared<Owner>,
    tolerations: Shared<[Toleration]>,
    spreads: Shared<[SpreadConstraint]>,
    names: Shared<[Str]>,
    images: Shared<[Image]>,
    groups: Shared<GroupKey>,
    healths: Shared<PodHealth>,
}

impl Converter {
    /// A converter that shares nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets what only the converter still holds. For a process that runs for a long time.
    pub fn shrink(&mut self) {
        self.labels.shrink();
        self.requests.shrink();
        self.affinities.shrink();
        self.owners.shrink();
        self.tolerations.shrink();
        self.spreads.shrink();
        self.names.shrink();
        self.images.shrink();
        self.groups.shrink();
        self.healths.shrink();
        self.strings.shrink();
    }

    fn str(&mut self, text: &str) -> Str {
        self.strings.intern(text)
    }

    /// `None` for the empty text.
    fn some_str(&mut self, text: &str) -> Option<Str> {
        (!text.is_empty()).then(|| self.str(text))
    }

    fn strs<'t>(&mut self, texts: impl IntoIterator<Item = &'t String>) -> Vec<Str> {
        texts.into_iter().map(|text| self.strings.intern(text)).collect()
    }
}

/// One allocation for equal values.
#[derive(Debug)]
struct Shared<T: ?Sized>(Set<Arc<T>>);

impl<T: ?Sized> Default for Shared<T> {
    fn default() -> Self {
        Self(Set::default())
    }
}

impl<T: ?Sized + Eq + Hash> Shared<T> {
    fn share(&mut self, value: impl Into<Arc<T>>) -> Arc<T> {
        let value = value.into();
        self.0.get_or_insert_with(&value, Arc::clone).clone()
    }

    fn shrink(&mut self) {
        self.0.retain(|value| Arc::strong_count(value) > 1);
    }
}
