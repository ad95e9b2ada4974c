//! A binary heap of pod numbers from which any can be taken out. The order comes from outside with each call, since it
//! depends on the pods: it must be the same order each time.

use std::cmp::Ordering;

use super::slab::Id;

const ABSENT: u32 = u32::MAX;

#[derive(Debug, Default)]
pub(super) struct Heap {
    items: Vec<Id>,
    /// Index into `items` by id, or [`ABSENT`].
    positions: Vec<u32>,
}

impl Heap {
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The least.
    pub(super) fn peek(&self) -> Option<Id> {
        self.items.first().copied()
    }

    /// Adds one that is not in it.
    pub(super) fn push(&mut self, id: Id, order: &impl Fn(Id, Id) -> Ordering) {
        if self.positions.len() <= id.index() {
            self.positions.resize(id.index() + 1, ABSENT);
        }
        debug_assert_eq!(self.positions[id.index()], ABSENT, "a pod is in a queue once");
        self.items.push(id);
        self.set(self.items.len() - 1, id);
        self.up(self.items.len() - 1, order);
    }

    /// Takes the least out.
    pub(super) fn pop(&mut self, order: &impl Fn(Id, Id) -> Ordering) -> Option<Id> {
        let id = self.peek()?;
        self.remove(id, order);
        Some(id)
    }

    /// Takes one out; whether it was there.
    pub(super) fn remove(&mut self, id: Id, order: &impl Fn(Id, Id) -> Ordering) -> bool {
        let Some(at) = self.position(id) else {
            return false;
        };
        self.positions[id.index()] = ABSENT;
        self.items.swap_remove(at);
        if let Some(last) = self.items.get(at).copied() {
            self.set(at, last);
            self.moved(at, order);
        }
        true
    }

    /// Puts one that is in it to where it belongs now.
    pub(super) fn update(&mut self, id: Id, order: &impl Fn(Id, Id) -> Ordering) {
        if let Some(at) = self.position(id) {
            self.moved(at, order);
        }
    }

    fn position(&self, id: Id) -> Option<usize> {
        match self.positions.get(id.index()).copied() {
            None | Some(ABSENT) => None,
            Some(at) => Some(at as usize),
        }
    }

    fn set(&mut self, at: usize, id: Id) {
        self.items[at] = id;
        self.positions[id.index()] = at as u32;
    }

    fn moved(&mut self, at: usize, order: &impl Fn(Id, Id) -> Ordering) {
        let at = self.up(at, order);
        self.down(at, order);
    }

    fn up(&mut self, mut at: usize, order: &impl Fn(Id, Id) -> Ordering) -> usize {
        let id = self.items[at];
        while at > 0 {
            let parent = (at - 1) / 2;
            if order(id, self.items[parent]).is_ge() {
                break;
            }
            self.set(at, self.items[parent]);
            at = parent;
        }
        self.set(at, id);
        at
    }

    fn down(&mut self, mut at: usize, order: &impl Fn(Id, Id) -> Ordering) {
        let id = self.items[at];
        loop {
            let mut child = 2 * at + 1;
            if child >= self.items.len() {
                break;
            }
            if child + 1 < self.items.len() && order(self.items[child + 1], self.items[child]).is_lt() {
                child += 1;
            }
            if order(id, self.items[child]).is_le() {
                break;
            }
            self.set(at, self.items[child]);
            at = child;
        }
        self.set(at, id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn gives_the_least_of_what_is_in_it(steps in prop::collection::vec((0_u32..40, any::<u8>(), 0_u8..4), 0..300)) {
            let mut keys = [0_u8; 40];
            let mut inside: Vec<u32> = Vec::new();
            let mut heap = Heap::default();
            for (id, key, step) in steps {
                let order = |keys: &[u8; 40], a: Id, b: Id| (keys[a.index()], a).cmp(&(keys[b.index()], b));
                match step {
                    0 | 1 if !inside.contains(&id) => {
                        keys[id as usize] = key;
                        inside.push(id);
                        heap.push(Id(id), &|a, b| order(&keys, a, b));
                    }
                    0 | 1 => {
                        keys[id as usize] = key;
                        heap.update(Id(id), &|a, b| order(&keys, a, b));
                    }
                    2 => {
                        let was_inside = inside.contains(&id);
                        inside.retain(|other| *other != id);
                        prop_assert_eq!(heap.remove(Id(id), &|a, b| order(&keys, a, b)), was_inside);
                    }
                    _ => {
                        let least = inside.iter().copied().min_by_key(|id| (keys[*id as usize], *id));
                        prop_assert_eq!(heap.pop(&|a, b| order(&keys, a, b)), least.map(Id));
                        inside.retain(|other| Some(*other) != least);
                    }
                }
                prop_assert_eq!(heap.len(), inside.len());
            }
        }
    }
}
