//! What a candidate thinks of the Lease: client-go's rules, without a clock or a client.
//!
//! A candidate never compares its clock with the times in the Lease, which another machine wrote. It notes when *it* last saw the
//! record change, and takes the Lease for abandoned when it then stayed the same for as long as its holder said it would last.

use loadline_model::Time;
use serde_json::{Value, json};

/// What a Lease says of its holder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// Empty when it was released.
    pub(crate) holder: String,
    /// Seconds that the holder keeps it without renewal.
    pub(crate) seconds: i64,
    /// RFC 3339 with microseconds, as the API server writes it; for people, and to see a change.
    pub(crate) acquired: String,
    /// The same.
    pub(crate) renewed: String,
    /// How often it changed hands.
    pub(crate) transitions: i64,
}

impl Record {
    /// The record in a Lease.
    pub(crate) fn of(lease: &Value) -> Self {
        let spec = &lease["spec"];
        let text = |name: &str| spec[name].as_str().unwrap_or_default().to_owned();
        let number = |name: &str| spec[name].as_i64().unwrap_or_default();
        Self {
            holder: text("holderIdentity"),
            seconds: number("leaseDurationSeconds"),
            acquired: text("acquireTime"),
            renewed: text("renewTime"),
            transitions: number("leaseTransitions"),
        }
    }

    /// Puts the record into a Lease, whose metadata and other fields stay.
    pub(crate) fn write_to(&self, lease: &mut Value) {
        lease["spec"]["holderIdentity"] = json!(self.holder);
        lease["spec"]["leaseDurationSeconds"] = json!(self.seconds);
        lease["spec"]["acquireTime"] = json!(self.acquired);
        lease["spec"]["renewTime"] = json!(self.renewed);
        lease["spec"]["leaseTransitions"] = json!(self.transitions);
    }
}

/// A candidate, or the leader.
#[derive(Debug)]
pub(crate) struct Candidate {
    /// Who it is; no two are the same.
    identity: String,
    /// Seconds that it keeps the Lease without renewal.
    seconds: i64,
    /// The record as last seen, and when it was first seen so.
    seen: Option<(Record, Time)>,
}

impl Candidate {
    pub(crate) fn new(identity: String, seconds: i64) -> Self {
        Self { identity, seconds, seen: None }
    }

    pub(crate) fn identity(&self) -> &str {
        &self.identity
    }

    /// Takes note of a Lease that was read or written.
    pub(crate) fn see(&mut self, record: Record, now: Time) {
        if self.seen.as_ref().is_none_or(|(seen, _)| *seen != record) {
            self.seen = Some((record, now));
        }
    }

    /// Who holds the Lease, as far as is known.
    pub(crate) fn holder(&self) -> Option<&str> {
        self.seen.as_ref().map(|(record, _)| record.holder.as_str()).filter(|holder| !holder.is_empty())
    }

    pub(crate) fn is_holder(&self) -> bool {
        self.holder() == Some(self.identity.as_str())
    }

    /// Whether the Lease is still somebody's.
    fn is_held(&self, now: Time) -> bool {
        let lasts = |(record, seen): &(Record, Time)| *seen + record.seconds * 1_000_000_000 > now;
        self.holder().is_some() && self.seen.as_ref().is_some_and(lasts)
    }

    /// Whether the Lease may be written without reading it first.
    pub(crate) fn may_renew_unread(&self, now: Time) -> bool {
        self.is_holder() && self.is_held(now)
    }

    /// What to write; `None` while it is another's. `time` is that of day, as text.
    pub(crate) fn claim(&self, now: Time, time: String) -> Option<Record> {
        if !self.is_holder() && self.is_held(now) {
            return None;
        }
        let mut claim = Record {
            holder: self.identity.clone(),
            seconds: self.seconds,
            acquired: time.clone(),
            renewed: time,
            transitions: 0,
        };
        if let Some((seen, _)) = &self.seen {
            claim.transitions = seen.transitions + 1;
            if self.is_holder() {
                claim.acquired.clone_from(&seen.acquired);
                claim.transitions = seen.transitions;
            }
        }
        Some(claim)
    }

    /// What to write to give the Lease back.
    pub(crate) fn release(&self, time: String) -> Option<Record> {
        let (seen, _) = self.seen.as_ref().filter(|_| self.is_holder())?;
        // The shortest duration that a Lease may have: nobody waits for it.
        let released =
            Record { holder: String::new(), seconds: 1, acquired: time.clone(), renewed: time, ..seen.clone() };
        Some(released)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Time = 1_000_000_000;
    const LEASE: i64 = 15;
    const RENEW: Time = 10 * SECOND;

    /// What the API server has, and when writing stays allowed to each of two candidates.
    struct World {
        now: Time,
        lease: Option<(Record, u64)>,
        candidates: [Candidate; 2],
        /// The version that each has read.
        versions: [u64; 2],
        fences: [Time; 2],
    }

    #[derive(Clone, Debug)]
    enum Step {
        /// Time goes by.
        Pass(Time),
        /// A candidate reads, thinks for some time, and writes; the answer may get lost.
        Try { who: usize, reads: bool, thinks: Time, answered: bool },
        /// The leader gives up.
        Release { who: usize },
    }

    fn step() -> impl Strategy<Value = Step> {
        let try_once = (0..2_usize, any::<bool>(), 0..20 * SECOND, any::<bool>());
        prop_oneof![
            2 => (0..20 * SECOND).prop_map(Step::Pass),
            6 => try_once.prop_map(|(who, reads, thinks, answered)| {
                // Most often it is quick.
                Step::Try { who, reads, thinks: if thinks % 3 == 0 { thinks } else { thinks % (SECOND / 10) }, answered }
            }),
            1 => (0..2_usize).prop_map(|who| Step::Release { who }),
        ]
    }

    impl World {
        fn new() -> Self {
            let candidate = |name: &str| Candidate::new(name.to_owned(), LEASE);
            Self {
                now: 0,
                lease: None,
                candidates: [candidate("a"), candidate("b")],
                versions: [0, 0],
                fences: [Time::MIN; 2],
            }
        }

        /// The same order of things as in `Election::try_once`.
        fn try_once(&mut self, who: usize, reads: bool, thinks: Time, answered: bool) {
            if reads || !self.candidates[who].may_renew_unread(self.now) {
                let found = self.lease.clone();
                if let Some((record, version)) = found {
                    self.candidates[who].see(record, self.now);
                    self.versions[who] = version;
                }
            }
            let begun = self.now;
            let Some(record) = self.candidates[who].claim(begun, self.now.to_string()) else { return };
            self.now += thinks;
            if self.write(who, record, answered) {
                self.fences[who] = begun + RENEW;
            }
        }

        /// Whether the candidate knows that it wrote.
        fn write(&mut self, who: usize, record: Record, answered: bool) -> bool {
            let current = self.lease.as_ref().map_or(0, |(_, version)| *version);
            if current != self.versions[who] {
                return false;
            }
            self.lease = Some((record.clone(), current + 1));
            if answered {
                self.candidates[who].see(record, self.now);
                self.versions[who] = current + 1;
            }
            answered
        }
    }

    proptest! {
        #[test]
        fn two_never_lead_at_once(steps in prop::collection::vec(step(), 1..60)) {
            let mut world = World::new();
            for step in steps {
                match step {
                    Step::Pass(time) => world.now += time,
                    Step::Try { who, reads, thinks, answered } => world.try_once(who, reads, thinks, answered),
                    Step::Release { who } => {
                        // The fence is closed before anything is sent.
                        world.fences[who] = Time::MIN;
                        if let Some(record) = world.candidates[who].release(world.now.to_string()) {
                            world.write(who, record, true);
                        }
                    }
                }
                let open = world.fences.iter().filter(|until| world.now < **until).count();
                prop_assert!(open < 2, "both may write at {}", world.now);
            }
        }
    }

    #[test]
    fn a_lease_that_is_left_alone_is_taken_over() {
        let time = || "1970-01-01T00:00:00.000000Z".to_owned();
        let (mut a, mut b) = (Candidate::new("a".to_owned(), LEASE), Candidate::new("b".to_owned(), LEASE));
        let first = a.claim(0, time()).expect("nobody has it");
        assert_eq!((first.holder.as_str(), first.transitions), ("a", 0));
        a.see(first.clone(), 0);
        // What it says of time does not matter, only when it was seen: at 100 s by the clock of b.
        b.see(first.clone(), 100 * SECOND);
        assert_eq!(b.claim(115 * SECOND - 1, time()), None);
        let second = b.claim(115 * SECOND, time()).expect("it was left alone for 15 s");
        assert_eq!((second.holder.as_str(), second.transitions), ("b", 1));
        // A renewal keeps the count and the time of acquisition.
        let renewed = a.claim(SECOND, "1970-01-01T00:00:01.000000Z".to_owned()).expect("it holds it");
        assert_eq!((&renewed.acquired, renewed.transitions), (&first.acquired, 0));
        assert_ne!(renewed.renewed, first.renewed);
        // A released lease waits for nobody.
        b.see(a.release(time()).expect("it holds it"), 101 * SECOND);
        assert!(b.claim(101 * SECOND, time()).is_some());
    }
}
