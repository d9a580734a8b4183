//! What a shop shows of what it sells: products, the choices in them, the words they are found by. The engine knows nothing
//! of it: stock and price are a SKU's.

pub mod import;
pub mod options;
pub mod product;
pub mod texts;
pub mod words;
