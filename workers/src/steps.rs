//! What several jobs or loops do in the same way, inside their transactions or before them.

pub(crate) mod ask_gateway;
pub mod deliver;
pub(crate) mod distinct;
pub(crate) mod facts;
pub(crate) mod give_back;
pub mod release;
