//! Rules of the queue, one by one, and in `model` all of them together against a naive queue.

mod fixture;
mod model;
mod naive;
mod rules;
mod swap;
