//! Amounts of resources, in the units that kube-scheduler counts in.

use smallvec::SmallVec;

use crate::Str;

/// Resources of a pod or a node: cpu in thousandths of a core, memory and ephemeral storage in bytes, every other
/// resource ("scalar": extended, hugepages, attachable volumes) as an integer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Resources {
    /// Cpu, in thousandths of a core.
    pub milli_cpu: i64,
    /// Memory, in bytes.
    pub memory: i64,
    /// Ephemeral storage, in bytes.
    pub ephemeral_storage: i64,
    /// All others, sorted by name. An entry of 0 is kept: kube-scheduler tells "asks for 0" from "does not ask".
    pub scalars: SmallVec<[(Str, i64); 0]>,
}

impl Resources {
    /// The amount of the scalar resource `name`, if listed.
    pub fn scalar(&self, name: &str) -> Option<i64> {
        self.scalars.iter().find(|(n, _)| n.as_str() == name).map(|(_, amount)| *amount)
    }

    /// The amount of any resource by its Kubernetes name (0 if not listed). `pods` is not a resource here.
    pub fn get(&self, name: &str) -> i64 {
        match name {
            "cpu" => self.milli_cpu,
            "memory" => self.memory,
            "ephemeral-storage" => self.ephemeral_storage,
            other => self.scalar(other).unwrap_or(0),
        }
    }

    /// Sets the amount of any resource by its Kubernetes name.
    pub fn set(&mut self, name: &str, amount: i64) {
        match name {
            "cpu" => self.milli_cpu = amount,
            "memory" => self.memory = amount,
            "ephemeral-storage" => self.ephemeral_storage = amount,
            other => self.set_scalar(other.into(), amount),
        }
    }

    /// Sets a scalar resource, keeping the order by name.
    pub fn set_scalar(&mut self, name: Str, amount: i64) {
        match self.scalars.binary_search_by(|(n, _)| n.cmp(&name)) {
            Ok(at) => self.scalars[at].1 = amount,
            Err(at) => self.scalars.insert(at, (name, amount)),
        }
    }

    /// Adds `other`. Wraps on overflow as kube-scheduler's sums do, so that taking away undoes adding exactly.
    pub fn add(&mut self, other: &Self) {
        self.combine(other, i64::wrapping_add);
    }

    /// Takes `other` away. A scalar that reaches 0 stays listed, which no reader can tell from an absent one on a node.
    pub fn subtract(&mut self, other: &Self) {
        self.combine(other, i64::wrapping_sub);
    }

    fn combine(&mut self, other: &Self, op: impl Fn(i64, i64) -> i64) {
        self.milli_cpu = op(self.milli_cpu, other.milli_cpu);
        self.memory = op(self.memory, other.memory);
        self.ephemeral_storage = op(self.ephemeral_storage, other.ephemeral_storage);
        for (name, amount) in &other.scalars {
            match self.scalars.binary_search_by(|(n, _)| n.cmp(name)) {
                Ok(at) => self.scalars[at].1 = op(self.scalars[at].1, *amount),
                Err(at) => self.scalars.insert(at, (name.clone(), op(0, *amount))),
            }
        }
    }
}
