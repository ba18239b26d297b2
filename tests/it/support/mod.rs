//! What several areas need to set a scene.

pub mod simulated;
