//! What several areas need to set a scene.

pub mod desk;
pub mod folder;
pub mod host;
pub mod program;
pub mod shape;
pub mod simulated;
pub mod tls;
pub mod trail;
pub mod weak_disk;
