//! How often what must occur at least, so that agreement means something.

use crate::generate::Profile;

/// The least that a profile's clusters must exercise.
#[derive(Clone, Copy, Debug)]
pub struct Floor {
    /// Profile.
    pub profile: Profile,
    /// What is counted, as the coverage table names it.
    pub item: &'static str,
    /// At least so often in a hundred clusters.
    pub in_hundred: u64,
}

impl Floor {
    /// How often at least in a run of so many clusters. Few clusters prove nothing either way: below ten, nothing is
    /// demanded.
    pub const fn wanted(&self, clusters: u64) -> u64 {
        if clusters < 10 {
            0
        } else {
            self.in_hundred * clusters / 100
        }
    }
}

/// The floors of all profiles.
pub const FLOORS: &[Floor] = &[];
