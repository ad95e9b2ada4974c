//! Images over all nodes.

use loadline_framework::ImageState;
use loadline_model::{Image, Map, Str};

#[derive(Clone, Debug, Default)]
pub(super) struct ImageIndex {
    images: Map<Str, ImageState>,
    generation: u64,
}

impl ImageIndex {
    pub(super) fn get(&self, name: &str) -> Option<ImageState> {
        self.images.get(name).copied()
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn node_count_changed(&mut self) {
        self.generation += 1;
    }

    /// A node that had the images `old` now has `new`.
    pub(super) fn replace(&mut self, old: &[Image], new: &[Image]) {
        // First out, then in, as kube-scheduler does: an image that only this node has takes its new size.
        for image in old {
            if let Some(state) = self.images.get_mut(&image.name) {
                state.nodes -= 1;
                if state.nodes == 0 {
                    self.images.remove(&image.name);
                }
            }
        }
        for image in new {
            // The size stays what the first node said, whatever later ones say.
            let state = self.images.entry_ref(&image.name).or_insert(ImageState { size: image.size, nodes: 0 });
            state.nodes += 1;
        }
        if !(old.is_empty() && new.is_empty()) {
            self.generation += 1;
        }
    }
}
