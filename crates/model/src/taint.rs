//! Taints and tolerations.

use crate::Str;

/// What a taint does to pods that do not tolerate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// Not placed there.
    NoSchedule,
    /// Placed there only when nothing better is found.
    PreferNoSchedule,
    /// Not placed there, and evicted.
    NoExecute,
}

/// A taint of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Taint {
    /// Key.
    pub key: Str,
    /// Value, often empty.
    pub value: Str,
    /// Effect.
    pub effect: Effect,
}

/// How a toleration compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TolerationOperator {
    /// Key (if given) and value are equal.
    Equal,
    /// Key (if given) is equal.
    Exists,
    /// Known to the API and never true while its feature gate is off (`Lt`, `Gt`), or unknown.
    Never,
}

/// A toleration of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Toleration {
    /// Key; empty matches every key.
    pub key: Str,
    /// Operator.
    pub operator: TolerationOperator,
    /// Value, for [`TolerationOperator::Equal`].
    pub value: Str,
    /// Effect; `None` matches every effect.
    pub effect: Option<Effect>,
}

impl Toleration {
    /// Whether this toleration covers `taint`.
    pub fn tolerates(&self, taint: &Taint) -> bool {
        if self.effect.is_some_and(|effect| effect != taint.effect) {
            return false;
        }
        if !self.key.is_empty() && self.key != taint.key {
            return false;
        }
        match self.operator {
            TolerationOperator::Equal => self.value == taint.value,
            TolerationOperator::Exists => true,
            TolerationOperator::Never => false,
        }
    }
}
