//! What the ensemble tests share: writers that remember what was acknowledged to them, and the comparison of whole
//! trees through every server.

pub mod changing;
pub mod load;
pub mod tree;
