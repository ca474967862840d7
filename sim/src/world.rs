//! The world.
/// The world.
pub struct World;
