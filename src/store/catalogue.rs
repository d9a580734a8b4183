//! The catalogue: products, what leads to them, and which SKUs are theirs. Neither holds nor payments read any of it.
//!
//! Whoever writes locks rows of `skus` first, in the order of their ids, and then products in the order of theirs.

pub mod changes;
pub mod import;
pub mod keeping;
pub mod lists;
pub mod locks;
mod members;
pub mod offers;
pub mod places;
pub mod products;
pub mod shown;
pub mod states;
mod told;
