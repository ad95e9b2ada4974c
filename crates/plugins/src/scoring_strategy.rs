//! scoring_strategy.
